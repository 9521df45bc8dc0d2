//! Which namespaces and rooms exist, and how many there may be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{Moment, Refusal, check_room_name};

/// How many there may be, and for how long a closed room stays closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirectoryLimits {
    /// Namespaces on this server.
    pub namespaces: usize,
    /// Rooms in a namespace that says nothing else.
    pub rooms: usize,
    /// A room that was closed by an administrator is not made again by joining for this long.
    pub closed_for: Duration,
}

/// What a list of namespaces says of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamespaceView {
    /// Its name.
    pub name: Arc<str>,
    /// How many rooms it may hold.
    pub rooms_limit: usize,
    /// How many it holds.
    pub rooms: usize,
}

/// All rooms by namespace and name; `R` is whatever holds one.
#[derive(Debug)]
pub struct Directory<R> {
    limits: DirectoryLimits,
    namespaces: BTreeMap<Arc<str>, Namespace<R>>,
}

#[derive(Debug)]
struct Namespace<R> {
    rooms_limit: usize,
    /// Made by an administrator, so it stays when its last room goes.
    declared: bool,
    rooms: BTreeMap<Arc<str>, R>,
    /// Until when; at most [`CLOSED_LIMIT`], who may come back first is forgotten first.
    closed: BTreeMap<Arc<str>, Moment>,
}

const CLOSED_LIMIT: usize = 1024;

impl<R> Directory<R> {
    /// No namespaces and no rooms.
    #[must_use]
    pub const fn new(limits: DirectoryLimits) -> Self {
        Self {
            limits,
            namespaces: BTreeMap::new(),
        }
    }

    /// The room by that name.
    #[must_use]
    pub fn find(&self, namespace: &str, room: &str) -> Option<&R> {
        self.namespaces.get(namespace)?.rooms.get(room)
    }

    /// The room by that name for somebody who joins; `make` makes it where `create` allows that.
    ///
    /// # Errors
    /// `invalid_name`, `no_such_room`, `room_limit`.
    pub fn enter(
        &mut self,
        namespace: &str,
        room: &str,
        create: bool,
        now: Moment,
        make: impl FnOnce(Arc<str>, Arc<str>) -> R,
    ) -> Result<&R, Refusal> {
        if self.namespaces.len() >= self.limits.namespaces {
            self.namespaces.retain(|_, space| space.is_used(now));
        }
        self.may_enter(namespace, room, create, now)?;
        self.room(namespace, room, make).map(|(room, _)| room)
    }

    /// Whether somebody could come into a room of that name, also one that joining would make.
    ///
    /// # Errors
    /// The same refusals as [`Directory::enter`].
    pub fn may_enter(&self, namespace: &str, room: &str, create: bool, now: Moment) -> Result<(), Refusal> {
        check_room_name("namespace", namespace)?;
        check_room_name("room", room)?;
        if self.find(namespace, room).is_some() {
            return Ok(());
        }
        let closed = |space: &Namespace<R>| space.closed.get(room).is_some_and(|until| *until > now);
        if !create || self.namespaces.get(namespace).is_some_and(closed) {
            return Err(Refusal::NoSuchRoom);
        }
        self.has_place(namespace)
    }

    /// The room by that name, made where there is none, on behalf of an administrator; and whether it was made.
    ///
    /// # Errors
    /// `invalid_name`, `room_limit`.
    pub fn declare_room(
        &mut self,
        namespace: &str,
        room: &str,
        make: impl FnOnce(Arc<str>, Arc<str>) -> R,
    ) -> Result<(&R, bool), Refusal> {
        check_room_name("namespace", namespace)?;
        check_room_name("room", room)?;
        if self.find(namespace, room).is_none() {
            self.has_place(namespace)?;
        }
        if let Some(space) = self.namespaces.get_mut(namespace) {
            space.closed.remove(room);
        }
        self.room(namespace, room, make)
    }

    /// Takes a room out because it was empty for long enough.
    pub fn expire_room(&mut self, namespace: &str, room: &str) -> Option<R> {
        let space = self.namespaces.get_mut(namespace)?;
        let expired = space.rooms.remove(room);
        if space.rooms.is_empty() && space.closed.is_empty() && !space.declared {
            self.namespaces.remove(namespace);
        }
        expired
    }

