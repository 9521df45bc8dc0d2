//! The events of the WebRTC codelab over Socket.IO: they become room commands, room events become them.
//!
//! A [`Caller`] is one Socket.IO socket. It owns no connection and no clock: whoever has them gives it what was received,
//! and does what it answers, in order.

mod caller;
mod datum;
mod payload;

pub use caller::{Act, Caller, HELD_LIMIT, Packet};
pub use datum::{Arguments, Datum};
pub use payload::with_types;
