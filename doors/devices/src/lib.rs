//! signaling-server and signaling-devices: their messages become room commands, and devices are listed.
//!
//! A [`Member`] is one WebSocket of a browser or a device; a [`Register`] is all devices that were added. Neither has a
//! socket, a clock or a file.

mod address;
mod member;
mod register;

pub use address::{Address, Role};
pub use member::{HELD_LIMIT, Member};
pub use register::{Device, FIELD_BYTES, Fields, Listing, NotAdded, Online, Register, Wanted, clock_text};
