//! What the mixer tells.

use crate::{
    hearing::{AnnouncementId, ParticipantId},
    overload::Rung,
};

/// Something that others may want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Others speak: see [`crate::Mixer::speakers`].
    Speakers,
    /// Somebody who is muted has been talking for 300 ms.
    TalksMuted(ParticipantId),
    /// So much of an announcement was heard; told each second, and at its end.
    Progress {
        /// Which.
        announcement: AnnouncementId,
        /// Milliseconds.
        played_ms: u64,
    },
    /// An announcement was heard to its end, or stopped.
    Ended(AnnouncementId),
    /// More or less is given up than before.
    Overload(Rung),
}

/// Why the mixer does not take somebody or something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// As many participants as the settings allow are there.
    #[error("the room is full")]
    Full,
    /// This number is taken.
    #[error("already there")]
    Present,
    /// As many announcements as the settings allow are being played.
    #[error("too many announcements at once")]
    Busy,
}
