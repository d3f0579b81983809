//! Access to the repository's files for the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The absolute path of a file or folder, from its path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

/// The text of a file of the repository.
pub(crate) fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files in `folder` whose names end in `ending`, as sorted paths in the repository.
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

/// Parses a YAML file of the repository.
pub(crate) fn yaml<T: DeserializeOwned>(name: &str) -> T {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs `promtool` or `amtool` in the repository. Returns its output: `Ok` if it succeeded, else `Err`.
pub(crate) fn check(program: &str, args: &[&str], files: &[String]) -> Result<String, String> {
    let output = Command::new(testkit::bin::server(program))
        .args(args)
        .args(files)
        .current_dir(path(""))
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: ./scripts/test.sh installs it"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// A file of Prometheus rules, with the fields that the tests use.
#[derive(Debug, Deserialize)]
pub(crate) struct RuleFile {
    pub(crate) groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) rules: Vec<Rule>,
}

/// An alerting rule or a recording rule.
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
    /// The name of the alert or of the recorded series.
    pub(crate) fn name(&self) -> &str {
        self.alert.as_deref().or(self.record.as_deref()).unwrap()
    }
}

/// The paths of all rule files.
pub(crate) fn rule_files() -> Vec<String> {
    names("config/prometheus", ".yml").into_iter().filter(|name| !name.ends_with("/prometheus.yml")).collect()
}

/// All rules of all rule files.
pub(crate) fn rules() -> Vec<Rule> {
    let files = rule_files().into_iter().map(|name| yaml::<RuleFile>(&name));
    files.flat_map(|file| file.groups).flat_map(|group| group.rules).collect()
}

/// All alerting rules.
pub(crate) fn alerts() -> Vec<Rule> {
    rules().into_iter().filter(|rule| rule.alert.is_some()).collect()
}
