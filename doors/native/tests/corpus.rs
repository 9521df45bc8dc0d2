//! Replays the fuzz corpus, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test's helpers fail as the test does, and other tests share them"
)]

#[path = "../../../fuzz/bodies/replay.rs"]
mod replay;
#[path = "../../../fuzz/bodies/resume_token.rs"]
mod resume_token;

use proptest::{collection::vec, prelude::*};

fn corpus() -> Vec<Vec<u8>> {
    replay::corpus(env!("CARGO_MANIFEST_DIR"), "resume_token")
}

#[test]
fn the_corpus_of_tokens_is_survived() {
    corpus().iter().for_each(|bytes| resume_token::run(bytes));
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_tokens_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in corpus() {
            resume_token::run(&replay::damaged(bytes, &changes));
        }
    }
}
