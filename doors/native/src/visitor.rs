//! Those who came into a hall through another door: they hold ordinary seats, and what they are told goes to their door.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};
use trefoil_room::{Audience, Entrance, Event, LeaveReason, Moment, ParticipantId, Refusal as RoomRefusal};
use trefoil_wire::{Part, SignalData, relayed};

use crate::{Hall, Outside, Overflow, Refusal};

/// What the protocol of a visitor knows of others in a room whose media goes through a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// There is one other, who was there first and calls: the media server.
    Called,
    /// There is one other, whom they call: the media server.
    Calls,
    /// There are many, all heard in one stream: they call the media server, and come into no room without one.
    Gathers,
}

/// A seat that a visitor took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Visit {
    /// Who sits there.
    pub id: ParticipantId,
    /// How many others there are, as they know it: one, where the media server is "the other".
    pub others: usize,
    /// Whether media goes through the server.
    pub served: bool,
}

/// Where words for a visitor go. It is called while the hall is locked, so it only queues.
pub trait Visitor: Send + fmt::Debug {
    /// The name of its door.
    fn door(&self) -> &'static str;

    /// What its protocol knows of others.
    fn manner(&self) -> Manner;

    /// Queues a word.
    ///
    /// # Errors
    /// [`Overflow`] if more waits than may: the visitor's stay ends, and nothing more is told.
    fn tell(&mut self, word: Word) -> Result<(), Overflow>;
}

/// What a visitor is told.
#[derive(Clone, Debug)]
pub enum Word {
    /// Something happened in the room. After `Ended` nothing follows.
    Event(Event),
    /// Somebody said something.
    Said(Said),
    /// The connection with the media server is gone. It waits to be called.
    CallLost,
}

/// Something that somebody says, as it was written and in neutral words.
#[derive(Clone)]
pub struct Said {
    /// Who; where the media server speaks, the one to whom.
    pub from: ParticipantId,
    /// The name of the door through which it came.
    pub door: &'static str,
    /// As it came; only that door knows what this is.
    pub raw: Arc<dyn Any + Send + Sync>,
    /// What it means to everybody else; nothing where it has a meaning for that door alone.
    pub parts: Arc<[Part]>,
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Descriptions and candidates hold addresses of people.
        f.debug_struct("Said")
            .field("door", &self.door)
            .field("parts", &self.parts.len())
            .finish_non_exhaustive()
    }
}

/// A visitor, as the hall keeps one.
#[derive(Debug)]
pub(crate) struct Guest {
    visitor: Box<dyn Visitor>,
    /// Whether the media server was "the other" when they came.
    pub(crate) served: bool,
    /// What those inside called their last connection to this visitor; an answer must say it again.
    connections: BTreeMap<ParticipantId, String>,
}

/// How many may be in a room with a visitor who meets them directly: the protocols of other doors think of "the other".
const SEATS: u32 = 2;
/// There is no such seat.
const FULL: Refusal = Refusal::Room(RoomRefusal::RoomFull { limit: SEATS });
/// This door's name.
const NATIVE: &str = "native";
/// The longest name of a connection that is remembered, in bytes.
const CONNECTION_BYTES: usize = 128;

impl Hall {
    /// Whether `identity` could come in, through this door or another one.
    pub(crate) fn has_seat(&self, identity: &str, visiting: Option<Manner>) -> Result<(), Refusal> {
        if visiting.is_some() && self.room.view().settings.encrypted {
            // Their clients cannot read what the others send.
            return Err(RoomRefusal::RoomEncrypted.into());
        }
        if self.is_served() {
            return Ok(());
        }
        let others = self
            .room
            .participants()
            .filter(|participant| &*participant.identity != identity);
        let alone = others.count() < SEATS as usize;
        let theirs = !self.visitors.is_empty();
        match visiting {
            // Whoever is the third makes a room that may choose go through the server.
            Some(Manner::Gathers) if theirs => Err(FULL),
            Some(Manner::Gathers) => Ok(self.room.may_be_served()?),
            Some(Manner::Called | Manner::Calls) if !alone => {
                if theirs || self.room.may_be_served().is_err() {
                    Err(FULL)
                } else {
                    Ok(())
                }
            }
            None if !alone && theirs => Err(FULL),
            Some(Manner::Called | Manner::Calls) | None => Ok(()),
        }
    }

