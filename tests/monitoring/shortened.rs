//! The rules as they are shipped, with less to wait for.
//!
//! This is the whole transform: `for` and `keep_firing_for` of every rule are divided by [`FACTOR`], and every group is
//! evaluated as often as the global interval says. Expressions, thresholds, windows and labels are as they are shipped.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::repository::{rule_files, yaml};

/// 2 minutes become 0.2 s, an hour 6 s.
const FACTOR: u32 = 600;

/// Writes all rules into `folder`, and gives the lines of Prometheus' configuration that load them.
pub(crate) fn rules(folder: &Path) -> String {
    let mut lines = "rule_files:\n".to_owned();
    for name in rule_files() {
        let mut file: Value = yaml(&name);
        for group in file["groups"].as_array_mut().unwrap() {
            group.as_object_mut().unwrap().remove("interval");
            for rule in group["rules"].as_array_mut().unwrap() {
                for wait in ["for", "keep_firing_for"] {
                    if let Some(text) = rule.get(wait).and_then(Value::as_str) {
                        rule[wait] = format!("{}ms", shorter(text).as_millis()).into();
                    }
                }
            }
        }
        // YAML reads JSON.
        let path: PathBuf = folder.join(Path::new(&name).with_extension("json").file_name().unwrap());
        common::atomic::write(&path, file.to_string().as_bytes()).unwrap();
        writeln!(lines, "- {}", path.display()).unwrap();
    }
    lines
}

fn shorter(text: &str) -> Duration {
    common::duration::parse(text).unwrap() / FACTOR
}
