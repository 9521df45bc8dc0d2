//! What the mixer tells.

use crate::{hearing::ParticipantId, overload::Rung};

/// Something that others may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Others speak: see [`crate::Mixer::speakers`].
    Speakers,
    /// Somebody who is muted has been talking for 300 ms.
    TalksMuted(ParticipantId),
    /// More or less is given up than before.
    Overload(Rung),
}

/// Why the mixer or the player does not take somebody or something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// As many participants as the settings allow are there.
    #[error("the room is full")]
    Full,
    /// This number is taken.
    #[error("already there")]
    Present,
    /// As many announcements as may be are being played.
    #[error("too many announcements at once")]
    Busy,
}
