//! What the others in a room may know of a participant.

use std::sync::Arc;

use trefoil_auth::{Permissions, Role};

use crate::ParticipantId;

/// Whether a microphone and a camera are off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Muted {
    /// The microphone is off.
    pub audio: bool,
    /// The camera is off.
    pub video: bool,
}

/// A change of [`Muted`]; what is `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MutedChange {
    /// The microphone's new state.
    pub audio: Option<bool>,
    /// The camera's new state.
    pub video: Option<bool>,
}

impl Muted {
    /// The state after `change`.
    #[must_use]
    pub fn after(self, change: MutedChange) -> Self {
        Self {
            audio: change.audio.unwrap_or(self.audio),
            video: change.video.unwrap_or(self.video),
        }
    }
}

/// A participant as the others see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Participant {
    /// Made by the room, new with each join.
    pub id: ParticipantId,
    /// Who the token says they are.
    pub identity: Arc<str>,
    /// What to call them.
    pub name: Arc<str>,
    /// What they are here.
    pub role: Role,
    /// What they may do.
    pub permissions: Permissions,
    /// What they said of their microphone and camera, or a moderator decided.
    pub muted: Muted,
    /// Their connection is broken and their seat still held.
    pub away: bool,
    /// Whether they watch unseen: only they themselves and administrators know of them.
    pub hidden: bool,
    /// Whether only a media server can reach them.
    pub served: bool,
}
