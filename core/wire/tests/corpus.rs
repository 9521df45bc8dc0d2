//! Replays the fuzz corpus, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test's helpers fail as the test does, and other tests share them"
)]

#[path = "../../../fuzz/bodies/client_message.rs"]
mod client_message;
#[path = "../../../fuzz/bodies/replay.rs"]
mod replay;

use proptest::{collection::vec, prelude::*};

fn corpus() -> Vec<Vec<u8>> {
    replay::corpus(env!("CARGO_MANIFEST_DIR"), "client_message")
}

#[test]
fn the_corpus_of_messages_is_survived() {
    corpus().iter().for_each(|bytes| client_message::run(bytes));
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_messages_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for bytes in corpus() {
            client_message::run(&replay::damaged(bytes, &changes));
        }
    }
}
