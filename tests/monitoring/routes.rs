//! Alertmanager's routes: which receiver gets which alert.

use std::collections::BTreeMap;

use crate::repository::{alerts, check, text};

const CONFIG: &str = "config/alertmanager/alertmanager.yml";

/// The configuration without the "monitoring only" route, which suppresses all notifications.
pub(crate) fn without_switch(config: &str) -> String {
    let (before, rest) = config.split_once("    # --- monitoring only: ").unwrap();
    let (_, after) = rest.split_once("    # --- monitoring only ends here").unwrap();
    format!("{before}{}", after.split_once('\n').unwrap().1)
}

/// The receivers to which `config` routes an alert with these labels, sorted by name.
fn receivers(config: &str, labels: &BTreeMap<String, String>) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    common::fs::atomic::write(file.path(), config.as_bytes()).unwrap();
    let mut args = vec!["config".to_owned(), "routes".to_owned(), "test".to_owned()];
    args.push(format!("--config.file={}", file.path().display()));
    args.extend(labels.iter().map(|(name, value)| format!("{name}={value}")));
    let output = check("amtool", &args.iter().map(String::as_str).collect::<Vec<_>>(), &[]).unwrap();
    let line = output.lines().find(|line| !line.is_empty() && !line.starts_with("Warning")).unwrap();
    let mut names: Vec<String> = line.split(',').map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

fn labels(name: &str, severity: &str, action: &str) -> BTreeMap<String, String> {
    [("alertname", name), ("severity", severity), ("auto_action", action), ("service", "api")]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn amtool_accepts_the_configuration() {
    check("amtool", &["check-config", CONFIG], &[]).unwrap();
}

#[test]
fn each_severity_has_a_receiver_and_rollback_alerts_have_two() {
    let config = without_switch(&text(CONFIG));
    for (severity, action, expected) in [
        ("critical", "rollback", vec!["hook", "incident"]),
        ("critical", "incident", vec!["incident"]),
        ("critical", "", vec!["incident"]),
        ("high", "incident", vec!["incident"]),
        ("high", "notify", vec!["slack"]),
        ("medium", "", vec!["slack"]),
        ("medium", "ticket", vec!["slack", "ticket"]),
        ("medium", "log", vec!["log"]),
        ("info", "log", vec!["log"]),
        // A team's own alert, whose severity is unknown here, is sent rather than lost.
        ("", "", vec!["slack"]),
    ] {
        assert_eq!(
            receivers(&config, &labels("Anything", severity, action)),
            expected,
            "{severity} {action}"
        );
    }
    assert_eq!(receivers(&config, &labels("DeploymentWatchdog", "none", "")), ["watchdog"]);
}

#[test]
fn the_shipped_configuration_notifies_nobody_except_the_watchdog() {
    let config = text(CONFIG);
    for alert in alerts() {
        let mut labels = alert.labels.clone();
        labels.insert("alertname".to_owned(), alert.name().to_owned());
        let expected = if alert.name() == "DeploymentWatchdog" { "watchdog" } else { "nobody" };
        assert_eq!(receivers(&config, &labels), [expected], "{}", alert.name());
    }
}

#[test]
fn the_configuration_contains_no_secret() {
    let config = text(CONFIG);
    for secret in ["routing_key", "service_key", "api_url", "password", "credentials", "bearer_token"] {
        assert!(!config.contains(&format!("{secret}:")), "found {secret}: use {secret}_file");
    }
    assert_eq!(config.matches("_file: /etc/alertmanager/secrets/").count(), 4);
}
