//! The repository's files, as the tests read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A file or folder by its path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

/// The text of a file of the repository.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of the files in `folder` that end in `ending`, in order, as paths in the repository.
pub(crate) fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = path(folder).read_dir().unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no *{ending} in {folder}");
    names
}

/// A YAML file of the repository.
pub(crate) fn yaml<T: DeserializeOwned>(name: &str) -> T {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs one of the Prometheus family's tools in the repository; gives what it said where it is not content.
pub(crate) fn check(program: &str, args: &[&str], files: &[String]) -> Result<String, String> {
    let output = Command::new(testkit::bin::server(program))
        .args(args)
        .args(files)
        .current_dir(path(""))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: ./scripts/test.sh installs it"));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// A file of rules, as far as it is looked at here.
#[derive(Debug, Deserialize)]
pub(crate) struct RuleFile {
    pub(crate) groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) rules: Vec<Rule>,
}

/// An alert or a recorded series.
#[derive(Debug, Deserialize)]
pub(crate) struct Rule {
    pub(crate) alert: Option<String>,
    pub(crate) record: Option<String>,
    pub(crate) expr: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Rule {
    /// The alert's or the series' name.
    pub(crate) fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).unwrap()
    }
}

/// The files of rules.
pub(crate) fn rule_files() -> Vec<String> {
    names("config/prometheus", ".yml").into_iter().filter(|name| !name.ends_with("/prometheus.yml")).collect()
}

/// Every rule of every file.
pub(crate) fn rules() -> Vec<Rule> {
    let files = rule_files().into_iter().map(|name| yaml::<RuleFile>(&name));
    files.flat_map(|file| file.groups).flat_map(|group| group.rules).collect()
}

/// Every alert.
pub(crate) fn alerts() -> Vec<Rule> {
    rules().into_iter().filter(|rule| rule.alert.is_some()).collect()
}
