//! What is told of a sound that is played into a room, on the WebSocket and over HTTP.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far an announcement is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnnouncementState {
    /// It begins.
    Started,
    /// It goes on; told once a second, and to whoever comes while it is played.
    Progress,
    /// It was heard to its end, or stopped.
    Ended,
}

/// A sound that is played into the room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// Which.
    pub id: String,
    /// What whoever plays it calls it.
    pub name: String,
    /// How far it is.
    pub state: AnnouncementState,
    /// What was heard of it, in seconds.
    pub seconds: f64,
    /// All of it, as often as it is repeated.
    pub length_seconds: f64,
}

/// A sound that is being played into a room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementBody {
    /// Which.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// How loud; 1 is as it is in the file.
    pub gain: f32,
    /// How often it is played.
    pub repeat: u16,
    /// What was heard of it, in seconds; told once a second.
    pub seconds: f64,
    /// All of it, as often as it is repeated.
    pub length_seconds: f64,
}

/// What is being played into a room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementList {
    /// By age, the oldest first.
    pub announcements: Vec<AnnouncementBody>,
}
