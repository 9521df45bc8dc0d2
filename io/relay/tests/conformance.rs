//! docs/CONFORMANCE.md names only tests and modules that exist.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/CONFORMANCE.md")).unwrap()
}

/// What stands between backticks on the page.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

/// The text of every Rust and Python file below `folder`.
fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let skipped = ["target", ".venv", "node_modules"]
            .iter()
            .any(|name| path.ends_with(name));
        let code = path
            .extension()
            .is_some_and(|extension| extension == "rs" || extension == "py");
        if path.is_dir() && !skipped {
            sources(&path, into);
        } else if code {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_and_module_that_the_page_names_exists() {
    let page = page();
    let mut code = String::new();
    ["core", "io", "app", "kit/lab"]
        .iter()
        .for_each(|folder| sources(&root().join(folder), &mut code));
    let names = quoted(&page).filter(|name| name.contains('_') && !name.contains(' '));
    let mut count = 0;
    for name in names {
        let function = ["fn", "def"]
            .iter()
            .any(|word| code.contains(&format!("{word} {name}(")));
        assert!(function, "no test is called {name}");
        count += 1;
    }
    assert!(count > 50, "the page has hardly any tests");
    let modules = page
        .split([' ', ',', '|', '\n', '(', ')', ':'])
        .filter(|word| word.contains('/') && word.contains('.'));
    let folders = ["core/", "io/", "kit/"];
    for module in modules.filter(|word| folders.iter().any(|folder| word.starts_with(folder))) {
        assert!(root().join(module).exists(), "there is no {module}");
    }
}

#[test]
fn every_browser_test_that_the_page_names_exists() {
    let page = page();
    let mut count = 0;
    for (file, title) in quoted(&page).filter_map(|name| name.split_once(".mjs: ")) {
        let text = fs::read_to_string(root().join(format!("{file}.mjs"))).unwrap_or_default();
        let begins = ["test('", "test(`"]
            .iter()
            .any(|opening| text.contains(&format!("{opening}{title}")));
        assert!(begins, "no test in {file}.mjs begins with `{title}`");
        count += 1;
    }
    assert!(count >= 6, "the page names hardly any browser tests");
}
