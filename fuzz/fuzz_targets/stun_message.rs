//! Any bytes, read in every way that the codec offers.
#![no_main]

#[path = "../bodies/stun_message.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
