//! Everything that the server will not do, each reason with its code on the wire.

use std::net::SocketAddr;

use trefoil_stun::ErrorCode;

/// Why a request was refused. Answered with [`Refusal::code`], counted under [`Refusal::name`], logged at debug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// The request carries no message integrity.
    NoCredentials,
    /// Integrity without USERNAME, REALM or NONCE, or password algorithms that were not offered.
    IncompleteCredentials,
    /// Nobody of that name, an expired name, or a wrong password: the three look alike.
    Unauthenticated,
    /// The username names no key of the authorisation server, or the server knows no such server.
    TokenKeyUnknown,
    /// The access token was not sealed with that key for this server, or holds nonsense.
    TokenUnreadable,
    /// The access token is good no more, or not yet.
    TokenExpired,
    /// The nonce was not made here for this client, or is too old.
    StaleNonce,
    /// The request has comprehension-required attributes that mean nothing here.
    UnknownAttributes(Vec<u16>),
    /// Another username than the one that made the allocation.
    WrongCredentials,
    /// REQUESTED-TRANSPORT is missing or is no number.
    MissingTransport,
    /// A transport that is not relayed.
    UnsupportedTransport,
    /// An address family that this server has no relay address of, or does not know.
    UnsupportedFamily,
    /// Attributes that exclude each other, or that have impossible values.
    ConflictingAttributes,
    /// The 5-tuple has an allocation already.
    AllocationExists,
    /// The 5-tuple has no allocation.
    NoAllocation,
    /// The username holds as many allocations as it may.
    UsernameQuota,
    /// The server holds as many allocations as it may.
    TotalQuota,
    /// No relay port is free.
    NoPort,
    /// The reservation token is unknown or has expired.
    NoReservation,
    /// The server takes no new allocations because it is about to stop.
    Draining,
    /// The server takes no new allocations; this other one should be asked.
    TryAlternate(SocketAddr),
    /// Allocations may not move here.
    MobilityForbidden,
    /// A mobility ticket that is no living allocation's.
    BadTicket,
    /// XOR-PEER-ADDRESS is missing or is no address.
    MissingPeer,
    /// The peer is of another address family than the relayed address.
    PeerFamily,
    /// Data may not be sent to this peer; the rule says which entry of the filter it was.
    PeerForbidden(&'static str),
    /// The allocation has as many permissions as it may.
    PermissionQuota,
    /// CHANNEL-NUMBER is missing or outside the range.
    BadChannel,
    /// The channel is bound to another peer, or the peer to another channel.
    ChannelTaken,
    /// The allocation has as many channels as it may.
    ChannelQuota,
    /// A TCP allocation, or a connection for its data, asked for over datagrams.
    NeedsStream,
    /// Connect of a UDP allocation, or ChannelBind of a TCP allocation.
    WrongTransport,
    /// The peer's port is not among those that TCP allocations may connect to.
    PeerPortForbidden,
    /// There is a connection with this peer, or one is being made.
    ConnectionExists,
    /// The allocation, or the server, has as many connections with peers as it may.
    ConnectionQuota,
    /// The peer did not accept the connection.
    ConnectionFailed,
    /// The peer said nothing for thirty seconds.
    ConnectionTimeout,
    /// CONNECTION-ID is missing, or names no connection that waits.
    BadConnection,
    /// ConnectionBind over the connection of an allocation.
    ControlConnection,
}

