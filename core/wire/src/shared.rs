//! Parts of messages that the WebSocket and HTTP share.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a participant is in a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Moderator,
    /// May publish, subscribe and send messages.
    Speaker,
    /// May subscribe and send messages.
    Viewer,
}

/// One thing that a participant may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Send audio, video or a screen.
    Publish,
    /// Receive what others publish.
    Subscribe,
    /// Send messages to the whole room.
    Message,
    /// Mute and remove others, change roles, lock the room.
    Moderate,
}

/// How media travels between the people of a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Everybody sends to everybody.
    P2p,
    /// Through a Selective Forwarding Middlebox.
    Sfu,
    /// Through a mixer.
    Mixed,
    /// `p2p` while there are two, `sfu` from the third on. A setting: people are told which of both it is.
    Auto,
}

/// Why somebody is no longer in the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Said so.
    Left,
    /// Vanished.
    Timeout,
    /// Removed by a moderator.
    Kicked,
    /// The same identity joined again.
    Replaced,
    /// The room was closed.
    RoomClosed,
    /// Did not read what was said.
    TooSlow,
    /// Broke a limit again and again.
    Misbehaved,
    /// The server stops.
    ServerStopping,
}

/// Whether a microphone and a camera are off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Muted {
    /// The microphone is off.
    pub audio: bool,
    /// The camera is off.
    pub video: bool,
}

/// A participant as the others see them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Participant {
    /// Made by the server, new with each join.
    pub id: String,
    /// Who the token says they are.
    pub identity: String,
    /// What to call them.
    pub name: String,
    /// What they are here.
    pub role: Role,
    /// What they may do.
    pub permissions: Vec<Permission>,
    /// What they said of their microphone and camera, or a moderator decided.
    pub muted: Muted,
    /// Their connection is broken and their seat still held.
    pub away: bool,
    /// They watch unseen; only they themselves and administrators are told of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// What everybody in a room may know of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Room {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// How media travels.
    pub topology: Topology,
    /// How many seats it has.
    pub member_limit: u32,
    /// Whether only those who hold a seat may come in.
    pub locked: bool,
    /// Whether its people encrypt sound and picture end to end: then nobody can mix them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}

/// An `RTCIceServer` dictionary of the WebRTC API.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` URLs.
    pub urls: Vec<String>,
    /// For TURN: when the credential expires and for whom it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN: the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}
