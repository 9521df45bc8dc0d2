//! Any compound, read in bounded time and written again.
#![no_main]

#[path = "../bodies/rtcp_compound.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
