//! Everything that this protocol refuses: what a room refuses, and what does not even reach one.

use trefoil_wire::Refused;

/// One reason why a message was not obeyed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Not JSON, not an object, too deep, or a field of a wrong type.
    #[error(
        "the message is not a JSON object of at most 64 levels with the fields that its type needs; see PROTOCOL.md"
    )]
    Malformed,
    /// There is no such type.
    #[error("there is no such type of message in version 1 of the protocol; see PROTOCOL.md")]
    UnknownType,
    /// Something before `join`, or no `join` in time.
    #[error("the first message must be join, and it must come soon after the connection")]
    JoinFirst,
    /// A second `join` on a connection.
    #[error("this connection has joined already; open another to join another room")]
    AlreadyJoined,
    /// Another version of the protocol.
    #[error("this server speaks version 1 of the protocol; send \"version\":1")]
    UnsupportedVersion,
    /// No token where one is needed, or one that does not verify.
    #[error("a valid join token is needed; get one from whoever runs the application (POST /v1/tokens)")]
    Unauthorized,
    /// A token for one room was shown at another.
    #[error(
        "the token opens another room than the one that was asked for; ask for none, or get a token for it"
    )]
    Elsewhere,
    /// Over the size limit.
    #[error("the message is larger than this server accepts; split it")]
    TooLarge,
    /// Over the rate.
    #[error("too many messages; wait a moment and send fewer")]
    RateLimited,
    /// Too much waits to be read.
    #[error("too many messages wait for you to read them; read faster, then join afresh")]
    TooSlow,
    /// The server stops.
    #[error("the server is stopping; connect again in a moment")]
    ServerStopping,
    /// Something for the media server, and there is none here, or it has too much to do.
    #[error(
        "media does not go through a server in this room now; look at room.topology, and try again in a moment"
    )]
    NoMediaServer,
    /// What a room refuses.
    #[error(transparent)]
    Room(#[from] trefoil_room::Refusal),
}

impl Refusal {
    /// The code of docs/PROTOCOL.md.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownType => "unknown_type",
            Self::JoinFirst => "join_first",
            Self::AlreadyJoined => "already_joined",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Unauthorized => "unauthorized",
            Self::Elsewhere => "forbidden",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::TooSlow => "too_slow",
            Self::ServerStopping => "server_stopping",
            Self::NoMediaServer => "no_media_server",
            Self::Room(refusal) => refusal.code(),
        }
    }

    /// The message that says so, about a message of the type `of`.
    #[must_use]
    pub fn to_wire(self, of: Option<&str>) -> Refused {
        let retry_after_seconds = match self {
            Self::Room(refusal) => refusal.retry_after_seconds(),
            Self::ServerStopping => Some(5),
            Self::Malformed
            | Self::UnknownType
            | Self::JoinFirst
            | Self::AlreadyJoined
            | Self::UnsupportedVersion
            | Self::Unauthorized
            | Self::Elsewhere
            | Self::TooLarge
            | Self::RateLimited
            | Self::NoMediaServer
            | Self::TooSlow => None,
        };
        Refused {
            of: of.map(Into::into),
            code: self.code().into(),
            message: self.to_string(),
            retry_after_seconds,
        }
    }
}

/// The WebSocket close codes of docs/PROTOCOL.md.
pub mod close_code {
    /// It is over as it should be.
    pub const NORMAL: u16 = 1000;
    /// The server stops.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame broke RFC 6455.
    pub const PROTOCOL: u16 = 1002;
    /// A text is not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// A message is too large.
    pub const TOO_LARGE: u16 = 1009;
    /// `join` was refused.
    pub const JOIN_REFUSED: u16 = 4000;
    /// No `join`.
    pub const JOIN_FIRST: u16 = 4001;
    /// Too much nonsense.
    pub const MALFORMED: u16 = 4002;
    /// Too many messages.
    pub const RATE_LIMITED: u16 = 4008;
    /// Does not read.
    pub const TOO_SLOW: u16 = 4009;
}
