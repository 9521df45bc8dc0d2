//! Who is in which room through the AppRTC door, over HTTP and over Collider's WebSocket alike.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::Instant,
};
use trefoil_apprtc::{Act, Member};
use trefoil_native::{Guard, Manner, Refusal, Said, Verdict, Word};
use trefoil_room::{Event, LeaveReason, Refusal as RoomRefusal};
use trefoil_wire::Dialect;

use super::super::stay::{Entered, Stay, Wish};
use crate::{config::seconds, shared::Shared};

pub(super) const DOOR: &str = "apprtc";
/// Texts that wait to be written to one WebSocket.
const WRITES: usize = 256;

/// How long a client that joins may take until it answers an offer: then it is told what waits, ready or not.
const ANSWER: Duration = Duration::from_secs(5);

/// A client by its room and its own id.
pub(super) type Key = (String, String);

/// All clients of this door.
pub(super) struct Desk {
    shared: Arc<Shared>,
    seats: Mutex<BTreeMap<Key, Arc<Seat>>>,
    /// Held while somebody comes in and takes what was said until then, and while those who are there learn of it: so
    /// everything is told once, either way. No lock is held when this one is taken.
    coming: Mutex<()>,
}

/// What somebody comes for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A call.
    Usual,
    /// To hear itself: the room is for nobody else.
    Loopback,
    /// To be the one who says again to such a client what it said: its own second connection.
    Echo,
}

impl Kind {
    /// What a client comes for that registers with Collider under this id.
    pub(super) fn registering(client: &str) -> Self {
        if client.eq_ignore_ascii_case(ECHO) {
            Self::Echo
        } else {
            Self::Usual
        }
    }
}

/// Under which id the web client's second connection registers when it wants to hear itself.
const ECHO: &str = "loopback_client_id";

/// One client.
pub(super) struct Seat {
    key: Key,
    kind: Kind,
    inner: Mutex<Inner>,
    /// Changes whenever a WebSocket comes or goes.
    attached: watch::Sender<bool>,
    /// Something was heard.
    heard: Notify,
}

struct Inner {
    member: Member,
    guard: Guard,
    /// `None` once the stay is over.
    stay: Option<Stay>,
    /// Where texts for its WebSocket go, if it has one.
    writer: Option<mpsc::Sender<String>>,
}

/// How somebody wants to come in.
pub(super) struct Arrival<'a> {
    pub(super) token: Option<&'a str>,
    pub(super) host: Arc<str>,
    /// It joins as a caller does: what it is told waits until it has answered.
    pub(super) answers: bool,
    pub(super) kind: Kind,
}

