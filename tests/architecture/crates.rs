//! The direction of the crates: what each may depend on. `CONTRIBUTING.md` draws it.

use std::fs;
use std::path::PathBuf;

/// Each crate with the crates of this workspace that it may depend on.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("common", &[]),
    ("http-expect", &[]),
    ("child-process", &["common"]),
    ("state-store", &["child-process", "common"]),
    ("notify", &["common", "state-store"]),
    ("otlp", &["common"]),
    ("telemetry", &["common", "otlp", "state-store"]),
    ("dm-stage", &["child-process", "common", "notify", "state-store", "telemetry"]),
    ("dm-health", &["child-process", "common", "dm-smoke", "http-expect", "telemetry"]),
    ("dm-smoke", &["child-process", "common", "http-expect", "telemetry"]),
    ("dm-migrate", &["child-process", "common", "dm-stage", "telemetry"]),
    ("dm-rollback", &["child-process", "common", "dm-health", "notify", "state-store", "telemetry"]),
];

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folders of all crates below `crates/`, with their names.
pub(crate) fn crates() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(repository().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut crates: Vec<_> =
        folders.map(|folder| (folder.file_name().unwrap().to_str().unwrap().to_owned(), folder)).collect();
    crates.sort();
    crates
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let names: Vec<String> = crates().into_iter().map(|(name, _)| name).collect();
    for (name, folder) in crates() {
        let (_, allowed) = ALLOWED.iter().find(|(known, _)| *known == name).unwrap_or_else(|| {
            panic!("crates/{name} is new: add it to this table, and to the map in CONTRIBUTING.md")
        });
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let dependencies = manifest["dependencies"].as_table().unwrap().keys();
        for dependency in dependencies.filter(|dependency| names.contains(dependency)) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}