    /// Whether somebody may come in whom only the media server reaches: not beside visitors who meet others directly.
    pub(crate) fn may_be_out_of_reach(&self) -> Result<(), Refusal> {
        if self.is_served() || self.visitors.is_empty() {
            Ok(())
        } else {
            Err(FULL)
        }
    }

    /// Whether whoever lost the seat `id` may take it again; it may be taken where visitors are.
    pub(crate) fn may_sit_again(&self, id: ParticipantId) -> Result<(), Refusal> {
        if self.room.participant(id).is_some() {
            return Ok(());
        }
        self.has_seat("", None)
    }

    /// Whether `identity` could come in, through this door or another one.
    ///
    /// # Errors
    /// What [`Hall::join`] or [`Hall::visit`] would refuse.
    pub fn may_join(&self, identity: &str, visiting: Option<Manner>, now: Moment) -> Result<(), Refusal> {
        self.has_seat(identity, visiting)?;
        Ok(self.room.may_join(identity, now)?)
    }

    /// Takes a seat for somebody of another door. Where media goes through the server, that calls them if they wait for it.
    ///
    /// # Errors
    /// What the room refuses; `room_full` where two are inside already, each of whom meets the other directly;
    /// `room_encrypted`; `no_media_server` where there is one and it has too much to do.
    pub fn visit(
        &mut self,
        mut entrance: Entrance,
        visitor: Box<dyn Visitor>,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<Visit, Refusal> {
        let manner = visitor.manner();
        self.has_seat(&entrance.identity, Some(manner))?;
        if entrance.hidden {
            // Their clients know no other way than to send.
            return Err(Refusal::Room(RoomRefusal::Forbidden("publish")));
        }
        entrance.served = manner == Manner::Gathers;
        let id = self.room.join(entrance, now)?.id;
        self.dispatch(outside, now);
        let served = self.is_served();
        let guest = Guest {
            visitor,
            served,
            connections: BTreeMap::new(),
        };
        self.visitors.insert(id, guest);
        if served && manner == Manner::Called {
            self.call(id, None, outside, now)?;
        }
        let others = if served && manner != Manner::Gathers {
            1
        } else {
            self.room.participants().len().saturating_sub(1)
        };
        Ok(Visit { id, others, served })
    }

    /// Takes a seat for a gateway: its media is the media server's business, and it is told nothing.
    ///
    /// # Errors
    /// What the room refuses; `no_media_server` where media does not go through one.
    pub fn admit_gateway(
        &mut self,
        entrance: Entrance,
        outside: &impl Outside,
        now: Moment,
    ) -> Result<ParticipantId, Refusal> {
        self.may_be_out_of_reach()?;
        self.room.may_be_served()?;
        let seat = self.room.join(entrance, now)?;
        self.dispatch(outside, now);
        Ok(seat.id)
    }

    /// A visitor says something to everybody else; what is about a call, to the media server where that is "the other".
    ///
    /// # Errors
    /// `forbidden` for words that are no signal, where messages are not allowed; `no_media_server`.
    pub fn visitor_says(&mut self, said: &Said, outside: &impl Outside, now: Moment) -> Result<(), Refusal> {
        if !self.visitors.contains_key(&said.from) {
            return Ok(());
        }
        if !self.is_served() {
            return self.pass_round(said, outside, now);
        }
        self.tell_of_call(said, outside, now)?;
        match said.message() {
            Some(message) => self.pass_round(&message, outside, now),
            None => Ok(()),
        }
    }

    fn pass_round(&mut self, said: &Said, outside: &impl Outside, now: Moment) -> Result<(), Refusal> {
        let is_message = |part: &Part| matches!(part, Part::Other(_));
        if said.parts.is_empty() || said.parts.iter().any(is_message) {
            self.room.route_message(said.from)?;
        }
        let others: Vec<_> = self.room.participants().map(|other| other.id).collect();
        for other in others.into_iter().filter(|other| *other != said.from) {
            if self.visitors.contains_key(&other) {
                self.tell(other, Word::Said(said.clone()));
            } else {
                self.translate(said, other);
            }
        }
        self.dispatch(outside, now);
        Ok(())
    }

    /// A visitor goes.
    pub fn visitor_leaves(
        &mut self,
        id: ParticipantId,
        reason: LeaveReason,
        outside: &impl Outside,
        now: Moment,
    ) {
        if self.visitors.remove(&id).is_some() {
            self.room.leave(id, reason, now);
            self.dispatch(outside, now);
        }
    }

    /// The name of the door through which somebody came in.
    #[must_use]
    pub fn door_of(&self, id: ParticipantId) -> &'static str {
        self.visitors
            .get(&id)
            .map_or(NATIVE, |guest| guest.visitor.door())
    }