impl Refusal {
    /// The code of [RFC 8656 section 19](https://www.rfc-editor.org/rfc/rfc8656#section-19).
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::NoCredentials
            | Refusal::Unauthenticated
            | Refusal::TokenKeyUnknown
            | Refusal::TokenUnreadable
            | Refusal::TokenExpired => ErrorCode::UNAUTHENTICATED,
            Refusal::IncompleteCredentials
            | Refusal::MissingTransport
            | Refusal::ConflictingAttributes
            | Refusal::BadTicket
            | Refusal::MissingPeer
            | Refusal::BadChannel
            | Refusal::ChannelTaken
            | Refusal::NeedsStream
            | Refusal::BadConnection
            | Refusal::ControlConnection => ErrorCode::BAD_REQUEST,
            Refusal::StaleNonce => ErrorCode::STALE_NONCE,
            Refusal::UnknownAttributes(_) => ErrorCode::UNKNOWN_ATTRIBUTE,
            Refusal::WrongCredentials => ErrorCode::WRONG_CREDENTIALS,
            Refusal::UnsupportedTransport => ErrorCode::UNSUPPORTED_TRANSPORT,
            Refusal::UnsupportedFamily => ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED,
            Refusal::AllocationExists | Refusal::NoAllocation | Refusal::WrongTransport => {
                ErrorCode::ALLOCATION_MISMATCH
            }
            Refusal::UsernameQuota => ErrorCode::ALLOCATION_QUOTA,
            Refusal::TotalQuota
            | Refusal::NoPort
            | Refusal::NoReservation
            | Refusal::Draining
            | Refusal::PermissionQuota
            | Refusal::ChannelQuota
            | Refusal::ConnectionQuota => ErrorCode::INSUFFICIENT_CAPACITY,
            Refusal::TryAlternate(_) => ErrorCode::TRY_ALTERNATE,
            Refusal::MobilityForbidden => ErrorCode::MOBILITY_FORBIDDEN,
            Refusal::PeerFamily => ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH,
            Refusal::PeerForbidden(_) | Refusal::PeerPortForbidden => ErrorCode::FORBIDDEN,
            Refusal::ConnectionExists => ErrorCode::CONNECTION_ALREADY_EXISTS,
            Refusal::ConnectionFailed | Refusal::ConnectionTimeout => ErrorCode::CONNECTION_FAILED,
        }
    }

    /// A short name for counters and logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::NoCredentials => "no_credentials",
            Refusal::IncompleteCredentials => "incomplete_credentials",
            Refusal::Unauthenticated => "unauthenticated",
            Refusal::TokenKeyUnknown => "token_key_unknown",
            Refusal::TokenUnreadable => "token_unreadable",
            Refusal::TokenExpired => "token_expired",
            Refusal::StaleNonce => "stale_nonce",
            Refusal::UnknownAttributes(_) => "unknown_attributes",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::MissingTransport => "missing_transport",
            Refusal::UnsupportedTransport => "unsupported_transport",
            Refusal::UnsupportedFamily => "unsupported_family",
            Refusal::ConflictingAttributes => "conflicting_attributes",
            Refusal::AllocationExists => "allocation_exists",
            Refusal::NoAllocation => "no_allocation",
            Refusal::UsernameQuota => "username_quota",
            Refusal::TotalQuota => "total_quota",
            Refusal::NoPort => "no_port",
            Refusal::NoReservation => "no_reservation",
            Refusal::Draining => "draining",
            Refusal::TryAlternate(_) => "try_alternate",
            Refusal::MobilityForbidden => "mobility_forbidden",
            Refusal::BadTicket => "bad_ticket",
            Refusal::MissingPeer => "missing_peer",
            Refusal::PeerFamily => "peer_family",
            Refusal::PeerForbidden(_) => "peer_forbidden",
            Refusal::PermissionQuota => "permission_quota",
            Refusal::BadChannel => "bad_channel",
            Refusal::ChannelTaken => "channel_taken",
            Refusal::ChannelQuota => "channel_quota",
            Refusal::NeedsStream => "needs_stream",
            Refusal::WrongTransport => "wrong_transport",
            Refusal::PeerPortForbidden => "peer_port_forbidden",
            Refusal::ConnectionExists => "connection_exists",
            Refusal::ConnectionQuota => "connection_quota",
            Refusal::ConnectionFailed => "connection_failed",
            Refusal::ConnectionTimeout => "connection_timeout",
            Refusal::BadConnection => "bad_connection",
            Refusal::ControlConnection => "control_connection",
        }
    }
}
