//! Why a packet is not opened.

/// Why a packet is dropped. It is counted, never answered; its bytes may be spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No RTP or RTCP of version 2, or too short to carry a tag.
    #[error("not an SRTP packet")]
    Malformed,
    /// The tag is wrong: another key, or changed on the way.
    #[error("the authentication tag is wrong")]
    Forged,
    /// It was received before.
    #[error("a replay")]
    Replayed,
    /// So far behind the newest that a replay could not be told.
    #[error("behind the replay window")]
    TooOld,
    /// A new source when [`crate::MOST_SOURCES`] are known.
    #[error("too many sources")]
    TooManySources,
    /// SRTCP without encryption, which WebRTC forbids (RFC 8827 section 6.5).
    #[error("SRTCP that is not encrypted")]
    Unencrypted,
}
