//! One room with the sessions of this protocol in it: who is told what, over which connection.

use std::{collections::BTreeMap, mem::Discriminant, task::Waker};

use bytes::Bytes;
use trefoil_room::{
    Audience, Entrance, Event, LeaveReason, Moment, Output, Participant, ParticipantId, Room, Seat,
};
use trefoil_wire::{IceServer, MediaAsk, ServerMessage};

use crate::{
    Outbox, OutboxLimits, Overflow, Refusal, ResumeToken, close_code,
    convert::{participant_of, reason_of, room_of},
    visitor::Guest,
};

/// What is the same for every session of a hall.
#[derive(Clone, Copy, Debug)]
pub struct HallSettings {
    /// Finds this hall among all: the first part of its resume tokens.
    pub key: u64,
    /// How much may wait for one session, and how much is kept for a resume.
    pub outbox: OutboxLimits,
    /// For how long a session can be resumed, as clients are told.
    pub window_seconds: u64,
    /// How often clients should send `ping`, as they are told.
    pub heartbeat_seconds: u64,
}

/// What a hall needs from outside.
pub trait Outside {
    /// ICE servers with credentials for `identity`, and for how many seconds these last.
    fn ice_servers(&self, identity: &str) -> (Vec<IceServer>, u64);
    /// Over how many milliseconds those who are sent away together shall come back, if that is to be said.
    fn spread_ms(&self) -> Option<u64> {
        None
    }
    /// Something was refused with this code.
    fn refused(&self, code: &'static str);
    /// The media server should know this of `of`, who is in the room that is numbered `room`; whether it was told.
    fn media(&self, room: u64, of: ParticipantId, word: MediaWord<'_>) -> bool;
}

/// What the media server is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaWord<'a> {
    /// They are there, or something about them has changed; whether they hear the room mixed unless they ask otherwise.
    Is(&'a Participant, bool),
    /// They are gone.
    Gone,
    /// They want one connection both ways: their offer, or none for one to be made to them.
    Calls(Option<String>),
    /// They ask for something.
    Asks(MediaAsk),
}

/// A connection's hold on a session; a later connection makes it void.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// Whose session.
    pub id: ParticipantId,
    epoch: u32,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ending {
    /// The WebSocket close code.
    pub code: u16,
}

/// What a connection got when it asked for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// As many as it wanted; there may be more.
    More,
    /// All there were; its waker is called when there are more.
    All,
    /// All there were, and there will be no more: close.
    Ended(Ending),
}

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) outbox: Outbox,
    /// How many of the client's messages were counted.
    pub(crate) received: u64,
    epoch: u32,
    /// Whether a connection holds it.
    pub(crate) attached: bool,
    /// It missed too much while nobody held it.
    lost: bool,
    waker: Option<Waker>,
    pub(crate) ending: Option<Ending>,
}

/// One room with the sessions of this protocol in it.
#[derive(Debug)]
pub struct Hall {
    pub(crate) room: Room,
    pub(crate) sessions: BTreeMap<ParticipantId, Box<Session>>,
    /// Those who came in through other doors.
    pub(crate) visitors: BTreeMap<ParticipantId, Guest>,
    pub(crate) settings: HallSettings,
    /// Who must be woken once the hall is no longer locked.
    wakes: Vec<Waker>,
    pub(crate) overflowed: Vec<ParticipantId>,
    /// Something happened since the room's next deadline was asked for.
    changed: bool,
}

impl Hall {
    /// A hall around `room`.
    #[must_use]
    pub const fn new(room: Room, settings: HallSettings) -> Self {
        Self {
            room,
            sessions: BTreeMap::new(),
            visitors: BTreeMap::new(),
            settings,
            wakes: Vec::new(),
            overflowed: Vec::new(),
            changed: false,
        }
    }

    /// The room.
    #[must_use]
    pub const fn room(&self) -> &Room {
        &self.room
    }

    /// The hall's key.
    #[must_use]
    pub const fn key(&self) -> u64 {
        self.settings.key
    }

    /// Does something to the room, for an administrator or because time passed, and tells those whom it concerns.
    pub fn change<T>(
        &mut self,
        outside: &impl Outside,
        now: Moment,
        change: impl FnOnce(&mut Room) -> T,
    ) -> T {
        let done = change(&mut self.room);
        self.dispatch(outside, now);
        done
    }

