//! Bytes as the token of a broken session.
#![no_main]

#[path = "../bodies/resume_token.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
