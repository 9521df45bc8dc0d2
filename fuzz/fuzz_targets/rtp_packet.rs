//! A history of packets of one encoding, read, rewritten and written again.
#![no_main]

#[path = "../bodies/rtp_packet.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