    /// Takes a seat and opens a session; `joined` is its first message.
    ///
    /// # Errors
    /// What the room refuses.
    pub fn join(
        &mut self,
        entrance: Entrance,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<Attachment, Refusal> {
        self.has_seat(&entrance.identity, None)?;
        if entrance.hidden {
            self.may_be_out_of_reach()?;
        }
        let seat = self.room.join(entrance, now)?;
        // What led to this seat is told to the others; the newcomer is told how it is now.
        self.dispatch(outside, now);
        self.sessions.insert(seat.id, Box::default());
        Ok(self.attach(seat, false, outside))
    }

    /// Goes on with a session over a new connection; `joined` is its first message, what was missed follows.
    ///
    /// # Errors
    /// `session_lost`, and what the room refuses.
    pub fn resume(
        &mut self,
        token: ResumeToken,
        received: u64,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<Attachment, Refusal> {
        let ResumeToken { id, secret, .. } = token;
        self.room.may_resume(id, secret, now)?;
        let lost = Refusal::Room(trefoil_room::Refusal::SessionLost);
        let session = self
            .sessions
            .get_mut(&id)
            .filter(|session| !session.lost)
            .ok_or(lost)?;
        session.outbox.rewind(received).map_err(|Overflow| lost)?;
        self.may_sit_again(id)?;
        let seat = self.room.resume(id, secret, now)?;
        self.dispatch(outside, now);
        Ok(self.attach(seat, true, outside))
    }

    /// The connection broke; the other side was last heard at `heard`.
    pub fn connection_lost(&mut self, who: Attachment, heard: Moment, outside: &impl Outside, now: Moment) {
        let Some(session) = self.session(who) else { return };
        (session.attached, session.waker) = (false, None);
        if session.ending.is_some() {
            self.sessions.remove(&who.id);
        } else {
            self.room.connection_lost(who.id, heard, now);
            self.dispatch(outside, now);
        }
    }

    /// Ends a stay; the connection closes with `code` once it has said so.
    pub fn expel(
        &mut self,
        who: Attachment,
        reason: LeaveReason,
        code: u16,
        outside: &impl Outside,
        now: Moment,
    ) {
        if let Some(session) = self.session(who) {
            session.ending = Some(Ending { code });
            self.room.leave(who.id, reason, now);
            self.dispatch(outside, now);
        }
    }

    /// Moves messages for `who` to `batch`: up to `limit` bytes of them, and the one that goes beyond.
    pub fn take(&mut self, who: Attachment, waker: &Waker, batch: &mut Vec<Bytes>, limit: usize) -> Taken {
        let Some(session) = self.session(who) else {
            return Taken::Ended(Ending {
                code: close_code::NORMAL,
            });
        };
        let mut bytes = 0;
        while bytes < limit {
            let Some(message) = session.outbox.hand_out() else {
                if let Some(ending) = session.ending {
                    self.sessions.remove(&who.id);
                    return Taken::Ended(ending);
                }
                if !session.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                    session.waker = Some(waker.clone());
                }
                return Taken::All;
            };
            bytes += message.len();
            batch.push(message);
        }
        Taken::More
    }

    /// Whether `who` has only goodbye left to say.
    pub fn is_ending(&mut self, who: Attachment) -> bool {
        self.session(who).is_none_or(|session| session.ending.is_some())
    }

    /// Those who have something to do; wake them once the hall is no longer locked.
    #[must_use]
    pub fn take_wakes(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.wakes)
    }

    /// Whether the room's next deadline may be another than when this was last asked.
    #[must_use]
    pub const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    pub(crate) fn session(&mut self, who: Attachment) -> Option<&mut Session> {
        let session = self.sessions.get_mut(&who.id)?;
        (session.attached && session.epoch == who.epoch).then_some(session)
    }

    /// Queues a counted message for `id`.
    pub(crate) fn push(&mut self, id: ParticipantId, message: Bytes) {
        self.queue(id, |session, limits| session.outbox.push(message, limits));
    }

    /// Queues news of somebody, in place of older ones that still wait.
    fn push_about(&mut self, id: ParticipantId, about: ParticipantId, message: Bytes) {
        let about = about.number();
        self.queue(id, |session, limits| {
            session.outbox.push_about(about, message, limits)
        });
    }

    /// Queues a counted message that whoever falls behind does without.
    pub(crate) fn push_if_calm(&mut self, id: ParticipantId, message: Bytes) {
        self.queue(id, |session, limits| session.outbox.push_if_calm(message, limits));
    }

    /// Queues a message that is not counted and soon over.
    pub(crate) fn push_passing(
        &mut self,
        id: ParticipantId,
        kind: Discriminant<ServerMessage>,
        message: Bytes,
    ) {
        self.queue(id, |session, _| {
            session.outbox.push_passing(kind, message);
            Ok(())
        });
    }

    /// Queues a message for `id` that is not counted.
    pub(crate) fn push_express(&mut self, id: ParticipantId, message: Bytes) {
        self.queue(id, |session, limits| session.outbox.push_express(message, limits));
    }

    /// Queues one message for everybody but `but` and those who have only goodbye left to say.
    pub(crate) fn push_all(&mut self, but: Option<ParticipantId>, message: &Bytes) {
        for id in self.all_but(but) {
            self.push(id, message.clone());
        }
    }

    fn all_but(&self, but: Option<ParticipantId>) -> Vec<ParticipantId> {
        let sessions = self
            .sessions
            .iter()
            .filter(|(id, session)| Some(**id) != but && session.ending.is_none());
        sessions.map(|(id, _)| *id).collect()
    }

