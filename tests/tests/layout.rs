//! The rules of this codebase that a test can see: who may know whom, and what no file may hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::root;

/// Which of our own crates each may depend on.
const EDGES: [(&str, &[&str]); 7] = [
    ("vault", &[]),
    ("provenance", &[]),
    ("zk", &[]),
    ("compute", &[]),
    ("app", &["compute", "provenance", "vault", "zk"]),
    ("usufruct-desktop", &["app"]),
    ("tests", &["app", "compute", "provenance", "vault", "zk"]),
];

#[test]
fn crates_know_only_whom_they_may() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(metadata.packages.len(), EDGES.len(), "a new crate needs its edges written here");
    for package in &metadata.packages {
        let (_, allowed) = EDGES
            .iter()
            .find(|(name, _)| *name == package.name.as_str())
            .unwrap_or_else(|| panic!("{} is not listed", package.name));
        for dependency in package.dependencies.iter().map(|d| d.name.as_str()).filter(|name| ours.contains(name)) {
            assert!(allowed.contains(&dependency), "{} must not know {dependency}", package.name);
        }
    }
}

/// A library, the name under which sources use it, and the only places that may.
const CONFINED: [(&str, &[&str]); 9] = [
    ("sled", &["vault/src/catalog"]),
    ("crossbeam_epoch", &["vault/src/catalog"]),
    ("openssl", &["vault/src/cipher"]),
    ("alloy", &["provenance/src/chain/"]),
    ("revm", &["provenance/src/chain/"]),
    ("ipfs_api", &["provenance/src/content/kubo"]),
    ("burn", &["compute/src/"]),
    ("wgpu", &["compute/src/"]),
    ("tauri", &["src-tauri/"]),
];

#[test]
fn libraries_stay_behind_their_modules() {
    for (file, text) in sources("rs") {
        for (library, places) in CONFINED {
            let named = text.lines().any(|line| {
                let code = line.split("//").next().unwrap_or_default();
                [format!("{library}::"), format!("use {library};"), format!("extern crate {library}")].iter().any(
                    |use_| {
                        code.match_indices(use_.as_str())
                            .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
                    },
                )
            });
            let allowed = places.iter().any(|place| file.starts_with(place))
                || file.starts_with("tests/")
                || file.contains("/tests/");
            assert!(!named || allowed, "{file} names {library}; only {places:?} may");
        }
    }
}

#[test]
fn views_are_what_the_window_gets() {
    let bindings = root().join("src-tauri/src");
    for (file, text) in sources("rs").into_iter().filter(|(file, _)| root().join(file).starts_with(&bindings)) {
        assert!(
            !text.contains("derive(Serialize") && !text.contains("Serialize)]"),
            "{file} serializes; only app::view does"
        );
    }
}

#[test]
fn sources_say_their_point_first() {
    // A module's tests in a file of their own belong to the module that they test.
    let tests = |file: &str| file.ends_with("/tests.rs") || file.ends_with("_tests.rs");
    for (file, text) in sources("rs").into_iter().filter(|(file, _)| !tests(file)) {
        assert!(
            text.starts_with("//!") || text.starts_with("#!"),
            "{file} does not begin with a sentence that says its point"
        );
    }
}

#[test]
fn sources_hold_no_leftovers() {
    for (file, text) in sources("rs").into_iter().chain(sources("sol")).chain(sources("ts")).chain(sources("svelte")) {
        if file.ends_with("tests/layout.rs") {
            continue;
        }
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX", "TODO"] {
            assert!(!text.contains(word), "{file} holds {word}");
        }
    }
}

#[test]
fn sources_have_no_unsafe_code() {
    for (file, text) in sources("rs") {
        let unsafe_code = text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default().trim_start();
            ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word))
        });
        assert!(!unsafe_code || UNSAFE.contains(&file.as_str()), "{file} has unsafe code and is not on the list");
    }
}

/// The files with unsafe code, each with its reason beside it.
const UNSAFE: [&str; 2] = [
    // memory-maps the sorted runs of the chunk index, asks the kernel who is at the other end of a socket
    "vault/src/system.rs",
    // this list names the words
    "tests/tests/layout.rs",
];

#[test]
fn documents_name_only_what_exists() {
    for name in ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            assert!(root().join(path).exists(), "{name} links to {path}, which is not there");
        }
    }
}

/// All of our sources with this ending: path from the root, and text.
fn sources(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    assert!(!found.is_empty(), "no .{ending} files were found");
    found
}

fn walk(folder: &Path, ending: &str, found: &mut Vec<(String, String)>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !["node_modules", "target", ".git", "out", "cache", "dist", "gen", "generated", "vendor"].contains(&name)
            {
                walk(&path, ending, found);
            }
        } else if path.extension().is_some_and(|e| e == ending) {
            let file = path.strip_prefix(root()).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
            found.push((file, fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))));
        }
    }
}
