//! What the server says on the WebSocket.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    Announcement, IceServer, LeaveReason, Participant, PublishedTrack, Reception, Room, Speaker, TrackPlace,
    Transport,
};

/// One message of the server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// You are inside.
    Joined(Box<Joined>),
    /// Something from one participant for you alone; [`relayed`] writes it without reading `data`.
    Signal {
        /// Who.
        from: String,
        /// What.
        data: serde_json::Value,
    },
    /// Something from one participant for everybody; [`relayed`] writes it without reading `data`.
    Message {
        /// Who.
        from: String,
        /// What.
        data: serde_json::Value,
    },
    /// Somebody took a seat.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Something about somebody changed; this is how they are now.
    ParticipantUpdated {
        /// Who.
        participant: Participant,
    },
    /// Somebody's seat is free.
    ParticipantLeft {
        /// Whose: an id.
        participant: String,
        /// Why.
        reason: LeaveReason,
    },
    /// A moderator asks you to be silent or unseen.
    Mute {
        /// The moderator.
        from: String,
        /// The microphone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audio: Option<bool>,
        /// The camera.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        video: Option<bool>,
    },
    /// The room is set up anew.
    RoomUpdated {
        /// How.
        room: Room,
    },
    /// It is over; nothing follows.
    Left {
        /// Why.
        reason: LeaveReason,
        /// Where everybody is sent away at once: after how long to come back, for each another time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The answer to `ping`.
    Pong {
        /// How many of the client's messages were counted.
        received: u64,
    },
    /// Fresh ICE servers.
    IceServers {
        /// Which.
        ice_servers: Vec<IceServer>,
        /// How long their credentials last.
        ice_ttl_seconds: u64,
    },
    /// What was asked for is not done.
    Refused(Refused),
    /// The answer to `publish`.
    Published {
        /// The answer.
        sdp: String,
        /// The ids of the tracks.
        tracks: Vec<TrackPlace>,
    },
    /// Places to receive in; `answer` it.
    Offer {
        /// The offer.
        sdp: String,
    },
    /// What somebody publishes now, all of it.
    Tracks {
        /// Who.
        participant: String,
        /// What.
        tracks: Vec<PublishedTrack>,
    },
    /// What is in your places now; the others are empty.
    Slots {
        /// Which track in which m= section.
        slots: Vec<TrackPlace>,
    },
    /// Who speaks now, the one with the floor first.
    Speakers {
        /// Who.
        speakers: Vec<Speaker>,
    },
    /// What of one of your tracks anybody needs.
    Needed {
        /// Which.
        track: String,
        /// Whether anything.
        any: bool,
        /// Which encodings, by rid.
        rids: Vec<String>,
    },
    /// How you receive.
    Reception(Reception),
    /// How far a sound is that is played into the room.
    Announcement(Announcement),
    /// You speak, but are muted: nobody hears it.
    TalkingMuted,
    /// A transport to the media server is gone; begin anew.
    MediaLost {
        /// Which.
        transport: Transport,
    },
}

/// You are inside, and this is how it is there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Joined {
    /// The version of the protocol.
    pub version: u64,
    /// Whether this is a session that goes on.
    pub resumed: bool,
    /// Your id.
    pub you: String,
    /// How to come back.
    pub resume: Resume,
    /// The room.
    pub room: Room,
    /// Everybody in it, you included.
    pub participants: Vec<Participant>,
    /// For `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
    /// How long the credentials in `ice_servers` last.
    pub ice_ttl_seconds: u64,
    /// How often to send `ping`.
    pub heartbeat_seconds: u64,
}

/// How to come back into a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// Good for one `join`.
    pub token: String,
    /// For how long after a break.
    pub window_seconds: u64,
    /// How many of the client's messages were counted.
    pub received: u64,
}

/// What was asked for is not done, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The `type` of the refused message; left out where it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Why, for programs.
    pub code: String,
    /// Why, for developers.
    pub message: String,
    /// When it is worth to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

impl ServerMessage {
    /// The types of all messages that the server may send.
    pub const TYPES: [&'static str; 22] = [
        "joined",
        "signal",
        "message",
        "participant_joined",
        "participant_updated",
        "participant_left",
        "mute",
        "room_updated",
        "left",
        "pong",
        "ice_servers",
        "refused",
        "published",
        "offer",
        "tracks",
        "slots",
        "speakers",
        "needed",
        "reception",
        "announcement",
        "talking_muted",
        "media_lost",
    ];

    /// The message as it goes over the wire.
    #[must_use]
    pub fn to_text(&self) -> String {
        // Only maps with keys that are no texts, and writers that fail, make serde_json fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A `signal` or `message` from the participant with the id `from`, with `data` as it was written.
#[must_use]
pub fn relayed(kind: &'static str, from: &str, data: &RawValue) -> String {
    let parts = [
        "{\"type\":\"",
        kind,
        "\",\"from\":\"",
        from,
        "\",\"data\":",
        data.get(),
        "}",
    ];
    parts.concat()
}
