//! Replays the fuzz corpora, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test's helpers fail as the test does, and other tests share them"
)]

#[path = "../../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/rtcp_compound.rs"]
mod rtcp_compound;
#[path = "../../../fuzz/bodies/rtp_packet.rs"]
mod rtp_packet;

use proptest::{collection::vec, prelude::*};
use replay::damaged;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    replay::corpus(env!("CARGO_MANIFEST_DIR"), target)
}

#[test]
fn the_corpus_of_rtp_is_survived() {
    corpus("rtp_packet")
        .iter()
        .for_each(|bytes| rtp_packet::run(bytes));
}

#[test]
fn the_corpus_of_rtcp_is_survived() {
    corpus("rtcp_compound")
        .iter()
        .for_each(|bytes| rtcp_compound::run(bytes));
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_rtp_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in corpus("rtp_packet") {
            rtp_packet::run(&damaged(bytes, &changes));
        }
    }

    #[test]
    fn a_damaged_corpus_of_rtcp_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in corpus("rtcp_compound") {
            rtcp_compound::run(&damaged(bytes, &changes));
        }
    }
}
