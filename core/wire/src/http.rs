//! The bodies of the HTTP interface.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::announcement::{AnnouncementBody, AnnouncementList};
use crate::{IceServer, Participant, Permission, Role, Topology};

/// A refusal over HTTP.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Why, for programs; the codes of docs/PROTOCOL.md and those of HTTP.
    pub code: String,
    /// What, where, and what to do next, for developers.
    pub message: String,
    /// When it is worth to try again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// Where a guest wants to go (development mode only); with a token, nothing is needed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct JoinRequest {
    /// `default` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `lobby` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// `Guest` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// All that a client needs before it opens the WebSocket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinAnswer {
    /// The token to join with; a guest's is made here.
    pub token: String,
    /// When the token expires, in seconds since 1970.
    pub expires_at: u64,
    /// The namespace of the room.
    pub namespace: String,
    /// The room.
    pub room: String,
    /// Who the token says you are.
    pub identity: String,
    /// What the others will see.
    pub name: String,
    /// The WebSocket's address.
    pub signalling_url: String,
    /// For `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
    /// How long the credentials in `ice_servers` last.
    pub ice_ttl_seconds: u64,
    /// How media travels.
    pub topology: Topology,
    /// How many seats the room has.
    pub member_limit: u32,
    /// Whether only those who hold a seat may come in.
    pub locked: bool,
    /// Who is inside.
    pub participants: Vec<Participant>,
}

/// What a join token shall say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenRequest {
    /// `default` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The one room that it opens.
    pub room: String,
    /// Who takes the seat.
    pub identity: String,
    /// What the others see; the identity where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `speaker` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Permissions instead of the role's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// Whether they watch unseen: the others are not told of them, and all that they may do is subscribe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<bool>,
    /// For how long it opens the room; the configured time where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// A join token.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenAnswer {
    /// The token.
    pub token: String,
    /// When it expires, in seconds since 1970.
    pub expires_at: u64,
}

/// What can be set for a namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NamespaceSettings {
    /// How many rooms it may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rooms_limit: Option<u32>,
}

/// A namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NamespaceBody {
    /// Its name.
    pub namespace: String,
    /// How many rooms it may hold.
    pub rooms_limit: u32,
    /// How many it holds.
    pub rooms: u32,
}

/// All namespaces that the credential may see.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NamespaceList {
    /// By name.
    pub namespaces: Vec<NamespaceBody>,
}

/// What can be set for a room; what is left out stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RoomSettings {
    /// How many seats it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_limit: Option<u32>,
    /// How media travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Whether only those who hold a seat may come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Whether its people encrypt sound and picture end to end: then nobody can mix them. Only while nobody is inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// How long an empty room stays; 0 is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub empty_timeout_seconds: Option<u64>,
}

/// A room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoomBody {
    /// The namespace it is in.
    pub namespace: String,
    /// Its name there.
    pub room: String,
    /// How many seats it has.
    pub member_limit: u32,
    /// How media travels.
    pub topology: Topology,
    /// Whether only those who hold a seat may come in.
    pub locked: bool,
    /// Whether its people encrypt sound and picture end to end.
    pub encrypted: bool,
    /// How long it stays when it is empty; 0 is for ever.
    pub empty_timeout_seconds: u64,
    /// How many are inside.
    pub participants: u32,
}

/// The rooms of a namespace.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoomList {
    /// By name.
    pub rooms: Vec<RoomBody>,
}

/// A gateway that comes into a room with plain RTP: one voice up, the mix of all others down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainRequest {
    /// Who takes the seat.
    pub identity: String,
    /// What the others see; the identity where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it sends from and is sent to, `address:port`.
    pub remote: String,
    /// `opus`, `PCMU` or `PCMA`.
    pub codec: String,
    /// Of both directions; 0 and 8 are usual for PCMU and PCMA, 111 for Opus.
    pub payload_type: u8,
    /// Milliseconds of sound in a packet to it: 10, 20, 40 or 60; 20 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_ms: Option<u8>,
    /// The noise around its voice is taken out of the mix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denoise: bool,
    /// Where it is sealed (SRTP_AES128_CM_HMAC_SHA1_80): what follows `inline:` in the `a=crypto` line of each side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp: Option<PlainSrtp>,
}

/// Keys with salts, 30 bytes in base64 (RFC 4568).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainSrtp {
    /// For what is sent to the gateway.
    pub to_gateway: String,
    /// For what it sends.
    pub from_gateway: String,
}

impl std::fmt::Debug for PlainSrtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainSrtp(..)")
    }
}

/// A gateway's seat.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PlainAnswer {
    /// Its id in the room.
    pub participant: String,
    /// Where it sends to and is sent from.
    pub local: String,
}

/// The people in a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ParticipantList {
    /// By id.
    pub participants: Vec<Participant>,
}
