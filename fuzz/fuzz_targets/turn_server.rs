//! A history of datagrams from clients, peers and the clock, against a whole server.
#![no_main]

#[path = "../bodies/turn_server.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
