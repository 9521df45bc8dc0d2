//! Calls in a room on several workers: everything that holds for a room on one, with each person on another worker.

// Its tests run here too: `World` gives each worker a share of one person where it is a part of this file.
#[path = "call.rs"]
mod call;
