//! Tells the programs which commit and target they are built from, for `--version`.
//!
//! The commit comes from the release script, from the archive of a commit, or from the package of a registry. It is not read
//! from `.git`: each commit would compile everything again, and a build with uncommitted changes is not of that commit.
#![expect(clippy::disallowed_methods, reason = "cargo talks to build scripts in variables")]

use std::path::Path;
use std::{env, fs};

/// Git replaces its content when it archives a commit: see `.gitattributes`.
const ARCHIVE: &str = "commit.txt";
/// Cargo adds it to the package of a crate.
const PACKAGE: &str = ".cargo_vcs_info.json";

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let build = commit().map_or(target.clone(), |commit| format!("{commit}, {target}"));
    println!("cargo::rerun-if-env-changed=DM_BUILD_COMMIT");
    println!("cargo::rerun-if-changed={ARCHIVE}");
    println!("cargo::rustc-env=DM_BUILD={build}");
}

fn commit() -> Option<String> {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let read = |name: &str| fs::read_to_string(Path::new(&here).join(name)).ok();
    let packaged = |text: String| Some(text.split_once("\"sha1\"")?.1.split('"').nth(1)?.to_owned());
    [env::var("DM_BUILD_COMMIT").ok(), read(ARCHIVE), read(PACKAGE).and_then(packaged)]
        .into_iter()
        .flatten()
        .find_map(|text| short_hash(text.trim()))
}

/// The first twelve digits of a commit's hash. Nothing else than a hash gets into a version.
fn short_hash(text: &str) -> Option<String> {
    let is_hash = text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| text[..12].to_owned())
}
