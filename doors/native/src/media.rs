//! Between a hall and the media server: it is told who is inside, and what it tells is passed on.

use trefoil_room::{Audience, Event, Moment, ParticipantId, Topology};
use trefoil_wire::ServerMessage;

use crate::{Hall, MediaWord, Outside, hall::text};

/// What becomes of a message for those who are away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lasting {
    /// It waits for them.
    Kept,
    /// They do without, and so do those who fall behind; for all others it is a message like any other.
    ForThoseHere,
    /// It is said once and not counted: what it says is soon over, and a later one takes its place where it still waits.
    Passing,
}

impl Hall {
    /// The media server follows who is in the room, where media goes through it.
    pub(crate) fn tell_media_server(&self, to: Audience, event: &Event, outside: &impl Outside) {
        if self.room.view().topology() == Topology::P2p {
            return;
        }
        let key = self.key();
        let mixed = self.room.view().topology() == Topology::Mixed;
        match (event, to) {
            (Event::Joined(participant) | Event::Updated(participant), _) => {
                outside.media(key, participant.id, MediaWord::Is(participant, mixed));
            }
            (Event::Left { id, .. }, _) => {
                outside.media(key, *id, MediaWord::Gone);
            }
            (Event::Ended(_), Audience::One(id)) => {
                outside.media(key, id, MediaWord::Gone);
            }
            (Event::RoomUpdated(_), _) => {
                for participant in self.room.participants() {
                    outside.media(key, participant.id, MediaWord::Is(participant, mixed));
                }
            }
            (Event::Mute { .. } | Event::Ended(_), _) => {}
        }
    }

    /// Tells one, or everybody, what the media server says. `lasting` says what becomes of it for those who are away.
    pub fn pass_on(
        &mut self,
        to: Option<ParticipantId>,
        message: &ServerMessage,
        lasting: Lasting,
        outside: &impl Outside,
        now: Moment,
    ) {
        let (kind, message) = (std::mem::discriminant(message), text(message));
        let to = match to {
            Some(id) => vec![id],
            None => self.sessions.keys().copied().collect(),
        };
        for id in to {
            let there = self
                .sessions
                .get(&id)
                .filter(|session| session.ending.is_none())
                .map(|session| session.attached);
            match there {
                Some(here) if here || lasting == Lasting::Kept => match lasting {
                    Lasting::Kept => self.push(id, message.clone()),
                    Lasting::ForThoseHere => self.push_if_calm(id, message.clone()),
                    Lasting::Passing => self.push_passing(id, kind, message.clone()),
                },
                Some(_) | None => {}
            }
        }
        self.dispatch(outside, now);
    }
}