    /// Says to somebody of this door what a visitor says.
    fn translate(&mut self, said: &Said, to: ParticipantId) {
        let from = said.from.to_string();
        let known = self.visitors.get(&said.from);
        let connection = known.and_then(|guest| guest.connections.get(&to)).cloned();
        for part in said.parts.iter() {
            let (kind, data) = match part {
                Part::Other(value) => ("message", Some(value.clone())),
                Part::Description(_) | Part::Candidate(_) | Part::Removed(_) | Part::Bye => {
                    ("signal", SignalData::write(part, connection.as_deref()))
                }
            };
            if let Some(Ok(data)) = data.as_ref().map(to_raw_value) {
                self.push(to, Bytes::from(relayed(kind, &from, &data)));
            }
        }
    }

    /// A signal of this door for a visitor.
    pub(crate) fn signal_visitor(&mut self, me: ParticipantId, to: ParticipantId, data: &RawValue) {
        let Some(data) = SignalData::parse(data.get()) else {
            return;
        };
        if let (Some(guest), Some(connection)) = (self.visitors.get_mut(&to), &data.connection)
            && connection.len() <= CONNECTION_BYTES
        {
            guest.connections.insert(me, connection.clone());
        }
        let parts = data.into_parts();
        if !parts.is_empty() && !self.is_served() {
            self.tell(to, Word::Said(spoken(me, parts)));
        }
    }

    /// A message of this door for all visitors.
    pub(crate) fn message_visitors(&mut self, me: ParticipantId, data: &RawValue) {
        if self.visitors.is_empty() {
            return;
        }
        if let Ok(value) = serde_json::from_str(data.get()) {
            let word = Word::Said(spoken(me, vec![Part::Other(value)]));
            let all: Vec<_> = self.visitors.keys().copied().collect();
            all.into_iter().for_each(|id| self.tell(id, word.clone()));
        }
    }

    /// Tells visitors what happened, as far as it concerns them.
    pub(crate) fn tell_visitors(&mut self, to: Audience, event: &Event) {
        let concerned: Vec<_> = match to {
            Audience::One(id) => vec![id],
            Audience::Others(but) => self.visitors.keys().copied().filter(|id| *id != but).collect(),
            Audience::Everybody => self.visitors.keys().copied().collect(),
            Audience::Nobody => Vec::new(),
        };
        let concerned = concerned.into_iter().filter(|id| self.concerns(*id, to));
        for id in concerned.collect::<Vec<_>>() {
            self.tell(id, Word::Event(event.clone()));
            if matches!(event, Event::Ended(_)) {
                self.visitors.remove(&id);
            }
        }
        if let Event::Left { id: gone, .. } = event {
            for guest in self.visitors.values_mut() {
                guest.connections.remove(gone);
            }
        }
    }

    /// Ends the stay of a visitor who does not read.
    pub(crate) fn dismiss(&mut self, id: ParticipantId, outside: &impl Outside, now: Moment) {
        if self.visitors.remove(&id).is_some() {
            outside.refused(Refusal::TooSlow.code());
            self.room.leave(id, LeaveReason::TooSlow, now);
        }
    }

    /// Whether a visitor knows of anybody to whom events for `to` could matter: to most, the media server is all others.
    fn concerns(&self, visitor: ParticipantId, to: Audience) -> bool {
        let known = self.visitors.get(&visitor);
        let gathers = known.is_some_and(|guest| guest.visitor.manner() == Manner::Gathers);
        gathers || !self.is_served() || matches!(to, Audience::One(_))
    }

    pub(crate) fn tell(&mut self, to: ParticipantId, word: Word) {
        let Some(guest) = self.visitors.get_mut(&to) else {
            return;
        };
        if guest.visitor.tell(word).is_err() && !self.overflowed.contains(&to) {
            self.overflowed.push(to);
        }
    }
}

/// What somebody of this door says.
fn spoken(from: ParticipantId, parts: Vec<Part>) -> Said {
    Said {
        from,
        door: NATIVE,
        raw: Arc::new(()),
        parts: parts.into(),
    }
}