/// Why something that a client said was not taken.
pub(super) enum Unsaid {
    /// Too much waits, or too much was said.
    TooMuch,
    /// Its stay is over.
    Gone,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            seats: Mutex::default(),
            coming: Mutex::default(),
        })
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The client with this id, if it is in the room.
    pub(super) fn find(&self, key: &Key) -> Option<Arc<Seat>> {
        lock(&self.seats).get(key).cloned()
    }

    /// Whether anybody of this door is in the room.
    pub(super) fn knows_room(&self, room: &str) -> bool {
        let first = (room.to_owned(), String::new());
        lock(&self.seats)
            .range(first..)
            .next()
            .is_some_and(|((other, _), _)| other == room)
    }

    /// Whether somebody in the room is there to hear itself.
    fn is_looped(&self, room: &str) -> bool {
        let first = (room.to_owned(), String::new());
        lock(&self.seats)
            .range(first..)
            .take_while(|((other, _), _)| other == room)
            .any(|(_, seat)| seat.kind == Kind::Loopback)
    }

    /// What those of this door in `room` have said to nobody, for the one who comes now.
    fn take_said(&self, key: &Key) -> Vec<String> {
        let first = (key.0.clone(), String::new());
        let seats: Vec<_> = lock(&self.seats)
            .range(first..)
            .take_while(|(other, _)| other.0 == key.0)
            .filter(|(other, _)| *other != key)
            .map(|(_, seat)| seat.clone())
            .collect();
        seats
            .iter()
            .flat_map(|seat| lock(&seat.inner).member.take_said())
            .collect()
    }

    /// Takes a seat for a client; gives what others of this door have said to nobody until now. Until it has a WebSocket,
    /// it is there for a while only.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: Key,
        arrival: &Arrival<'_>,
    ) -> Result<(Arc<Seat>, Vec<String>), Refusal> {
        let _coming = lock(&self.coming);
        if arrival.kind != Kind::Echo && self.is_looped(&key.0) {
            self.shared.metrics.refused("room_full");
            return Err(RoomRefusal::RoomFull { limit: 2 }.into());
        }
        let seat = self.sit_down(key, arrival)?;
        let said = self.take_said(&seat.key);
        Ok((seat, said))
    }

    fn sit_down(self: &Arc<Self>, key: Key, arrival: &Arrival<'_>) -> Result<Arc<Seat>, Refusal> {
        let room = trefoil_room::room_name_for(&key.0).into_owned();
        let wish = Wish {
            door: DOOR,
            manner: Manner::Called,
            token: arrival.token,
            namespace: crate::shared::DEFAULT_NAMESPACE,
            room: &room,
            topology: None,
            name: None,
            host: arrival.host.clone(),
        };
        let Entered {
            stay, words, others, ..
        } = Stay::enter(&self.shared, wish)?;
        let waiting = self.shared.config.doors.apprtc.waiting_messages;
        let seat = Arc::new(Seat {
            key: key.clone(),
            kind: arrival.kind,
            inner: Mutex::new(Inner {
                member: Member::new(others, waiting, arrival.answers),
                guard: Guard::new(self.shared.config.guard_limits(), self.shared.now()),
                stay: Some(stay),
                writer: None,
            }),
            attached: watch::Sender::new(false),
            heard: Notify::new(),
        });
        let before = lock(&self.seats).insert(key, seat.clone());
        if let Some(before) = before {
            before.end(LeaveReason::Replaced);
            before.hang_up();
        }
        tokio::spawn(keep(Arc::downgrade(self), seat.clone(), words));
        Ok(seat)
    }

    /// Ends a client's stay, and closes its WebSocket.
    pub(super) fn leave(&self, seat: &Arc<Seat>, reason: LeaveReason) {
        self.stand_up(seat, reason);
        seat.hang_up();
    }

    /// Ends a client's stay. Its WebSocket stays for a while: clients still say goodbye over it, and would find another way.
    pub(super) fn stand_up(&self, seat: &Arc<Seat>, reason: LeaveReason) {
        let mut seats = lock(&self.seats);
        if seats.get(&seat.key).is_some_and(|there| Arc::ptr_eq(there, seat)) {
            seats.remove(&seat.key);
        }
        drop(seats);
        seat.end(reason);
    }
}

impl Seat {
    /// Whether it makes the offer.
    pub(super) fn is_initiator(&self) -> bool {
        lock(&self.inner).member.is_alone()
    }

    /// It says something to the other one, or to whoever comes.
    pub(super) fn say(&self, shared: &Shared, text: String) -> Result<(), Unsaid> {
        shared.metrics.door(DOOR).messages.inc();
        let mut inner = lock(&self.inner);
        if inner.stay.is_none() {
            return Err(Unsaid::Gone);
        }
        if inner.guard.admit(shared.now()) != Verdict::Obey {
            shared.metrics.refused("rate_limited");
            return Err(Unsaid::TooMuch);
        }
        let Ok(acts) = inner.member.say(text) else {
            shared.metrics.refused("too_slow");
            return Err(Unsaid::TooMuch);
        };
        act(&mut inner, acts);
        Ok(())
    }

    /// Gives it a WebSocket: what it is told comes out of the receiver. `None` if it has one already.
    pub(super) fn attach(&self) -> Option<mpsc::Receiver<String>> {
        let mut inner = lock(&self.inner);
        if inner.member.is_attached() || inner.stay.is_none() {
            return None;
        }
        // What waited may be more than a queue holds.
        let acts = inner.member.attach();
        let (writer, texts) = mpsc::channel(WRITES + acts.len());
        inner.writer = Some(writer);
        act(&mut inner, acts);
        drop(inner);
        self.attached.send_replace(true);
        Some(texts)
    }

    /// Its WebSocket is gone.
    pub(super) fn detach(&self) {
        let mut inner = lock(&self.inner);
        inner.member.detach();
        inner.writer = None;
        drop(inner);
        self.attached.send_replace(false);
    }

