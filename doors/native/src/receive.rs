//! What clients say: the opening `join`, and everything after it.

use bytes::Bytes;
use serde_json::value::RawValue;
use trefoil_room::{LeaveReason, Moment, MutedChange, ParticipantId, Refusal as RoomRefusal, Topology};
use trefoil_wire::{ClientMessage, HeardAs, Join, MediaAsk, ServerMessage, Unreadable, VERSION, relayed};

use crate::{
    Attachment, Guard, Hall, MediaWord, Outside, Refusal, close_code, convert::role_from, guard::Verdict,
    hall::text,
};

/// Reads the first message of a connection, which must be `join`.
///
/// # Errors
/// The refusal, the refused message's type, and the close code if the connection must end.
pub fn opening(text: &str, guard: &mut Guard) -> Result<Join, (Refusal, Option<String>, Option<u16>)> {
    match ClientMessage::parse(text) {
        Ok(ClientMessage::Join(join)) if join.version == VERSION => Ok(*join),
        Ok(ClientMessage::Join(_)) => Err((
            Refusal::UnsupportedVersion,
            Some("join".into()),
            Some(close_code::JOIN_REFUSED),
        )),
        Ok(other) => Err((
            Refusal::JoinFirst,
            Some(other.kind().into()),
            Some(close_code::JOIN_FIRST),
        )),
        Err(Unreadable {
            of,
            unknown_type: true,
        }) => Err((Refusal::JoinFirst, of, Some(close_code::JOIN_FIRST))),
        Err(Unreadable {
            of,
            unknown_type: false,
        }) => {
            let end = guard.malformed() == Verdict::End;
            Err((Refusal::Malformed, of, end.then_some(close_code::MALFORMED)))
        }
    }
}

impl Hall {
    /// A text arrived over the connection that holds a session.
    pub fn receive(
        &mut self,
        who: Attachment,
        message: Result<ClientMessage<'_>, Unreadable>,
        guard: &mut Guard,
        outside: &impl Outside,
        now: Moment,
    ) {
        let Some(session) = self.session(who).filter(|session| session.ending.is_none()) else {
            return;
        };
        if !matches!(message, Ok(ClientMessage::Ping { .. })) {
            session.received += 1;
        }
        let kind = match &message {
            Ok(message) => Some(message.kind()),
            Err(unreadable) => unreadable.of.as_deref(),
        };
        let admitted = guard.admit(now);
        if admitted != Verdict::Obey {
            self.refuse(who.id, Refusal::RateLimited, kind, outside);
            if admitted == Verdict::End {
                self.expel(
                    who,
                    LeaveReason::Misbehaved,
                    close_code::RATE_LIMITED,
                    outside,
                    now,
                );
            }
        } else {
            match message {
                Ok(message) => self.obey(who.id, message, outside, now),
                Err(Unreadable { of, unknown_type }) => {
                    let refusal = if unknown_type {
                        Refusal::UnknownType
                    } else {
                        Refusal::Malformed
                    };
                    self.refuse(who.id, refusal, of.as_deref(), outside);
                    if guard.malformed() == Verdict::End {
                        self.expel(who, LeaveReason::Misbehaved, close_code::MALFORMED, outside, now);
                    }
                }
            }
        }
        self.dispatch(outside, now);
    }

    fn obey(&mut self, me: ParticipantId, message: ClientMessage<'_>, outside: &impl Outside, now: Moment) {
        let kind = message.kind();
        let done: Result<(), Refusal> = match message {
            ClientMessage::Signal { to, data } => self.signal(me, &to, data),
            ClientMessage::Message { data } => self.message(me, data),
            ClientMessage::Ping { received } => {
                self.pong(me, received);
                Ok(())
            }
            ClientMessage::IceServers => {
                self.ice_servers(me, outside);
                Ok(())
            }
            ClientMessage::Media(ask) => self.ask_media(me, ask, outside),
            ClientMessage::Join(_) => Err(Refusal::AlreadyJoined),
            ClientMessage::Update { name, audio, video } => self
                .room
                .update(me, name.as_deref(), MutedChange { audio, video })
                .map_err(Into::into),
            ClientMessage::Mute {
                participant,
                audio,
                video,
            } => addressed(&participant).and_then(|target| Ok(self.room.mute(target, me, audio, video)?)),
            ClientMessage::Role { participant, role } => addressed(&participant)
                .and_then(|target| Ok(self.room.change_role(target, me, role_from(role))?)),
            ClientMessage::Lock { locked } => self.room.lock(me, locked).map_err(Into::into),
            ClientMessage::Kick { participant } => {
                addressed(&participant).and_then(|target| Ok(self.room.kick(target, me, now)?))
            }
            ClientMessage::Leave => {
                self.room.leave(me, LeaveReason::Left, now);
                Ok(())
            }
        };
        if let Err(refusal) = done {
            self.refuse(me, refusal, Some(kind), outside);
        }
    }

