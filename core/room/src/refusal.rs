//! Everything that a room refuses, with the code that goes over the wire.

use crate::Topology;

/// One reason why a command was not obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The role or token has no permission for it.
    #[error("your role has no permission for this; ask a moderator, or a token with the permission {0}")]
    Forbidden(&'static str),
    /// A name is too long, empty, or has characters that it must not.
    #[error("the {what} is empty, too long, or has characters that it must not; choose another")]
    InvalidName {
        /// What bears the name.
        what: &'static str,
    },
    /// All seats are taken.
    #[error("all {limit} seats of the room are taken; ask a moderator or try again later")]
    RoomFull {
        /// How many people it holds.
        limit: u32,
    },
    /// Locked, and the newcomer holds no seat.
    #[error("the room is locked; ask a moderator inside to unlock it")]
    RoomLocked,
    /// Its people encrypt end to end, and what was asked for needs to hear them.
    #[error(
        "this room is encrypted end to end, so nobody can mix its voices; hear each by itself (audio: separate)"
    )]
    RoomEncrypted,
    /// The namespace holds as many rooms as it may.
    #[error("the namespace holds {limit} rooms and may have no more; use one of them or delete one")]
    RoomLimit {
        /// How many rooms it may hold.
        limit: usize,
    },
    /// There are as many namespaces as there may be.
    #[error("the server holds {limit} namespaces and may have no more; use one of them or delete one")]
    NamespaceLimit {
        /// How many there may be.
        limit: usize,
    },
    /// There is none by that name, and this command does not create it.
    #[error("there is no such room, or it was closed; whoever runs this server can create it")]
    NoSuchRoom,
    /// Removed by a moderator a short while ago.
    #[error("you were removed from the room; you may come back in {retry_after_seconds} s")]
    Kicked {
        /// When it is worth to try again.
        retry_after_seconds: u64,
    },
    /// The room asks for a topology that this server cannot do.
    #[error("the room asks for the topology {}, which this server cannot do; set it to auto or p2p", .0.name())]
    UnsupportedTopology(Topology),
    /// There is nothing to resume.
    #[error("the session is unknown, too old, or missed too much; join afresh with your token")]
    SessionLost,
    /// The addressed one is not in this room.
    #[error("nobody with that id is in your room; look at participant_left and the list in joined")]
    NoSuchParticipant,
}

impl Refusal {
    /// The code of docs/PROTOCOL.md.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forbidden(_) => "forbidden",
            Self::InvalidName { .. } => "invalid_name",
            Self::RoomFull { .. } => "room_full",
            Self::RoomLocked => "room_locked",
            Self::RoomEncrypted => "room_encrypted",
            Self::RoomLimit { .. } | Self::NamespaceLimit { .. } => "room_limit",
            Self::NoSuchRoom => "no_such_room",
            Self::Kicked { .. } => "kicked",
            Self::UnsupportedTopology(_) => "unsupported_topology",
            Self::SessionLost => "session_lost",
            Self::NoSuchParticipant => "no_such_participant",
        }
    }

    /// After how many seconds it is worth to try again, where that can be said.
    #[must_use]
    pub const fn retry_after_seconds(self) -> Option<u64> {
        match self {
            Self::RoomFull { .. } => Some(10),
            Self::Kicked { retry_after_seconds } => Some(retry_after_seconds),
            Self::Forbidden(_)
            | Self::InvalidName { .. }
            | Self::RoomLocked
            | Self::RoomEncrypted
            | Self::RoomLimit { .. }
            | Self::NamespaceLimit { .. }
            | Self::NoSuchRoom
            | Self::UnsupportedTopology(_)
            | Self::SessionLost
            | Self::NoSuchParticipant => None,
        }
    }
}
