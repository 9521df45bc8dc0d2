//! Between a hall and the media server: it is told who is inside, and what it tells is passed on.

use trefoil_room::{Audience, Event, Moment, ParticipantId, Topology};
use trefoil_wire::ServerMessage;

use crate::{Hall, MediaWord, Outside, hall::text};

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

    /// Tells one, or everybody, what the media server says. What does not `last` is not kept for those who are away.
    pub fn pass_on(
        &mut self,
        to: Option<ParticipantId>,
        message: &ServerMessage,
        lasts: bool,
        outside: &impl Outside,
        now: Moment,
    ) {
        let message = text(message);
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
                Some(_) if lasts => self.push(id, message.clone()),
                Some(true) => self.push_express(id, message.clone()),
                Some(false) | None => {}
            }
        }
        self.dispatch(outside, now);
    }
}
