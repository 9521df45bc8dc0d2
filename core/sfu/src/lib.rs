//! A Selective Forwarding Middlebox as a machine ([RFC 7667, section 3.7](https://www.rfc-editor.org/rfc/rfc7667#section-3.7)).
//!
//! One [`Router`] for each room. It knows tracks, their encodings and who subscribes; not people, sockets or bytes. For
//! each packet the caller asks [`Router::receive`] what it is, and each [`Subscription`] of its track whether and how it
//! passes ([`Gate::pass`]); slow things (a keyframe is needed, a slot shows something else) are queued as [`Output`]s.

mod allocate;
mod gate;
mod ids;
mod layers;
mod memory;
mod meter;
mod needs;
mod offsets;
mod router;
mod settle;
mod sharing;
mod slots;
mod speaker;
mod subscriber;
mod track;
mod view;

pub use allocate::{Limit, Share};
pub use gate::{Gate, Outgoing, Rewrite, Sent};
pub use ids::{MemberId, TrackId};
pub use layers::Layer;
pub use router::{Output, Router, RouterSettings};
pub use slots::Slot;
pub use subscriber::Capabilities;
pub use track::{Incoming, Source, Subscription, Track, TrackInfo};
pub use view::{View, Wish};
