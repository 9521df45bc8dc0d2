//! Replays the fuzz corpora, so that what was found once stays found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helpers fail as the test does"
)]

#[path = "../../../fuzz/bodies/stun_message.rs"]
mod stun_message;
#[path = "../../../fuzz/bodies/turn_server.rs"]
mod turn_server;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().for_each(|file| run(&fs::read(file).unwrap()));
}

#[test]
fn the_corpus_of_messages_is_survived() {
    replay("stun_message", stun_message::run);
}

#[test]
fn the_corpus_of_histories_is_survived() {
    replay("turn_server", turn_server::run);
}

/// Attributes that the server looks at, each with a value that is sometimes right.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [
        0x000Cu16, 0x000D, 0x0012, 0x0017, 0x0018, 0x0022, 0x8000, 0x001A, 0x7ABC,
    ];
    let values: [&[u8]; 9] = [
        &[0x40, 1, 0, 0],
        &[0, 0, 0, 0],
        &[0, 1, 0x32, 0x9A, 0x29, 0x1A, 0xAC, 0x41], // 8.8.8.3:5000
        &[2, 0, 0, 0],
        &[0x80],
        &[1; 8],
        &[2, 0, 0, 0],
        &[],
        &[9],
    ];
    let chosen = (
        0..9usize,
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..24)),
    );
    proptest::collection::vec(chosen, 0..4).prop_map(move |chosen| {
        let parts = chosen.into_iter().flat_map(|(which, value)| {
            let value = value.unwrap_or_else(|| values.get(which).copied().unwrap_or_default().to_vec());
            let kind = kinds.get(which).copied().unwrap_or_default().to_be_bytes();
            [kind.to_vec(), vec![u8::try_from(value.len()).unwrap()], value].concat()
        });
        parts.collect()
    })
}

proptest! {
    #[test]
    fn any_history_is_survived(
        steps in proptest::collection::vec((any::<u8>(), any::<u8>(), attributes()), 0..60)
    ) {
        let mut history = Vec::new();
        for (what, method, attributes) in steps {
            history.push(what);
            history.extend(u16::try_from(attributes.len() + 1).unwrap().to_be_bytes());
            history.push(method);
            history.extend(attributes);
        }
        turn_server::run(&history);
    }
}
