//! Bytes as a session description.
#![no_main]

#[path = "../bodies/descriptions.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
