//! All halls: found by name or by resume token, each behind a lock of its own, and woken when their time has come.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::Waker,
};

use tokio::sync::Notify;
use trefoil_native::{Hall, HallSettings, Outside, Refusal, ResumeToken};
use trefoil_room::{
    Directory, DirectoryLimits, IdSource, LeaveReason, Moment, NamespaceView, Refusal as RoomRefusal, Room,
    RoomSettings, RoomView, Rules, SettingsChange, Topology,
};

/// How every new hall is set up.
pub(crate) struct Defaults {
    pub(crate) room: RoomSettings,
    pub(crate) rules: Rules,
    pub(crate) hall: HallSettings,
    pub(crate) create_on_join: bool,
}

/// One hall and its lock, which is never held across an await and never taken while another hall's is held.
pub(crate) struct HallCell {
    inner: Mutex<Inner>,
}

struct Inner {
    hall: Hall,
    /// The earliest entry for it in the timer heap.
    scheduled: Option<Moment>,
    /// Taken out of the directory: nobody may come in any more.
    closed: bool,
}

/// All halls of this server.
pub(crate) struct Halls {
    directory: Mutex<Directory<Arc<HallCell>>>,
    by_key: Mutex<HashMap<u64, Weak<HallCell>>>,
    /// When which hall wants to be asked; a hall adds an entry only if it is earlier than all its others.
    timers: Mutex<BinaryHeap<Reverse<(Moment, u64)>>>,
    earlier: Notify,
    seeds: Mutex<IdSource>,
    defaults: Defaults,
}

impl Halls {
    /// No halls yet; all randomness comes from `seed`.
    pub(crate) fn new(defaults: Defaults, limits: DirectoryLimits, seed: [u8; 32]) -> Self {
        Self {
            directory: Mutex::new(Directory::new(limits)),
            by_key: Mutex::default(),
            timers: Mutex::default(),
            earlier: Notify::new(),
            seeds: Mutex::new(IdSource::new(seed)),
            defaults,
        }
    }

    /// The rules of all rooms.
    pub(crate) const fn rules(&self) -> Rules {
        self.defaults.rules
    }

    /// Does something in the hall with that key, if it is there still.
    pub(crate) fn with_key(&self, key: u64, act: impl FnOnce(&mut Hall)) {
        let cell = lock(&self.by_key).get(&key).and_then(Weak::upgrade);
        if let Some(cell) = cell {
            self.act(&cell, act);
        }
    }

    /// The namespace and the name of the room of the hall with that key.
    pub(crate) fn names_of(&self, key: u64) -> Option<(String, String)> {
        let cell = lock(&self.by_key).get(&key).and_then(Weak::upgrade)?;
        let hall = lock(&cell.inner);
        let view = hall.hall.room().view();
        Some((view.namespace.to_string(), view.name.to_string()))
    }

    /// Does something in the hall by that name, which is made if joining may do so; of this topology, if that matters.
    pub(crate) fn enter<T>(
        &self,
        namespace: &str,
        room: &str,
        topology: Option<Topology>,
        now: Moment,
        mut act: impl FnMut(&mut Hall) -> T,
    ) -> Result<(Arc<HallCell>, T), Refusal> {
        let create = self.defaults.create_on_join;
        let change = SettingsChange {
            topology: topology.filter(|wanted| self.defaults.rules.may_be(*wanted).is_ok()),
            ..SettingsChange::default()
        };
        let settings = self.defaults.room.after(change);
        loop {
            let cell = {
                let mut directory = lock(&self.directory);
                directory
                    .enter(namespace, room, create, now, |space, room| {
                        self.make(space, room, settings, now)
                    })?
                    .clone()
            };
            // A hall that was taken out in between is not found again.
            if let Some(done) = self.act(&cell, &mut act) {
                return Ok((cell, done));
            }
        }
    }

    /// Does something in the hall that a resume token names.
    pub(crate) fn resume<T>(
        &self,
        token: ResumeToken,
        act: impl FnMut(&mut Hall) -> T,
    ) -> Result<(Arc<HallCell>, T), Refusal> {
        let lost = Refusal::Room(RoomRefusal::SessionLost);
        let cell = lock(&self.by_key)
            .get(&token.hall)
            .and_then(Weak::upgrade)
            .ok_or(lost)?;
        let done = self.act(&cell, act).ok_or(lost)?;
        Ok((cell, done))
    }

