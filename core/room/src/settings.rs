//! How a room is set up, and the rules that all rooms share.

use std::{sync::Arc, time::Duration};

use crate::Refusal;

/// How media travels between the people of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Topology {
    /// Everybody sends to everybody (RFC 7667 section 3.4, full mesh).
    #[default]
    P2p,
    /// Through a Selective Forwarding Middlebox (RFC 7667 section 3.7).
    Sfu,
    /// Through a mixer (RFC 7667 section 3.6).
    Mixed,
    /// Each to each while there are two, through a Selective Forwarding Middlebox from the third on.
    Auto,
}

impl Topology {
    /// The word for it on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P2p => "p2p",
            Self::Sfu => "sfu",
            Self::Mixed => "mixed",
            Self::Auto => "auto",
        }
    }
}

/// What can be set for one room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RoomSettings {
    /// How many seats it has.
    pub member_limit: u32,
    /// How media travels.
    pub topology: Topology,
    /// Whether only those who hold a seat may come in.
    pub locked: bool,
    /// Whether its people encrypt sound and picture end to end: then nobody can mix them.
    pub encrypted: bool,
    /// How long an empty room stays; for ever if `None`.
    pub empty_timeout: Option<Duration>,
}

/// A change of [`RoomSettings`]; what is `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SettingsChange {
    /// New number of seats; nobody who is inside loses theirs.
    pub member_limit: Option<u32>,
    /// New topology.
    pub topology: Option<Topology>,
    /// New lock.
    pub locked: Option<bool>,
    /// New promise of its people; only while nobody is inside.
    pub encrypted: Option<bool>,
    /// New life of the empty room.
    pub empty_timeout: Option<Option<Duration>>,
}

impl RoomSettings {
    /// The settings after `change`.
    #[must_use]
    pub fn after(self, change: SettingsChange) -> Self {
        Self {
            member_limit: change.member_limit.unwrap_or(self.member_limit),
            topology: change.topology.unwrap_or(self.topology),
            locked: change.locked.unwrap_or(self.locked),
            encrypted: change.encrypted.unwrap_or(self.encrypted),
            empty_timeout: change.empty_timeout.unwrap_or(self.empty_timeout),
        }
    }
}

/// The times that all rooms keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// A seat is free this long after its owner was last heard.
    pub seat_freed_after: Duration,
    /// A session can be resumed for this long after its connection broke.
    pub resume_window: Duration,
    /// Who was kicked stays out for this long.
    pub kick_lasts: Duration,
    /// Whether media can travel through a server at all.
    pub media_server: bool,
}

impl Rules {
    /// Whether a room may be of this topology.
    ///
    /// # Errors
    /// `unsupported_topology`.
    pub const fn may_be(self, topology: Topology) -> Result<(), Refusal> {
        match topology {
            Topology::P2p | Topology::Auto => Ok(()),
            Topology::Sfu | Topology::Mixed if self.media_server => Ok(()),
            Topology::Sfu | Topology::Mixed => Err(Refusal::UnsupportedTopology(topology)),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            seat_freed_after: Duration::from_secs(18),
            resume_window: Duration::from_secs(30),
            kick_lasts: Duration::from_secs(60),
            media_server: false,
        }
    }
}

/// What everybody in a room may know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// The namespace it is in.
    pub namespace: Arc<str>,
    /// Its name there.
    pub name: Arc<str>,
    /// How it is set up.
    pub settings: RoomSettings,
    /// Under [`Topology::Auto`]: whether there were more than two, so that media goes through a server now.
    pub crowded: bool,
}

impl RoomView {
    /// How media travels now; never [`Topology::Auto`].
    #[must_use]
    pub const fn topology(&self) -> Topology {
        match self.settings.topology {
            Topology::Auto if self.crowded => Topology::Sfu,
            Topology::Auto => Topology::P2p,
            settled => settled,
        }
    }
}
