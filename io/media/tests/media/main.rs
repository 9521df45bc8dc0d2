//! The media server over real sockets, with people who have no browser.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod announcements;
mod call;
mod call_wire;
mod channels;
mod for_some;
mod forwarding;
mod handshakes;
mod hostile;
mod mixing;
mod packets;
mod world;