    /// Whether the stay is over.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.inner).stay.is_none()
    }

    fn end(&self, reason: LeaveReason) {
        let stay = lock(&self.inner).stay.take();
        if let Some(stay) = stay {
            stay.leave(reason);
        }
    }

    /// Without a writer its WebSocket closes.
    fn hang_up(&self) {
        lock(&self.inner).writer = None;
    }

    /// It is told what was said before it came.
    pub(super) fn hear_all(&self, said: &[String]) {
        let mut inner = lock(&self.inner);
        for text in said {
            let acts = inner.member.heard(text);
            act(&mut inner, acts);
        }
    }

    /// What it has heard, once there is an offer in it.
    pub(super) async fn offered(&self) -> Vec<String> {
        loop {
            let heard = self.heard.notified();
            let offer = lock(&self.inner).member.take_offer();
            if let Some(messages) = offer {
                return messages;
            }
            heard.await;
        }
    }

    /// It had time enough to make its connection.
    fn listen(&self) {
        let mut inner = lock(&self.inner);
        let acts = inner.member.listen();
        act(&mut inner, acts);
    }

    /// The room says something; `false` once the stay is over.
    fn told(&self, word: Word) -> bool {
        let mut inner = lock(&self.inner);
        let acts = match word {
            Word::Event(Event::Joined(_)) => inner.member.joined(),
            Word::Event(Event::Left { .. }) => inner.member.left(),
            Word::Event(Event::Ended(_)) => {
                inner.writer = None;
                if let Some(stay) = inner.stay.take() {
                    stay.forget();
                }
                return false;
            }
            Word::Event(Event::Updated(_) | Event::Mute { .. } | Event::RoomUpdated(_)) => Vec::new(),
            Word::Said(said) => heard(&mut inner.member, &said),
            Word::CallLost => inner.member.call_lost(),
        };
        act(&mut inner, acts);
        drop(inner);
        self.heard.notify_waiters();
        true
    }
}

fn heard(member: &mut Member, said: &Said) -> Vec<Act> {
    match said.raw.downcast_ref::<String>() {
        Some(text) if said.door == DOOR => member.heard(text),
        Some(_) | None => member.heard_parts(&said.parts),
    }
}

fn act(inner: &mut Inner, acts: Vec<Act>) {
    for act in acts {
        match act {
            Act::Say(text) => {
                let parts = serde_json::from_str(&text).map(|value| Dialect::Labelled.read(value));
                if let Some(stay) = &inner.stay {
                    stay.say(Arc::new(text), parts.into_iter().collect());
                }
            }
            Act::Send(text) => {
                // Who does not read loses the WebSocket, and may come back for the rest.
                let full = inner
                    .writer
                    .as_ref()
                    .is_some_and(|writer| writer.try_send(text).is_err());
                if full {
                    inner.writer = None;
                }
            }
        }
    }
}

/// Tells a client what its room says, and ends its stay when it has been without a WebSocket for too long.
async fn keep(desk: Weak<Desk>, seat: Arc<Seat>, mut words: mpsc::Receiver<Word>) {
    let patience = match desk.upgrade() {
        Some(desk) => seconds(desk.shared.config.doors.apprtc.absent_seconds),
        None => return,
    };
    let mut attached = seat.attached.subscribe();
    let mut until = Instant::now() + patience;
    let answered = tokio::time::sleep(ANSWER);
    tokio::pin!(answered);
    let mut listens = false;
    loop {
        let present = *attached.borrow_and_update();
        tokio::select! {
            word = words.recv() => {
                let Some(word) = word else { break };
                if matches!(word, Word::Event(Event::Joined(_)))
                    && let Some(desk) = desk.upgrade()
                {
                    // Whoever comes takes first what was said until then.
                    drop(lock(&desk.coming));
                }
                if !seat.told(word) {
                    break;
                }
            }
            () = &mut answered, if !listens => {
                listens = true;
                seat.listen();
            }
            changed = attached.changed() => match changed {
                Ok(()) => until = Instant::now() + patience,
                Err(_) => break,
            },
            () = tokio::time::sleep_until(until), if !present => break,
        }
    }
    let Some(desk) = desk.upgrade() else { return };
    if seat.is_over() {
        desk.stand_up(&seat, LeaveReason::Left);
    } else {
        desk.leave(&seat, LeaveReason::Timeout);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
