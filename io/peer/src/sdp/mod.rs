//! The session descriptions of subscribers: a pool of places, written once, and the answer to it.
//!
//! Publishers' descriptions are the engine's. Here is what a subscriber is offered: one m= section for data and one for
//! each place, all bundled, so that a join or leave of somebody else needs no new description.

mod answer;
pub(crate) mod call;
mod codecs;
pub(crate) mod extensions;
mod offer;

pub(crate) use answer::{Answer, SectionAnswer};
pub(crate) use codecs::{Numbers, PayloadTypes};
pub(crate) use offer::{Offer, Place};

/// What a subscriber takes of what they were offered, beside codecs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// Header extensions of sound.
    pub(crate) audio: extensions::Accepted,
    /// Header extensions of video.
    pub(crate) video: extensions::Accepted,
    /// Whether they can read redundant sound (RFC 2198).
    pub(crate) red: bool,
    /// Under which payload types.
    pub(crate) payloads: PayloadTypes,
}
