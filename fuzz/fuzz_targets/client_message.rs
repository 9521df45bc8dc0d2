//! Bytes as a message of a client.
#![no_main]

#[path = "../bodies/client_message.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
