//! docs/CONFORMANCE.md names only tests and modules that exist.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of every Rust file below `folder`.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_and_module_that_the_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/CONFORMANCE.md")).unwrap();
    let mut code = String::new();
    ["core", "io", "app"]
        .iter()
        .for_each(|folder| sources(&root().join(folder), &mut code));
    let names = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_') && !name.contains(' '));
    let mut count = 0;
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "no test is called {name}");
        count += 1;
    }
    assert!(count > 50, "the page has hardly any tests");
    let modules = page
        .split([' ', ',', '|', '\n'])
        .filter(|word| word.contains('/') && word.contains('.'));
    for module in modules.filter(|word| word.starts_with("core/") || word.starts_with("io/")) {
        assert!(root().join(module).exists(), "there is no {module}");
    }
}