    /// The media server answers for itself; here it is only whether there is one.
    fn ask_media(&self, me: ParticipantId, ask: MediaAsk, outside: &impl Outside) -> Result<(), Refusal> {
        let through_it = self.room.view().topology() != Topology::P2p;
        let mixed = matches!(
            ask,
            MediaAsk::Hear {
                audio: Some(HeardAs::Mixed),
                ..
            }
        );
        if mixed && self.room.view().settings.encrypted {
            return Err(RoomRefusal::RoomEncrypted.into());
        }
        let whose = match &ask {
            MediaAsk::Voice {
                participant: Some(participant),
                ..
            } => self.heard_by_the_will_of(me, addressed(participant)?)?,
            _ => me,
        };
        if through_it && outside.media(self.key(), whose, MediaWord::Asks(ask)) {
            Ok(())
        } else {
            Err(Refusal::NoMediaServer)
        }
    }

    /// How somebody else is heard is for moderators to say.
    fn heard_by_the_will_of(
        &self,
        me: ParticipantId,
        whose: ParticipantId,
    ) -> Result<ParticipantId, Refusal> {
        if whose != me {
            self.room.may_moderate(me, whose)?;
        }
        Ok(whose)
    }

    fn signal(&mut self, me: ParticipantId, to: &str, data: &RawValue) -> Result<(), Refusal> {
        let to = addressed(to)?;
        self.room.route_signal(me, to)?;
        if self.visitors.contains_key(&to) {
            self.signal_visitor(me, to, data);
            return Ok(());
        }
        self.push(to, Bytes::from(relayed("signal", &me.to_string(), data)));
        Ok(())
    }

    fn message(&mut self, me: ParticipantId, data: &RawValue) -> Result<(), Refusal> {
        self.room.route_message(me)?;
        self.push_all(Some(me), &Bytes::from(relayed("message", &me.to_string(), data)));
        self.message_visitors(me, data);
        Ok(())
    }

    fn pong(&mut self, me: ParticipantId, acknowledged: u64) {
        if let Some(session) = self.sessions.get_mut(&me) {
            session.outbox.acknowledge(acknowledged);
            let received = session.received;
            self.push_express(me, text(&ServerMessage::Pong { received }));
        }
    }

    fn ice_servers(&mut self, me: ParticipantId, outside: &impl Outside) {
        if let Some(participant) = self.room.participant(me) {
            let (ice_servers, ice_ttl_seconds) = outside.ice_servers(&participant.identity);
            self.push(
                me,
                text(&ServerMessage::IceServers {
                    ice_servers,
                    ice_ttl_seconds,
                }),
            );
        }
    }

    /// A refusal that names a message is counted, one that could not even do that is not.
    fn refuse(&mut self, me: ParticipantId, refusal: Refusal, of: Option<&str>, outside: &impl Outside) {
        outside.refused(refusal.code());
        let message = text(&ServerMessage::Refused(refusal.to_wire(of)));
        if of.is_some() {
            self.push(me, message);
        } else {
            self.push_express(me, message);
        }
    }

    /// The message was too large to be read: says so, and ends the stay.
    pub fn too_large(&mut self, who: Attachment, outside: &impl Outside, now: Moment) {
        if self.session(who).is_some() {
            self.refuse(who.id, Refusal::TooLarge, None, outside);
            self.expel(who, LeaveReason::Misbehaved, close_code::TOO_LARGE, outside, now);
        }
    }
}

/// Whoever `text` names; somebody who is not in the room where it can name nobody.
fn addressed(text: &str) -> Result<ParticipantId, Refusal> {
    ParticipantId::parse(text).ok_or(Refusal::Room(RoomRefusal::NoSuchParticipant))
}
