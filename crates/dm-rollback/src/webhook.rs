//! One payload of Alertmanager's webhook on stdin, for a relay that starts a run of this tool for each.
//!
//! Whoever can write to the relay can write a payload, so it is a hint and no more: it does not choose the service, and
//! nothing is done before Alertmanager itself says that the alert is active.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use common::event::Condition;
use common::identity::Identity;
use common::label::Label;
use common::records::{Decision, Verdict};
use serde::Deserialize;
use telemetry::journal::{Entry, Journal};

use crate::alertmanager::Alertmanager;
use crate::facts;

/// The longest payload. A relay that sends more has its Alertmanager's `max_alerts` to set.
const MAX_BYTES: u64 = 1024 * 1024;

/// The version of the payload, since Alertmanager 0.5.
const VERSION: &str = "4";

/// What an alert has to be labelled with to be a reason to roll back.
const OPT_IN: (&str, &str) = ("auto_action", "rollback");

/// The flag.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct HookArgs {
    /// Roll back if a payload of Alertmanager's webhook on stdin tells of an alert of this service that fires, has the
    /// label auto_action="rollback", and is still active by --alertmanager-url
    #[arg(long)]
    pub from_alertmanager: bool,
}

/// How a payload is judged.
#[derive(Debug)]
pub struct Hook {
    /// Who is asked whether the alert is still active.
    pub alertmanager: Alertmanager,
    /// Whether the deployment's id was told, by a flag or its variable: that of the CI run is the relay's.
    pub is_deployment_known: bool,
    /// The same of its version.
    pub is_version_known: bool,
}

#[derive(Deserialize)]
struct Payload {
    version: String,
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
}

impl Hook {
    /// Reads the payload and asks. Where it is a reason to roll back, `identity` becomes that of the deployment that it
    /// is about.
    pub fn judge(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
        now: DateTime<Utc>,
    ) -> Verdict {
        match self.reason(input, identity, journal) {
            Ok(why) => verdict(Decision::Rollback, why, now),
            Err(why) => verdict(Decision::Inconclusive, why, now),
        }
    }

    fn reason(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
    ) -> Result<String, String> {
        let alerts = read(input)?;
        let alert = choose(&alerts, identity)?;
        let entries = journal.and_then(|journal| journal.read().ok()).unwrap_or_default();
        self.attribute(alert, identity, &entries)?;
        let name = alert.labels.get("alertname").map_or("", String::as_str);
        let named = ["alertname", "service", "environment"];
        let named = alert.labels.iter().filter(|(label, _)| named.contains(&label.as_str()));
        let named = named.map(|(label, value)| (label.clone(), value.clone())).collect();
        let asked = common::runtime::block_on(self.alertmanager.active(&named));
        let active = asked.map_err(anyhow::Error::from).and_then(|answer| answer).map_err(|error| {
            format!("{} fires, by a payload; Alertmanager cannot be asked: {error:#}", nearest(name))
        })?;
        if active.iter().any(|active| active.labels == alert.labels) {
            Ok(format!("{} fires, and Alertmanager says so", nearest(name)))
        } else {
            Err(format!(
                "{} fires, by a payload, and is not active (any more) by Alertmanager",
                nearest(name)
            ))
        }
    }

    /// Which deployment is it about? The one that was told; else the one in the alert's label; else the last one that
    /// the journal knows of. Its version is in the journal, too.
    fn attribute(&self, alert: &Alert, identity: &mut Identity, entries: &[Entry]) -> Result<(), String> {
        if !self.is_deployment_known {
            let labelled = alert.labels.get("deployment").map(|text| text.parse::<Label>());
            let labelled = labelled.transpose().map_err(|error| format!("the label deployment {error}"))?;
            let last = || facts::last_deployment(entries, identity).map(|last| last.deployment.clone());
            identity.deployment = labelled.or_else(last).ok_or(
                "which deployment it is about is not known: give --deployment-id, or the alert a label deployment",
            )?;
        }
        if !self.is_version_known {
            identity.version = facts::version_of(entries, identity);
        }
        Ok(())
    }
}

