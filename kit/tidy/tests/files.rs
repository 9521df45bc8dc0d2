//! What a file may be: one idea, a first sentence, nothing switched off.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use trefoil_tidy::{Source, Tree};

/// Files that may pass 500 lines, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// Crates that may hold `unsafe`, beside their reason.
const UNSAFE: &[(&str, &str)] = &[(
    "io/net/",
    "system calls that no crate wraps as the packet path needs them",
)];

fn code(tree: &Tree) -> impl Iterator<Item = &Source> {
    ["rs", "js", "mjs", "css"]
        .into_iter()
        .flat_map(|extension| tree.with_extension(extension))
}

fn is_this_test(source: &Source) -> bool {
    source.path.starts_with("kit/tidy/tests/")
}

#[test]
fn a_file_stops_at_five_hundred_lines() {
    let tree = Tree::read().unwrap();
    for source in code(&tree) {
        let lines = source.text.lines().count();
        let listed = LONG.iter().any(|(path, _)| *path == source.path);
        assert!(
            listed || lines <= 500,
            "{} has {lines} lines: it holds several ideas, split it",
            source.path
        );
        assert!(
            !listed || lines > 500,
            "{} is short now: take it off the list",
            source.path
        );
    }
}

#[test]
fn a_rust_file_opens_with_one_sentence() {
    let tree = Tree::read().unwrap();
    for source in tree.with_extension("rs") {
        assert!(
            source.text.starts_with("//! "),
            "{} does not open with `//! ` and a sentence",
            source.path
        );
    }
}

#[test]
fn nothing_is_unfinished_or_switched_off() {
    let tree = Tree::read().unwrap();
    for source in code(&tree).filter(|source| !is_this_test(source)) {
        for word in [
            "todo!(",
            "unimplemented!(",
            "dbg!(",
            "#[ignore",
            "TODO",
            "FIXME",
            ".skip(true",
            "test.skip",
            "test.only",
        ] {
            assert!(!source.text.contains(word), "{} holds `{word}`", source.path);
        }
    }
}

#[test]
fn tests_wait_for_events_and_never_sleep() {
    let tree = Tree::read().unwrap();
    for source in code(&tree).filter(|source| source.is_test() && !is_this_test(source)) {
        for word in ["thread::sleep", "time::sleep(", "waitForTimeout"] {
            assert!(
                !source.text.contains(word),
                "{} sleeps with `{word}`: wait for the event, with a deadline",
                source.path
            );
        }
    }
}

#[test]
fn unsafe_code_lives_where_the_house_says() {
    let tree = Tree::read().unwrap();
    for source in tree.with_extension("rs").filter(|source| !is_this_test(source)) {
        let may = UNSAFE.iter().any(|(folder, _)| source.path.starts_with(folder));
        assert!(
            may || !source.text.contains("unsafe {"),
            "{} holds unsafe code",
            source.path
        );
    }
}

#[test]
fn the_sdk_has_no_page_and_the_page_uses_only_the_sdk() {
    let tree = Tree::read().unwrap();
    let modules = |folder: &'static str| tree.below(folder).filter(|source| source.path.ends_with(".js"));
    assert!(
        modules("web/sdk/").count() > 0 && modules("web/ui/").count() > 0,
        "web/ has moved: mend this test"
    );
    for source in modules("web/sdk/") {
        for line in source
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with(['*', '/']))
        {
            assert!(
                !line.contains("document."),
                "{}: the SDK touches the page: {line}",
                source.path
            );
        }
    }
    for source in modules("web/ui/") {
        for word in ["new WebSocket(", "new RTCPeerConnection("] {
            assert!(
                !source.text.contains(word),
                "{}: the page goes round the SDK with `{word}`",
                source.path
            );
        }
        let inner = source.text.lines().find(|line| {
            line.contains("/sdk/") && line.contains("import") && !line.contains("/sdk/trefoil.js")
        });
        assert!(
            inner.is_none(),
            "{}: the page imports the SDK's insides: {inner:?}",
            source.path
        );
    }
}

#[test]
fn no_secret_and_no_path_of_one_machine_is_written_down() {
    let tree = Tree::read().unwrap();
    for source in tree.below("").filter(|source| !is_this_test(source)) {
        for word in [
            "BEGIN PRIVATE KEY",
            "BEGIN RSA PRIVATE",
            "BEGIN EC PRIVATE",
            "/home/",
            "/root/",
        ] {
            assert!(!source.text.contains(word), "{} holds `{word}`", source.path);
        }
    }
}
