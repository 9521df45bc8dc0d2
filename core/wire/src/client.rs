//! What clients say on the WebSocket.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{MediaAsk, Role, is_too_deep};

/// One message of a client.
#[derive(Debug)]
pub enum ClientMessage<'a> {
    /// Comes in, or back.
    Join(Box<Join>),
    /// Something for one participant.
    Signal {
        /// Whom.
        to: Cow<'a, str>,
        /// What, as it was written.
        data: &'a RawValue,
    },
    /// Something for everybody else.
    Message {
        /// What, as it was written.
        data: &'a RawValue,
    },
    /// Another name, or another microphone or camera state.
    Update {
        /// What to call them from now on.
        name: Option<String>,
        /// Whether the microphone is off.
        audio: Option<bool>,
        /// Whether the camera is off.
        video: Option<bool>,
    },
    /// A moderator mutes somebody.
    Mute {
        /// Whom.
        participant: String,
        /// The microphone.
        audio: bool,
        /// The camera.
        video: bool,
    },
    /// A moderator gives somebody another role.
    Role {
        /// Whom.
        participant: String,
        /// Which.
        role: Role,
    },
    /// A moderator locks the room or opens it.
    Lock {
        /// Which of both.
        locked: bool,
    },
    /// A moderator removes somebody.
    Kick {
        /// Whom.
        participant: String,
    },
    /// Goes.
    Leave,
    /// Is alive, and has counted this many of our messages.
    Ping {
        /// How many.
        received: u64,
    },
    /// Asks for fresh ICE servers.
    IceServers,
    /// Something for the media server.
    Media(MediaAsk),
}

/// How to come in: with a token, as a guest, or back into a session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
pub struct Join {
    /// The version of the protocol; 0 where it is left out.
    #[serde(default)]
    pub version: u64,
    /// A join token.
    #[serde(default)]
    pub token: Option<String>,
    /// A guest's namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// A guest's room.
    #[serde(default)]
    pub room: Option<String>,
    /// A guest's name.
    #[serde(default)]
    pub name: Option<String>,
    /// The session to come back into.
    #[serde(default)]
    pub resume: Option<JoinResume>,
}

/// A session and how far the client followed it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct JoinResume {
    /// The last `resume.token` that it was given.
    pub token: String,
    /// How many of our messages it has counted.
    #[serde(default)]
    pub received: u64,
}

/// The message could not be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The message's `type`, if that much could be read.
    pub of: Option<String>,
    /// There is no such `type`; otherwise it is not JSON, not an object, too deep, or has a field of a wrong type.
    pub unknown_type: bool,
}

/// All that most messages have; everything else is read only where the type needs it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    to: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
}

/// A `null` that was written is a value; only what was not written is `None`.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(value).map(Some)
}

impl<'a> ClientMessage<'a> {
    /// The types of all messages that a client may send.
    pub const TYPES: [&'static str; 18] = [
        "join",
        "signal",
        "message",
        "update",
        "mute",
        "role",
        "lock",
        "kick",
        "leave",
        "ping",
        "ice_servers",
        "publish",
        "subscribe",
        "answer",
        "view",
        "hear",
        "voice",
        "allow",
    ];

    /// Reads one message.
    ///
    /// # Errors
    /// [`Unreadable`]; nothing in `text` makes it recurse or allocate more than `text` is long.
    pub fn parse(text: &'a str) -> Result<Self, Unreadable> {
        let unreadable = Unreadable {
            of: None,
            unknown_type: false,
        };
        if is_too_deep(text) {
            return Err(unreadable);
        }
        // A sequence would do for serde, but a message is an object.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(unreadable);
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|_| unreadable)?;
        match &*envelope.kind {
            "signal" => signal(&envelope).ok_or_else(|| malformed("signal")),
            "message" => envelope
                .data
                .map(|data| Self::Message { data })
                .ok_or_else(|| malformed("message")),
            "join" => Ok(Self::Join(Box::new(fields(text, "join")?))),
            "leave" => Ok(Self::Leave),
            "ice_servers" => Ok(Self::IceServers),
            "ping" => fields(text, "ping").map(|Ping { received }| Self::Ping { received }),
            "update" | "mute" | "role" | "lock" | "kick" => change(text, &envelope.kind),
            kind if MediaAsk::TYPES.contains(&kind) => fields(text, kind).map(Self::Media),
            unknown => Err(Unreadable {
                of: Some(unknown.chars().take(64).collect()),
                unknown_type: true,
            }),
        }
    }

    /// The message's `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Signal { .. } => "signal",
            Self::Message { .. } => "message",
            Self::Update { .. } => "update",
            Self::Mute { .. } => "mute",
            Self::Role { .. } => "role",
            Self::Lock { .. } => "lock",
            Self::Kick { .. } => "kick",
            Self::Leave => "leave",
            Self::Ping { .. } => "ping",
            Self::IceServers => "ice_servers",
            Self::Media(ask) => ask.kind(),
        }
    }
}

#[derive(Deserialize)]
struct Ping {
    #[serde(default)]
    received: u64,
}

#[derive(Deserialize)]
struct Update {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    muted: MutedFields,
}

#[derive(Deserialize, Default)]
struct MutedFields {
    #[serde(default)]
    audio: Option<bool>,
    #[serde(default)]
    video: Option<bool>,
}

#[derive(Deserialize)]
struct Mute {
    participant: String,
    #[serde(default)]
    audio: bool,
    #[serde(default)]
    video: bool,
}

#[derive(Deserialize)]
struct RoleChange {
    participant: String,
    role: Role,
}

#[derive(Deserialize)]
struct Lock {
    locked: bool,
}

#[derive(Deserialize)]
struct Kick {
    participant: String,
}

fn signal<'a>(envelope: &Envelope<'a>) -> Option<ClientMessage<'a>> {
    let quoted = envelope.to?.get();
    let plain = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let to = if plain.contains('\\') {
        Cow::Owned(serde_json::from_str(quoted).ok()?)
    } else {
        Cow::Borrowed(plain)
    };
    Some(ClientMessage::Signal {
        to,
        data: envelope.data?,
    })
}

fn change<'a>(text: &str, kind: &str) -> Result<ClientMessage<'a>, Unreadable> {
    Ok(match kind {
        "update" => {
            let Update {
                name,
                muted: MutedFields { audio, video },
            } = fields(text, kind)?;
            ClientMessage::Update { name, audio, video }
        }
        "mute" => {
            let Mute {
                participant,
                audio,
                video,
            } = fields(text, kind)?;
            ClientMessage::Mute {
                participant,
                audio,
                video,
            }
        }
        "role" => {
            let RoleChange { participant, role } = fields(text, kind)?;
            ClientMessage::Role { participant, role }
        }
        "lock" => {
            let Lock { locked } = fields(text, kind)?;
            ClientMessage::Lock { locked }
        }
        _ => {
            let Kick { participant } = fields(text, kind)?;
            ClientMessage::Kick { participant }
        }
    })
}

fn fields<T: DeserializeOwned>(text: &str, kind: &str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|_| malformed(kind))
}

fn malformed(kind: &str) -> Unreadable {
    Unreadable {
        of: Some(kind.to_owned()),
        unknown_type: false,
    }
}
