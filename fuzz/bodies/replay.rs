//! The corpus of a target, for the ordinary tests that replay it.

use std::{fs, path::Path};

use proptest::sample::Index;

/// Every input in `fuzz/corpus/target`; `crate_folder` is where the test's crate stands.
pub fn corpus(crate_folder: &str, target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(crate_folder).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// The same with a few bytes changed.
pub fn damaged(mut bytes: Vec<u8>, changes: &[(Index, u8)]) -> Vec<u8> {
    let length = bytes.len();
    for (at, value) in changes.iter().filter(|_| length > 0) {
        *bytes.get_mut(at.index(length)).unwrap() = *value;
    }
    bytes
}
