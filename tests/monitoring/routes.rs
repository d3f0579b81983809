//! Who is told of what.

use std::collections::BTreeMap;

use crate::repository::{alerts, check, text};

const CONFIG: &str = "config/alertmanager/alertmanager.yml";

/// The configuration with the switch turned: without the route that keeps everything back.
pub(crate) fn without_switch(config: &str) -> String {
    let (before, rest) = config.split_once("    # --- monitoring only: ").unwrap();
    let (_, after) = rest.split_once("    # --- monitoring only ends here").unwrap();
    format!("{before}{}", after.split_once('\n').unwrap().1)
}

/// The receivers that `config` finds for an alert with these labels, in the order of their names.
fn told(config: &str, labels: &BTreeMap<String, String>) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    common::fs::atomic::write(file.path(), config.as_bytes()).unwrap();
    let mut args = vec!["config".to_owned(), "routes".to_owned(), "test".to_owned()];
    args.push(format!("--config.file={}", file.path().display()));
    args.extend(labels.iter().map(|(name, value)| format!("{name}={value}")));
    let said = check("amtool", &args.iter().map(String::as_str).collect::<Vec<_>>(), &[]).unwrap();
    let line = said.lines().find(|line| !line.is_empty() && !line.starts_with("Warning")).unwrap();
    let mut told: Vec<String> = line.split(',').map(|name| name.trim().to_owned()).collect();
    told.sort();
    told
}

fn labels(name: &str, severity: &str, action: &str) -> BTreeMap<String, String> {
    [("alertname", name), ("severity", severity), ("auto_action", action), ("service", "api")]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| (label.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn amtool_has_nothing_to_say_against_the_configuration() {
    check("amtool", &["check-config", CONFIG], &[]).unwrap();
}

#[test]
fn each_severity_has_its_receiver_and_only_what_may_act_is_told_twice() {
    let config = without_switch(&text(CONFIG));
    for (severity, action, expected) in [
        ("critical", "rollback", vec!["hook", "page"]),
        ("critical", "incident", vec!["page"]),
        ("high", "notify", vec!["slack"]),
        ("medium", "", vec!["slack"]),
        ("info", "log", vec!["log"]),
        // Somebody's own alert, without a severity that is known here: better told than lost.
        ("", "", vec!["slack"]),
    ] {
        assert_eq!(told(&config, &labels("Anything", severity, action)), expected, "{severity} {action}");
    }
    assert_eq!(told(&config, &labels("DeploymentWatchdog", "none", "")), ["watchdog"]);
}

#[test]
fn as_it_is_shipped_nobody_is_told_of_any_alert_but_the_watchdog() {
    let config = text(CONFIG);
    for alert in alerts() {
        let mut labels = alert.labels.clone();
        labels.insert("alertname".to_owned(), alert.name().to_owned());
        let expected = if alert.name() == "DeploymentWatchdog" { "watchdog" } else { "nobody" };
        assert_eq!(told(&config, &labels), [expected], "{}", alert.name());
    }
}

#[test]
fn no_secret_stands_in_the_configuration() {
    let config = text(CONFIG);
    for secret in ["routing_key", "service_key", "api_url", "password", "credentials", "bearer_token"] {
        assert!(!config.contains(&format!("{secret}:")), "{secret} stands there: use {secret}_file");
    }
    assert_eq!(config.matches("_file: /etc/alertmanager/secrets/").count(), 4);
}
