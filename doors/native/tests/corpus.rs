//! Replays the fuzz corpus, so that what was found once stays found.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

#[path = "../../../fuzz/bodies/resume_token.rs"]
mod resume_token;

use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*};

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/resume_token");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn the_corpus_of_tokens_is_survived() {
    corpus().iter().for_each(|bytes| resume_token::run(bytes));
}

proptest! {
    #[test]
    fn a_damaged_corpus_of_tokens_is_survived(changes in vec(any::<(prop::sample::Index, u8)>(), 1..8)) {
        for mut bytes in corpus() {
            let length = bytes.len();
            for (at, value) in &changes {
                if let Some(byte) = bytes.get_mut(at.index(length.max(1))) {
                    *byte = *value;
                }
            }
            resume_token::run(&bytes);
        }
    }
}