    /// Takes a room out and keeps joiners from making it again for a while.
    pub fn close_room(&mut self, namespace: &str, room: &str, now: Moment) -> Option<R> {
        let closed_for = self.limits.closed_for;
        let space = self.namespaces.get_mut(namespace)?;
        let (name, closed) = space.rooms.remove_entry(room)?;
        space.closed.retain(|_, until| *until > now);
        if space.closed.len() >= CLOSED_LIMIT {
            let first = space
                .closed
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(name, _)| name.clone());
            first.map(|name| space.closed.remove(&name));
        }
        space.closed.insert(name, now + closed_for);
        Some(closed)
    }

    /// Makes a namespace or changes how many rooms it may hold; answers whether it was made.
    ///
    /// # Errors
    /// `invalid_name`, `room_limit`.
    pub fn declare_namespace(
        &mut self,
        namespace: &str,
        rooms_limit: Option<usize>,
    ) -> Result<bool, Refusal> {
        check_room_name("namespace", namespace)?;
        let made = !self.namespaces.contains_key(namespace);
        if made && self.namespaces.len() >= self.limits.namespaces {
            return Err(Refusal::NamespaceLimit {
                limit: self.limits.namespaces,
            });
        }
        let default = self.limits.rooms;
        let space = self
            .namespaces
            .entry(namespace.into())
            .or_insert_with(|| Namespace::new(default));
        space.declared = true;
        space.rooms_limit = rooms_limit.unwrap_or(space.rooms_limit);
        Ok(made)
    }

    /// Takes a namespace out with all its rooms.
    pub fn remove_namespace(&mut self, namespace: &str) -> Option<Vec<R>> {
        Some(self.namespaces.remove(namespace)?.rooms.into_values().collect())
    }

    /// Takes everything out.
    pub fn remove_all(&mut self) -> Vec<R> {
        std::mem::take(&mut self.namespaces)
            .into_values()
            .flat_map(|space| space.rooms.into_values())
            .collect()
    }

    /// One namespace.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Option<NamespaceView> {
        self.namespaces
            .get_key_value(namespace)
            .map(|(name, space)| space.view(name))
    }

    /// All namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = NamespaceView> {
        self.namespaces.iter().map(|(name, space)| space.view(name))
    }

    /// The rooms of a namespace, by name.
    pub fn rooms(&self, namespace: &str) -> Option<impl Iterator<Item = &R>> {
        Some(self.namespaces.get(namespace)?.rooms.values())
    }

    /// All rooms.
    pub fn all_rooms(&self) -> impl Iterator<Item = &R> {
        self.namespaces.values().flat_map(|space| space.rooms.values())
    }

    fn has_place(&self, namespace: &str) -> Result<(), Refusal> {
        let (rooms, limit) = match self.namespaces.get(namespace) {
            Some(space) => (space.rooms.len(), space.rooms_limit),
            None if self.namespaces.len() >= self.limits.namespaces => {
                return Err(Refusal::NamespaceLimit {
                    limit: self.limits.namespaces,
                });
            }
            None => (0, self.limits.rooms),
        };
        if rooms < limit {
            Ok(())
        } else {
            Err(Refusal::RoomLimit { limit })
        }
    }

    fn room(
        &mut self,
        namespace: &str,
        room: &str,
        make: impl FnOnce(Arc<str>, Arc<str>) -> R,
    ) -> Result<(&R, bool), Refusal> {
        let default = self.limits.rooms;
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), Namespace::new(default));
        }
        let (name, _) = self
            .namespaces
            .get_key_value(namespace)
            .ok_or(Refusal::NoSuchRoom)?;
        let name = name.clone();
        let space = self.namespaces.get_mut(namespace).ok_or(Refusal::NoSuchRoom)?;
        let made = !space.rooms.contains_key(room);
        if made {
            let room: Arc<str> = room.into();
            space.rooms.insert(room.clone(), make(name, room));
        }
        space
            .rooms
            .get(room)
            .map(|room| (room, made))
            .ok_or(Refusal::NoSuchRoom)
    }
}

impl<R> Namespace<R> {
    const fn new(rooms_limit: usize) -> Self {
        Self {
            rooms_limit,
            declared: false,
            rooms: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    fn is_used(&self, now: Moment) -> bool {
        self.declared || !self.rooms.is_empty() || self.closed.values().any(|until| *until > now)
    }

    fn view(&self, name: &Arc<str>) -> NamespaceView {
        NamespaceView {
            name: name.clone(),
            rooms_limit: self.rooms_limit,
            rooms: self.rooms.len(),
        }
    }
}