    /// What `look` sees of the hall by that name; without a hall, of what joining would make.
    pub(crate) fn peek<T>(
        &self,
        namespace: &str,
        room: &str,
        now: Moment,
        look: impl FnOnce(Result<&Hall, RoomSettings>) -> T,
    ) -> Result<T, Refusal> {
        let cell = {
            let directory = lock(&self.directory);
            directory.may_enter(namespace, room, self.defaults.create_on_join, now)?;
            directory.find(namespace, room).cloned()
        };
        Ok(match cell {
            Some(cell) => look(Ok(&lock(&cell.inner).hall)),
            None => look(Err(self.defaults.room)),
        })
    }

    /// Does something in `cell`; wakes whom that concerns and plans when to ask again. `None` if the hall is closed.
    pub(crate) fn act<T>(&self, cell: &Arc<HallCell>, act: impl FnOnce(&mut Hall) -> T) -> Option<T> {
        let inner = lock(&cell.inner);
        if inner.closed {
            None
        } else {
            Some(self.act_in(inner, act))
        }
    }

    /// Does something in `cell` for a connection that is inside, even if the hall is closed.
    pub(crate) fn serve<T>(&self, cell: &Arc<HallCell>, act: impl FnOnce(&mut Hall) -> T) -> T {
        self.act_in(lock(&cell.inner), act)
    }

    fn act_in<T>(&self, mut inner: MutexGuard<'_, Inner>, act: impl FnOnce(&mut Hall) -> T) -> T {
        let done = act(&mut inner.hall);
        if inner.hall.take_changed() {
            self.schedule(&mut inner);
        }
        let wakes = inner.hall.take_wakes();
        drop(inner);
        wakes.into_iter().for_each(Waker::wake);
        done
    }

    fn schedule(&self, inner: &mut Inner) {
        let Some(deadline) = inner.hall.room().poll_timeout() else {
            return;
        };
        if inner.scheduled.is_none_or(|scheduled| deadline.at < scheduled) {
            inner.scheduled = Some(deadline.at);
            lock(&self.timers).push(Reverse((deadline.at, inner.hall.key())));
            self.earlier.notify_one();
        }
    }

    fn make(
        &self,
        namespace: Arc<str>,
        name: Arc<str>,
        settings: RoomSettings,
        now: Moment,
    ) -> Arc<HallCell> {
        let (key, seed) = {
            let mut seeds = lock(&self.seeds);
            let mut seed = [0; 32];
            let (one, two) = seed.split_at_mut(16);
            one.copy_from_slice(&seeds.next_bytes());
            two.copy_from_slice(&seeds.next_bytes());
            (seeds.next_number(), seed)
        };
        let view = RoomView {
            namespace,
            name,
            settings,
            crowded: false,
        };
        let room = Room::new(view, self.defaults.rules, seed, now);
        let hall = Hall::new(
            room,
            HallSettings {
                key,
                ..self.defaults.hall
            },
        );
        let mut inner = Inner {
            hall,
            scheduled: None,
            closed: false,
        };
        self.schedule(&mut inner);
        let cell = Arc::new(HallCell {
            inner: Mutex::new(inner),
        });
        lock(&self.by_key).insert(key, Arc::downgrade(&cell));
        cell
    }

    /// Runs for ever: asks each hall when its time has come.
    pub(crate) async fn keep_time(&self, outside: &impl Outside, now: impl Fn() -> Moment) {
        loop {
            let next = lock(&self.timers).peek().map(|Reverse((at, _))| *at);
            match next {
                Some(at) if at <= now() => self.ask_due(outside, now()),
                Some(at) => {
                    let wait = tokio::time::sleep(at.since(now()));
                    tokio::select! { () = wait => {}, () = self.earlier.notified() => {} }
                }
                None => self.earlier.notified().await,
            }
        }
    }

    fn ask_due(&self, outside: &impl Outside, now: Moment) {
        let due = {
            let mut timers = lock(&self.timers);
            match timers.peek() {
                Some(Reverse((at, _))) if *at <= now => timers.pop(),
                Some(_) | None => None,
            }
        };
        let Some(Reverse((_, key))) = due else { return };
        let Some(cell) = lock(&self.by_key).get(&key).and_then(Weak::upgrade) else {
            return;
        };
        let (expired, wakes, view) = {
            let mut inner = lock(&cell.inner);
            inner.scheduled = None;
            inner.hall.change(outside, now, |room| room.handle_timeout(now));
            let _ = inner.hall.take_changed();
            self.schedule(&mut inner);
            let expired = inner.hall.room().is_expired(now) && !inner.closed;
            (expired, inner.hall.take_wakes(), inner.hall.room().view().clone())
        };
        wakes.into_iter().for_each(Waker::wake);
        if expired {
            self.expire(&cell, &view, now);
        }
    }

