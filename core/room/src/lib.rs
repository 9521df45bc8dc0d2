//! Namespaces, rooms and the people in them: commands in, events out.
//!
//! A [`Room`] is one state machine: commands are methods, what others must learn is queued as [`Output`]s, and time is
//! an argument. A [`Directory`] knows which rooms exist. Neither knows of media, sockets or how a message is written.

mod directory;
mod ids;
mod moderation;
mod moment;
mod names;
mod participant;
mod refusal;
mod room;
mod settings;
mod timeouts;

pub use directory::{Directory, DirectoryLimits, NamespaceView};
pub use ids::{IdSource, ParticipantId, ResumeSecret};
pub use moment::Moment;
pub use names::{
    IDENTITY_BYTES, NAME_BYTES, ROOM_NAME_BYTES, check_identity, check_room_name, clean_name, room_name_for,
};
pub use participant::{Muted, MutedChange, Participant};
pub use refusal::Refusal;
pub use room::{Audience, Entrance, Event, LeaveReason, Output, Room, Seat};
pub use settings::{RoomSettings, RoomView, Rules, SettingsChange, Topology};
pub use timeouts::{Deadline, DeadlineReason};
