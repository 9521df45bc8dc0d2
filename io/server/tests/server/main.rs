//! The server over real sockets, on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
#![allow(clippy::too_many_lines, reason = "stories and tables of cases")]

mod abuse;
mod abuse_http;
mod announcements;
mod apprtc;
mod credentials;
mod devices;
mod dotvoice;
mod flow;
mod http;
mod page;
mod rooms;
mod socketio;
mod socketio_torture;
mod support;
mod three;
