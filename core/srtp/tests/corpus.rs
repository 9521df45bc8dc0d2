//! Replays the fuzz corpus, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail as the test does"
)]

#[path = "../../../fuzz/bodies/srtp_packets.rs"]
mod srtp_packets;

use std::fs;
use std::path::Path;

use proptest::{collection::vec, prelude::*};

#[test]
fn the_corpus_of_sealed_packets_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/srtp_packets");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
        .iter()
        .for_each(|file| srtp_packets::run(&fs::read(file).unwrap()));
}

proptest! {
    #[test]
    fn any_history_is_survived(profile: u8, steps in vec((any::<u8>(), vec(any::<u8>(), 0..60)), 0..60)) {
        let mut history = vec![profile];
        for (what, given) in steps {
            history.push(what);
            history.extend(u16::try_from(given.len()).unwrap().to_be_bytes());
            history.extend(given);
        }
        srtp_packets::run(&history);
    }
}
