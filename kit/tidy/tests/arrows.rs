//! Which crate may use which: the arrows of docs/ARCHITECTURE.md.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use trefoil_tidy::Tree;

/// Crate folder -> folders it may use. Nothing else may be used.
const ARROWS: &[(&str, &[&str])] = &[
    ("core/stun", &[]),
    ("core/turn", &["core/stun", "core/auth"]),
    ("core/auth", &[]),
    ("core/bwe", &[]),
    ("core/wire", &[]),
    ("core/rtp", &[]),
    ("core/srtp", &[]),
    ("core/room", &["core/auth"]),
    ("core/sfu", &["core/rtp"]),
    ("core/mix", &["core/rtp"]),
    ("doors/native", &["core/wire", "core/room", "core/auth"]),
    ("doors/socketio", &["core/wire", "core/room"]),
    ("doors/apprtc", &["core/wire"]),
    ("doors/devices", &["core/room"]),
    ("doors/dotvoice", &["core/auth", "core/wire"]),
    ("io/store", &[]),
    ("io/net", &[]),
    ("io/relay", &["io/net", "core/turn", "core/stun", "core/auth"]),
    (
        "io/media",
        &[
            "io/net", "io/peer", "io/codec", "core/bwe", "core/rtp", "core/sfu", "core/mix",
        ],
    ),
    ("io/peer", &["io/net", "core/rtp", "core/srtp", "core/bwe"]),
    ("io/codec", &["io/net", "core/mix"]),
    (
        "io/server",
        &[
            "io/media",
            "io/store",
            "doors/native",
            "doors/socketio",
            "doors/apprtc",
            "doors/devices",
            "doors/dotvoice",
            "core/room",
            "core/auth",
            "core/wire",
        ],
    ),
    (
        "app",
        &[
            "io/server",
            "io/relay",
            "io/media",
            "io/peer",
            "io/net",
            "core/auth",
            "core/stun",
            "core/wire",
        ],
    ),
    ("kit/testkit", &["core/stun", "core/turn", "core/bwe"]),
    ("kit/tidy", &[]),
];

/// What core/ must never link: runtimes, sockets and the kernel.
const NEVER_IN_CORE: [&str; 8] = [
    "tokio",
    "axum",
    "hyper",
    "socket2",
    "libc",
    "quinn-udp",
    "getrandom",
    "tracing-subscriber",
];

struct Crate {
    folder: String,
    uses: BTreeSet<String>,
}

fn crates(tree: &Tree) -> Vec<Crate> {
    let root: toml::Table = tree.text("Cargo.toml").parse().unwrap();
    let members = root["workspace"]["members"].as_array().unwrap();
    let uses = |folder: &str| {
        let manifest: toml::Table = tree.text(&format!("{folder}/Cargo.toml")).parse().unwrap();
        let named = manifest.get("dependencies").and_then(|table| table.as_table());
        named
            .map(|table| table.keys().cloned().collect())
            .unwrap_or_default()
    };
    members
        .iter()
        .map(|member| member.as_str().unwrap())
        .map(|folder| Crate {
            folder: folder.to_owned(),
            uses: uses(folder),
        })
        .collect()
}

fn name_of(tree: &Tree, folder: &str) -> String {
    let manifest: toml::Table = tree.text(&format!("{folder}/Cargo.toml")).parse().unwrap();
    manifest["package"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_crate_uses_only_what_its_arrows_allow() {
    let tree = Tree::read().unwrap();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let crates = crates(&tree);
    let folder_of: BTreeMap<_, _> = crates
        .iter()
        .map(|krate| (name_of(&tree, &krate.folder), krate.folder.clone()))
        .collect();
    for krate in &crates {
        let arrows = allowed.get(krate.folder.as_str()).unwrap_or_else(|| {
            panic!(
                "{} is a new crate: write its arrows into kit/tidy/tests/arrows.rs and docs/ARCHITECTURE.md",
                krate.folder
            )
        });
        for used in krate.uses.iter().filter_map(|name| folder_of.get(name)) {
            assert!(
                arrows.contains(&used.as_str()),
                "{} may not use {used}",
                krate.folder
            );
        }
    }
    assert_eq!(crates.len(), allowed.len(), "an arrow names a crate that is gone");
}

#[test]
fn core_links_no_runtime_and_no_sockets() {
    let tree = Tree::read().unwrap();
    for krate in crates(&tree)
        .iter()
        .filter(|krate| krate.folder.starts_with("core/"))
    {
        for never in NEVER_IN_CORE {
            assert!(
                !krate.uses.contains(never),
                "{} links {never}, which core/ must not",
                krate.folder
            );
        }
    }
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    let tree = Tree::read().unwrap();
    for krate in crates(&tree) {
        let manifest = tree.text(&format!("{}/Cargo.toml", krate.folder));
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} has lints of its own",
            krate.folder
        );
    }
}

#[test]
fn architecture_names_every_crate() {
    let tree = Tree::read().unwrap();
    let architecture = tree.text("docs/ARCHITECTURE.md");
    for krate in crates(&tree) {
        assert!(
            architecture.contains(&format!("`{}`", krate.folder)),
            "docs/ARCHITECTURE.md does not name `{}`",
            krate.folder
        );
    }
}
