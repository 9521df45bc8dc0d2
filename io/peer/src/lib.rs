//! WebRTC transports: what a publisher sends comes in through the engine (str0m), what a subscriber receives goes out
//! through our own plane.
//!
//! A participant has at most two transports. On a [`PublishTransport`] the engine does everything: SDP, ICE-lite, DTLS,
//! SRTP, and the receiver's share of RTCP. On a [`SubscribeTransport`] the engine does ICE, DTLS and SCTP; SDP is a pool of
//! places written once, and media and its RTCP belong to the [`Plane`] alone. So no two writers share an SRTP key
//! (a GCM nonce that is used twice gives the key away), and cost does not grow with the number of m= sections.
//! Where a client has but one connection, both stand behind one handshake: what keeps their nonces apart there is in
//! `call.rs`. No other crate names the engine.

mod call;
pub mod client;
mod dtls;
mod engine;
mod offered;
mod outbound;
mod plain;
mod plane;
mod publish;
mod refusal;
mod sdp;
mod subscribe;

pub use call::is_report;
pub use engine::{Engine, IceCredentials};
pub use outbound::Outbound;
pub use plain::{PlainKeys, PlainTransport};
pub use plane::{Feedback, Picture, Plane, PlaneStats, StreamStats};
pub use publish::{PublishTransport, Published, PublishedMedia, PublishedPacket};
pub use refusal::SdpRefusal;
pub use subscribe::{Channel, DataSent, SubscribeTransport, Subscribed};

/// Reads a description as an answer and as an offer, as far as this crate does so itself: for the fuzz target.
#[doc(hidden)]
pub fn read_description(sdp: &str) {
    let answer = sdp::Answer::parse(sdp);
    drop((answer, offered::check_offer(sdp), offered::sections(sdp)));
    drop(sdp::call::Terms::of_our_answer(
        &sdp::call::with_places(sdp, &[]),
        sdp,
    ));
    drop(sdp::call::Terms::of_their_answer(sdp));
    client::read_offer(sdp);
}

/// How a datagram travelled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// UDP.
    Udp,
    /// A TCP connection that the client made (RFC 6544), framed by RFC 4571.
    Tcp,
}

/// One path that a datagram takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Path {
    /// How.
    pub via: Via,
    /// The client's address.
    pub remote: std::net::SocketAddr,
    /// Ours, as it stands in the candidate.
    pub local: std::net::SocketAddr,
}