fn read(input: impl Read) -> Result<Vec<Alert>, String> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("stdin cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("the payload is longer than {MAX_BYTES} bytes"));
    }
    let payload: Payload = serde_json::from_slice(&bytes)
        .map_err(|error| format!("stdin is not a payload of Alertmanager: {error}"))?;
    if payload.version != VERSION {
        return Err(format!("the payload has another version than {VERSION}"));
    }
    Ok(payload.alerts)
}

/// The first alert that is a reason; else why none is.
fn choose<'a>(alerts: &'a [Alert], identity: &Identity) -> Result<&'a Alert, String> {
    let is =
        |alert: &Alert, label: &str, value: &str| alert.labels.get(label).is_some_and(|found| found == value);
    let (service, environment) = (identity.service.as_str(), identity.environment.as_str());
    let ours: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| is(alert, "service", service) && is(alert, "environment", environment))
        .collect();
    if ours.is_empty() {
        return Err(format!("no alert of {service} in {environment} is in the payload"));
    }
    // Whoever acts on "resolved" rolls back the good version.
    let firing: Vec<&&Alert> = ours.iter().filter(|alert| alert.status == "firing").collect();
    if firing.is_empty() {
        return Err(format!("no alert of {service} in {environment} fires: what is over is no reason"));
    }
    let (label, value) = OPT_IN;
    let chosen = firing.into_iter().find(|alert| is(alert, label, value));
    chosen.copied().ok_or_else(|| format!("what fires is not labelled {label}=\"{value}\""))
}

/// Of a text from outside: short, and in one line.
fn nearest(text: &str) -> String {
    Label::sanitize(text).map_or_else(|| "an alert without a name".to_owned(), |label| label.to_string())
}

fn verdict(answer: Decision, why: String, now: DateTime<Utc>) -> Verdict {
    Verdict {
        ts: now,
        verdict: answer,
        condition: Some(Condition::Alert),
        total: 0,
        errors: 0,
        rate_percent: None,
        threshold_percent: None,
        threshold_used_percent: None,
        baseline: None,
        evidence: None,
        needed: None,
        detectable_percent: None,
        sources: Vec::new(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use common::args::DeploymentArgs;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn ours() -> Identity {
        let args = DeploymentArgs {
            service: Some("api".parse().unwrap()),
            environment: Some("production".parse().unwrap()),
            ..DeploymentArgs::default()
        };
        Identity::resolve(&args, &|_| None, std::path::Path::new("/nowhere"))
    }

    fn payload(status: &str, labels: &serde_json::Value) -> String {
        json!({"version": "4", "status": status, "alerts": [{"status": status, "labels": labels}]})
            .to_string()
    }

    fn chosen(text: &str) -> Result<(), String> {
        choose(&read(text.as_bytes())?, &ours()).map(drop)
    }

    #[test]
    fn only_what_fires_for_this_service_and_opted_in_is_a_reason() {
        let right = json!({"alertname": "X", "service": "api", "environment": "production", "auto_action": "rollback"});
        assert_eq!(chosen(&payload("firing", &right)), Ok(()));
        assert!(
            chosen(&payload("resolved", &right)).unwrap_err().contains("no alert of api in production fires")
        );
        for (label, value) in [("service", "web"), ("environment", "staging"), ("auto_action", "incident")] {
            let mut wrong = right.clone();
            wrong[label] = value.into();
            assert!(chosen(&payload("firing", &wrong)).is_err(), "{label}");
            wrong.as_object_mut().unwrap().remove(label);
            assert!(chosen(&payload("firing", &wrong)).is_err(), "no {label}");
        }
    }

    #[test]
    fn what_is_no_payload_is_told() {
        assert!(chosen("").unwrap_err().contains("not a payload of Alertmanager"));
        assert!(chosen("{\"version\":\"3\",\"alerts\":[]}").unwrap_err().contains("another version"));
        assert!(chosen(&" ".repeat(2_000_000)).unwrap_err().contains("longer than"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(bytes.as_slice()).is_err());
        }
    }
}
