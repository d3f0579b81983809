//! Triggers a rollback from one payload of Alertmanager's webhook on stdin. A relay starts this tool for each payload.
//!
//! Anybody who can write to the relay can write a payload, so it is only a hint: it does not choose the service, and
//! nothing is done before Alertmanager itself confirms that the alert is active.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use common::event::Condition;
use common::identity::Identity;
use common::label::Label;
use common::records::{Decision, Verdict};
use common::runtime;
use serde::Deserialize;
use telemetry::journal::{Entry, Journal};

use crate::notify::alertmanager::Alertmanager;
use crate::safeguards::facts;

/// The longest payload. To stay below it, set `max_alerts` in the receiver of Alertmanager.
const MAX_BYTES: u64 = 1024 * 1024;

/// The version of the payload format, since Alertmanager 0.5.
const VERSION: &str = "4";

/// The label that an alert needs to be a reason to roll back.
const OPT_IN: (&str, &str) = ("auto_action", "rollback");

/// The flags of the trigger.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TriggerArgs {
    /// Roll back if a payload of Alertmanager's webhook on stdin contains an alert of this service that fires and has
    /// the label auto_action="rollback", and if --alertmanager-url confirms that it is still active
    #[arg(long)]
    pub from_alertmanager: bool,
}

/// How to judge a payload.
#[derive(Debug)]
pub struct Trigger {
    /// The Alertmanager that confirms the alert.
    pub alertmanager: Alertmanager,
    /// Whether the deployment id was given by a flag or its variable. Otherwise it is the id of the relay's CI run, and
    /// that of the payload or the journal replaces it.
    pub is_deployment_given: bool,
    /// Whether the version was given by a flag or its variable. Otherwise the version is that of the relay.
    pub is_version_given: bool,
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

impl Trigger {
    /// Reads the payload, and asks Alertmanager to confirm it. If it is a reason to roll back, `identity` becomes that
    /// of the deployment that the alert is about.
    pub fn judge(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
        now: DateTime<Utc>,
    ) -> Verdict {
        match self.confirm(input, identity, journal) {
            Ok(reason) => verdict(Decision::Rollback, reason, now),
            Err(reason) => verdict(Decision::Inconclusive, reason, now),
        }
    }

    fn confirm(
        &self,
        input: impl Read,
        identity: &mut Identity,
        journal: Option<&Journal>,
    ) -> Result<String, String> {
        let alerts = read(input)?;
        let alert = choose(&alerts, identity)?;
        let entries = journal.and_then(|journal| journal.read().ok()).unwrap_or_default();
        self.identify_deployment(alert, identity, &entries)?;
        let name = display_name(alert.labels.get("alertname").map_or("", String::as_str));
        let names = ["alertname", "service", "environment"];
        let filter = alert.labels.iter().filter(|(label, _)| names.contains(&label.as_str()));
        let filter = filter.map(|(label, value)| (label.clone(), value.clone())).collect();
        let response = runtime::block_on(self.alertmanager.active(&filter));
        let active = response.map_err(anyhow::Error::from).and_then(|alerts| alerts).map_err(|error| {
            format!("{name} fires according to the payload; Alertmanager cannot confirm it: {error:#}")
        })?;
        if active.iter().any(|active| active.labels == alert.labels) {
            Ok(format!("{name} fires, and Alertmanager confirms it"))
        } else {
            Err(format!(
                "{name} fires according to the payload, but is not (or no longer) active in Alertmanager"
            ))
        }
    }

    /// Finds the deployment that the alert is about: the given one, otherwise the one in the label of the alert,
    /// otherwise the last one in the journal. Its version is in the journal too.
    fn identify_deployment(
        &self,
        alert: &Alert,
        identity: &mut Identity,
        entries: &[Entry],
    ) -> Result<(), String> {
        if !self.is_deployment_given {
            let labelled = alert.labels.get("deployment").map(|text| text.parse::<Label>());
            let labelled = labelled.transpose().map_err(|error| format!("the label deployment {error}"))?;
            let last = || facts::last_deployment(entries, identity).map(|last| last.deployment.clone());
            identity.deployment = labelled.or_else(last).ok_or(
                "the deployment is not known: give --deployment-id, or add the label deployment to the alert",
            )?;
        }
        if !self.is_version_given {
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
        .map_err(|error| format!("cannot read stdin: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("the payload is longer than {MAX_BYTES} bytes"));
    }
    let payload: Payload = serde_json::from_slice(&bytes)
        .map_err(|error| format!("stdin is not a payload of Alertmanager: {error}"))?;
    if payload.version != VERSION {
        return Err(format!("the version of the payload is not {VERSION}"));
    }
    Ok(payload.alerts)
}

/// The first alert that is a reason to roll back, or why there is none.
fn choose<'a>(alerts: &'a [Alert], identity: &Identity) -> Result<&'a Alert, String> {
    let has =
        |alert: &Alert, label: &str, value: &str| alert.labels.get(label).is_some_and(|text| text == value);
    let (service, environment) = (identity.service.as_str(), identity.environment.as_str());
    let ours: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| has(alert, "service", service) && has(alert, "environment", environment))
        .collect();
    if ours.is_empty() {
        return Err(format!("the payload contains no alert of {service} in {environment}"));
    }
    // Acting on "resolved" would roll back the good version.
    let firing: Vec<&&Alert> = ours.iter().filter(|alert| alert.status == "firing").collect();
    if firing.is_empty() {
        return Err(format!(
            "no alert of {service} in {environment} fires: a resolved alert is no reason to roll back"
        ));
    }
    let (label, value) = OPT_IN;
    let chosen = firing.into_iter().find(|alert| has(alert, label, value));
    chosen.copied().ok_or_else(|| format!("the firing alert does not have the label {label}=\"{value}\""))
}

/// The name of an alert for messages: the text is from outside, so it is shortened to one line.
fn display_name(text: &str) -> String {
    Label::sanitize(text).map_or_else(|| "an alert without a name".to_owned(), |label| label.to_string())
}

fn verdict(decision: Decision, why: String, now: DateTime<Utc>) -> Verdict {
    Verdict {
        ts: now,
        verdict: decision,
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
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::safeguards::facts::tests::ours;

    fn payload(status: &str, labels: &serde_json::Value) -> String {
        json!({"version": "4", "status": status, "alerts": [{"status": status, "labels": labels}]})
            .to_string()
    }

    fn chosen(text: &str) -> Result<(), String> {
        choose(&read(text.as_bytes())?, &ours()).map(drop)
    }

    #[test]
    fn only_a_firing_alert_of_this_service_that_opted_in_is_a_reason() {
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
    fn anything_but_a_payload_is_an_error() {
        assert!(chosen("").unwrap_err().contains("not a payload of Alertmanager"));
        assert!(
            chosen("{\"version\":\"3\",\"alerts\":[]}")
                .unwrap_err()
                .contains("the version of the payload is not 4")
        );
        assert!(chosen(&" ".repeat(2_000_000)).unwrap_err().contains("longer than"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(bytes.as_slice()).is_err());
        }
    }
}
