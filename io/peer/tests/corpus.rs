//! Replays the fuzz corpus, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test's helpers fail as the test does, and other tests share them"
)]

#[path = "../../../fuzz/bodies/descriptions.rs"]
mod descriptions;
#[path = "../../../fuzz/bodies/replay.rs"]
mod replay;

use proptest::{collection::vec, prelude::*};

fn corpus() -> Vec<Vec<u8>> {
    replay::corpus(env!("CARGO_MANIFEST_DIR"), "descriptions")
}

#[test]
fn the_corpus_of_descriptions_is_survived() {
    corpus().iter().for_each(|bytes| descriptions::run(bytes));
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_descriptions_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in corpus() {
            descriptions::run(&replay::damaged(bytes, &changes));
        }
    }
}
