//! The files of the repository, read once for all tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One text file of the repository.
#[derive(Debug)]
pub struct Source {
    /// Path from the root of the repository, with `/` between its parts.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Whether this file is test code: under `tests/`, `test/`, or called `tests.rs` or `*.test.mjs`.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let named = self.path.ends_with("/tests.rs") || self.path.ends_with(".test.mjs");
        named || self.path.split('/').any(|part| part == "tests" || part == "test")
    }
}

/// Every file that a person wrote.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    sources: Vec<Source>,
}

const NOT_OURS: [&str; 7] = [
    "target",
    "node_modules",
    ".git",
    "vendor",
    "corpus",
    "media",
    "artifacts",
];
const WRITTEN: [&str; 10] = [
    "rs", "js", "mjs", "css", "html", "toml", "md", "sh", "json", "yml",
];

impl Tree {
    /// Reads the repository that this crate stands in.
    ///
    /// # Errors
    /// If a folder or file cannot be read.
    pub fn read() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()?;
        let mut sources = Vec::new();
        collect(&root, &root, &mut sources)?;
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root, sources })
    }

    /// All files whose name ends in `.extension`.
    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources.iter().filter(move |source| {
            source
                .path
                .rsplit_once('.')
                .is_some_and(|(_, end)| end == extension)
        })
    }

    /// All files below `folder`.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources
            .iter()
            .filter(move |source| source.path.starts_with(folder))
    }

    /// The text of one file; empty if there is none, so that a test says what it misses.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            if !NOT_OURS.contains(&name) {
                collect(root, &path, sources)?;
            }
        } else if path
            .extension()
            .and_then(|end| end.to_str())
            .is_some_and(|end| WRITTEN.contains(&end))
        {
            let shown = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            sources.push(Source {
                path: shown,
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(())
}
