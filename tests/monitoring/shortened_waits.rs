//! The shipped rules and routes, with shorter waits.
//!
//! Only these things change: `for` and `keep_firing_for` of every rule are divided by [`FACTOR`], and every group is
//! evaluated at the global interval. Expressions, thresholds, windows and labels stay as shipped. Alertmanager's waits are
//! divided by the same factor, its "monitoring only" phase is switched off, and each receiver is a path of one recording
//! server. The routes from alerts to receivers stay as shipped.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::repository::{rule_files, text, yaml};
use crate::routes::without_switch;

/// 2 minutes become 0.2 s, an hour 6 s.
const FACTOR: u32 = 600;

/// Writes all rules into `folder` and returns the lines of Prometheus' configuration that load them.
pub(crate) fn rules(folder: &Path) -> String {
    let mut lines = "rule_files:\n".to_owned();
    for name in rule_files() {
        let mut file: Value = yaml(&name);
        for group in file["groups"].as_array_mut().unwrap() {
            group.as_object_mut().unwrap().remove("interval");
            for rule in group["rules"].as_array_mut().unwrap() {
                for wait in ["for", "keep_firing_for"] {
                    if let Some(text) = rule.get(wait).and_then(Value::as_str) {
                        rule[wait] = format!("{}ms", shorten(text).as_millis()).into();
                    }
                }
            }
        }
        // JSON is valid YAML.
        let path: PathBuf = folder.join(Path::new(&name).with_extension("json").file_name().unwrap());
        common::fs::atomic::write(&path, file.to_string().as_bytes()).unwrap();
        writeln!(lines, "- {}", path.display()).unwrap();
    }
    lines
}

/// Alertmanager's configuration, with the webhook `url/NAME` as the receiver NAME.
pub(crate) fn routes(url: &str) -> String {
    let shipped = without_switch(&text("config/alertmanager/alertmanager.yml"));
    let mut config: Value = serde_saphyr::from_str(&shipped).unwrap();
    shorten_waits(&mut config["route"]);
    for receiver in config["receivers"].as_array_mut().unwrap() {
        let sends_resolved = receiver.to_string().contains("\"send_resolved\":true");
        let name = receiver["name"].as_str().unwrap().to_owned();
        *receiver = json!({ "name": name, "webhook_configs": [
            { "url": format!("{url}/{name}"), "send_resolved": sends_resolved }
        ] });
    }
    config.to_string()
}

fn shorten_waits(route: &mut Value) {
    for wait in ["group_wait", "group_interval", "repeat_interval"] {
        if let Some(text) = route.get(wait).and_then(Value::as_str) {
            route[wait] = format!("{}ms", shorten(text).as_millis()).into();
        }
    }
    for inner in route.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        shorten_waits(inner);
    }
}

fn shorten(text: &str) -> Duration {
    common::duration::parse(text).unwrap() / FACTOR
}
