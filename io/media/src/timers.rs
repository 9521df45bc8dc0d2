//! When whom to look after: one heap for all, with entries that may be out of date.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use crate::mixing::RoomMixer;

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Timer {
    /// A member's publishing transport.
    Publish(u32),
    /// A member's subscribing transport.
    Subscribe(u32),
    /// A room.
    Room(u32),
    /// A room's mixer.
    Mix(u32),
    /// What is played into a room.
    Announce(u32),
}

/// The heap. Whoever has something due earlier than planned adds an entry; entries that come too early are asked again.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Duration, Timer)>>,
}

/// When somebody's earliest entry is; they keep it themselves.
pub(crate) type Planned = Option<Duration>;

impl Timers {
    /// Plans to look after `timer` at `due`, unless that is planned for then or earlier.
    pub(crate) fn plan(&mut self, planned: &mut Planned, timer: Timer, due: Duration) {
        if planned.is_none_or(|planned| due < planned) {
            *planned = Some(due);
            self.heap.push(Reverse((due, timer)));
        }
    }

    /// Plans the next step of a room's mixer.
    pub(crate) fn plan_mixer(&mut self, mixing: &mut RoomMixer, room: u32) {
        if let Some(due) = mixing.mixer.poll_timeout() {
            self.plan(&mut mixing.planned, Timer::Mix(room), due);
        }
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Whoever is due; they must forget what they planned.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<(Duration, Timer)> {
        match self.heap.peek() {
            Some(Reverse((due, _))) if *due <= now => self.heap.pop().map(|Reverse(entry)| entry),
            Some(_) | None => None,
        }
    }
}