    /// Tells everybody what the room wants told, until nothing is left to tell.
    pub(crate) fn dispatch(&mut self, outside: &impl Outside, now: Moment) {
        loop {
            while let Some(Output { to, event }) = self.room.poll_output() {
                self.changed = true;
                self.tell_media_server(to, &event, outside);
                self.tell_visitors(to, &event);
                if matches!(event, Event::RoomUpdated(_)) {
                    self.part_with_visitors(now);
                }
                self.deliver(to, event, outside);
            }
            let Some(id) = self.overflowed.pop() else { break };
            let Some(session) = self.sessions.get_mut(&id) else {
                self.dismiss(id, outside, now);
                continue;
            };
            session.outbox = Outbox::default();
            if session.attached {
                outside.refused(Refusal::TooSlow.code());
                session.ending = Some(Ending {
                    code: close_code::TOO_SLOW,
                });
                self.room.leave(id, LeaveReason::TooSlow, now);
                self.push_express(id, text(&ServerMessage::Refused(Refusal::TooSlow.to_wire(None))));
            } else {
                session.lost = true;
            }
        }
    }

    fn deliver(&mut self, to: Audience, event: Event, outside: &impl Outside) {
        let about = match &event {
            Event::Updated(participant) => Some(participant.id),
            Event::Joined(_)
            | Event::Left { .. }
            | Event::Mute { .. }
            | Event::RoomUpdated(_)
            | Event::Ended(_) => None,
        };
        let message = match event {
            Event::Ended(reason) => {
                if let Audience::One(id) = to {
                    self.end(id, reason, outside);
                }
                return;
            }
            Event::Joined(participant) => ServerMessage::ParticipantJoined {
                participant: participant_of(&participant),
            },
            Event::Updated(participant) => ServerMessage::ParticipantUpdated {
                participant: participant_of(&participant),
            },
            Event::Left { id, reason } => ServerMessage::ParticipantLeft {
                participant: id.to_string(),
                reason: reason_of(reason),
            },
            Event::Mute { from, audio, video } => ServerMessage::Mute {
                from: from.to_string(),
                audio: audio.then_some(true),
                video: video.then_some(true),
            },
            Event::RoomUpdated(room) => ServerMessage::RoomUpdated { room: room_of(&room) },
        };
        let message = text(&message);
        let to = match to {
            Audience::One(id) => vec![id],
            Audience::Others(but) => self.all_but(Some(but)),
            Audience::Everybody => self.all_but(None),
            Audience::Nobody => Vec::new(),
        };
        for id in to {
            match about {
                Some(about) => self.push_about(id, about, message.clone()),
                None => self.push(id, message.clone()),
            }
        }
    }

    /// The session is over: its connection says so and closes; without one, it is gone.
    fn end(&mut self, id: ParticipantId, reason: LeaveReason, outside: &impl Outside) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        if !session.attached {
            self.sessions.remove(&id);
            return;
        }
        let code = match reason {
            LeaveReason::ServerStopping => close_code::GOING_AWAY,
            LeaveReason::Left
            | LeaveReason::Timeout
            | LeaveReason::Kicked
            | LeaveReason::Replaced
            | LeaveReason::RoomClosed
            | LeaveReason::TooSlow
            | LeaveReason::Misbehaved => close_code::NORMAL,
        };
        session.ending.get_or_insert(Ending { code });
        // Ids are random, so everybody comes back at another time.
        let retry_after_ms = outside
            .spread_ms()
            .filter(|_| reason == LeaveReason::ServerStopping)
            .map(|spread| id.number() % spread.max(1));
        self.push(
            id,
            text(&ServerMessage::Left {
                reason: reason_of(reason),
                retry_after_ms,
            }),
        );
    }

    fn queue(
        &mut self,
        id: ParticipantId,
        push: impl FnOnce(&mut Session, OutboxLimits) -> Result<(), Overflow>,
    ) {
        let limits = self.settings.outbox;
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.lost) else {
            return;
        };
        if push(session, limits).is_err() && session.ending.is_none() && !self.overflowed.contains(&id) {
            self.overflowed.push(id);
        }
        self.wakes.extend(session.waker.take());
    }

    fn attach(&mut self, seat: Seat, resumed: bool, outside: &impl Outside) -> Attachment {
        let Seat { id, secret } = seat;
        let (mut epoch, mut received) = (0, 0);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.epoch = session.epoch.wrapping_add(1);
            session.attached = true;
            // A connection that held it until now has nothing more to do than to close.
            self.wakes.extend(session.waker.take());
            (epoch, received) = (session.epoch, session.received);
        }
        let joined = self.joined(id, secret, resumed, received, outside);
        self.push_express(id, text(&ServerMessage::Joined(Box::new(joined))));
        Attachment { id, epoch }
    }
}

/// A message as it goes over the wire.
pub(crate) fn text(message: &ServerMessage) -> Bytes {
    Bytes::from(message.to_text())
}
