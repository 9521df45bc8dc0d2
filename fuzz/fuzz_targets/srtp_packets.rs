//! A history of sealed, damaged and repeated packets, and nonsense.
#![no_main]

#[path = "../bodies/srtp_packets.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
