//! The machine on an imaginary clock.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers fail as the test does"
)]

mod allocations;
mod bound;
mod connections;
mod data;
mod icmp;
mod mobility;
mod model;
mod network;
mod properties;
mod refusals;
mod strangers;
mod third_party;
mod world;