    /// Takes out a hall that was empty for long enough, unless somebody came in meanwhile.
    fn expire(&self, cell: &Arc<HallCell>, view: &RoomView, now: Moment) {
        let mut directory = lock(&self.directory);
        let mut inner = lock(&cell.inner);
        if inner.hall.room().is_expired(now) && !inner.closed {
            inner.closed = true;
            lock(&self.by_key).remove(&inner.hall.key());
            directory.expire_room(&view.namespace, &view.name);
        }
    }

    fn shut(&self, cell: &Arc<HallCell>, reason: LeaveReason, outside: &impl Outside, now: Moment) {
        let wakes = {
            let mut inner = lock(&cell.inner);
            inner.closed = true;
            lock(&self.by_key).remove(&inner.hall.key());
            inner.hall.change(outside, now, |room| room.close(reason, now));
            inner.hall.take_wakes()
        };
        wakes.into_iter().for_each(Waker::wake);
    }

    /// Closes a room for those inside; `None` if there is none.
    pub(crate) fn close_room(
        &self,
        namespace: &str,
        room: &str,
        outside: &impl Outside,
        now: Moment,
    ) -> Option<()> {
        let cell = lock(&self.directory).close_room(namespace, room, now)?;
        self.shut(&cell, LeaveReason::RoomClosed, outside, now);
        Some(())
    }

    /// Closes all rooms of a namespace and forgets it; `None` if there is none.
    pub(crate) fn remove_namespace(
        &self,
        namespace: &str,
        outside: &impl Outside,
        now: Moment,
    ) -> Option<()> {
        let cells = lock(&self.directory).remove_namespace(namespace)?;
        cells
            .iter()
            .for_each(|cell| self.shut(cell, LeaveReason::RoomClosed, outside, now));
        Some(())
    }

    /// Closes everything because the server stops.
    pub(crate) fn stop(&self, outside: &impl Outside, now: Moment) {
        let cells = lock(&self.directory).remove_all();
        cells
            .iter()
            .for_each(|cell| self.shut(cell, LeaveReason::ServerStopping, outside, now));
    }

    /// Makes a room or finds it, does something there, and answers whether it was made.
    pub(crate) fn declare_room<T>(
        &self,
        namespace: &str,
        room: &str,
        now: Moment,
        mut act: impl FnMut(&mut Hall) -> T,
    ) -> Result<(T, bool), Refusal> {
        loop {
            let (cell, made) = {
                let mut directory = lock(&self.directory);
                let (cell, made) = directory.declare_room(namespace, room, |space, room| {
                    self.make(space, room, self.defaults.room, now)
                })?;
                (cell.clone(), made)
            };
            if let Some(done) = self.act(&cell, &mut act) {
                return Ok((done, made));
            }
        }
    }

    /// The hall by that name, if it exists.
    pub(crate) fn find(&self, namespace: &str, room: &str) -> Option<Arc<HallCell>> {
        lock(&self.directory).find(namespace, room).cloned()
    }

    /// Makes a namespace or changes it; answers whether it was made.
    pub(crate) fn declare_namespace(
        &self,
        namespace: &str,
        rooms_limit: Option<usize>,
    ) -> Result<bool, Refusal> {
        Ok(lock(&self.directory).declare_namespace(namespace, rooms_limit)?)
    }

    /// One namespace.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<NamespaceView> {
        lock(&self.directory).namespace(namespace)
    }

    /// All namespaces.
    pub(crate) fn namespaces(&self) -> Vec<NamespaceView> {
        lock(&self.directory).namespaces().collect()
    }

    /// What `look` sees of each room of a namespace.
    pub(crate) fn rooms<T>(&self, namespace: &str, look: impl Fn(&Hall) -> T) -> Option<Vec<T>> {
        let cells: Vec<_> = lock(&self.directory).rooms(namespace)?.cloned().collect();
        Some(cells.iter().map(|cell| look(&lock(&cell.inner).hall)).collect())
    }

    /// How many rooms there are, and how many people in them.
    pub(crate) fn census(&self) -> (usize, usize) {
        let cells: Vec<_> = lock(&self.directory).all_rooms().cloned().collect();
        (
            cells.len(),
            cells
                .iter()
                .map(|cell| lock(&cell.inner).hall.room().participants().len())
                .sum(),
        )
    }
}

/// Locks; a panic elsewhere does not take the rest of the server with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
