//! Clients of signalling servers.

pub mod dialect;
pub mod socket;
