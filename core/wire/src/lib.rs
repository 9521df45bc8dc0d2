//! Every message that leaves the process: the signalling protocol and the HTTP bodies.
//!
//! docs/PROTOCOL.md is the contract; a test parses every example there with these types.

mod announcement;
mod client;
mod depth;
pub mod http;
mod media;
mod server;
mod shared;
mod signal;
mod source;

pub use announcement::{Announcement, AnnouncementState};
pub use client::{ClientMessage, Join, JoinResume, Unreadable};
pub use depth::{DEPTH_LIMIT, is_too_deep};
pub use media::{
    HeardAs, LimitedBy, MediaAsk, PublishedSource, PublishedTrack, Reception, ShownTrack, Speaker, TrackKind,
    TrackPlace, TrackReception, Transport,
};
pub use server::{Joined, Refused, Resume, ServerMessage, relayed};
pub use shared::{IceServer, LeaveReason, Muted, Participant, Permission, Role, Room, Topology};
pub use signal::{Candidate, Description, DescriptionKind, Dialect, Part, SignalData};
pub use source::{SOURCE_NAME_BYTES, SourceName, TrackSource};

/// The version of the protocol.
pub const VERSION: u64 = 1;
