//! Replays the fuzz corpora, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail as the test does"
)]

#[path = "../../../fuzz/bodies/rtcp_compound.rs"]
mod rtcp_compound;
#[path = "../../../fuzz/bodies/rtp_packet.rs"]
mod rtp_packet;

use std::fs;
use std::path::Path;

use proptest::{collection::vec, prelude::*};

fn replay(target: &str, run: fn(&[u8])) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let read = files.iter().map(|file| fs::read(file).unwrap());
    read.inspect(|bytes| run(bytes)).collect()
}

/// The same with a few bytes changed.
fn damaged(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let length = bytes.len();
    for (at, value) in changes.iter().filter(|_| length > 0) {
        *bytes.get_mut(at.index(length)).unwrap() = *value;
    }
    bytes
}

#[test]
fn the_corpus_of_rtp_is_survived() {
    replay("rtp_packet", rtp_packet::run);
}

#[test]
fn the_corpus_of_rtcp_is_survived() {
    replay("rtcp_compound", rtcp_compound::run);
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_rtp_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in replay("rtp_packet", |_| ()) {
            rtp_packet::run(&damaged(bytes, &changes));
        }
    }

    #[test]
    fn a_damaged_corpus_of_rtcp_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in replay("rtcp_compound", |_| ()) {
            rtcp_compound::run(&damaged(bytes, &changes));
        }
    }
}
