//! What somebody is told first: who is in the room, and how to come back.

use trefoil_room::{Participant, ParticipantId, ResumeSecret};
use trefoil_wire::{Joined, Resume};

use crate::{
    Hall, Outside, ResumeToken,
    convert::{participant_of, room_of},
};

impl Hall {
    /// Everybody whom `id` may know of.
    fn seen_by(&self, id: ParticipantId) -> Vec<trefoil_wire::Participant> {
        let seen = |participant: &&Participant| !participant.hidden || participant.id == id;
        self.room
            .participants()
            .filter(seen)
            .map(participant_of)
            .collect()
    }

    pub(crate) fn joined(
        &self,
        id: ParticipantId,
        secret: ResumeSecret,
        resumed: bool,
        received: u64,
        outside: &impl Outside,
    ) -> Joined {
        let identity = self
            .room
            .participant(id)
            .map(|participant| participant.identity.clone());
        let (ice_servers, ice_ttl_seconds) = outside.ice_servers(identity.as_deref().unwrap_or_default());
        let token = ResumeToken {
            hall: self.settings.key,
            id,
            secret,
        }
        .to_text();
        Joined {
            version: trefoil_wire::VERSION,
            resumed,
            you: id.to_string(),
            resume: Resume {
                token,
                window_seconds: self.settings.window_seconds,
                received,
            },
            room: room_of(self.room.view()),
            participants: self.seen_by(id),
            ice_servers,
            ice_ttl_seconds,
            heartbeat_seconds: self.settings.heartbeat_seconds,
        }
    }
}
