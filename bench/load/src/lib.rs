//! Load generators for the benchmarks: signalling servers and TURN servers, ours and others.

pub mod process;
pub mod signalling;
pub mod turn;
