//! A payload of Alertmanager's webhook. Somebody else wrote it.

use std::collections::BTreeMap;
use std::io::Read;

use common::identity::Identity;
use common::label::Label;
use serde::Deserialize;

use crate::source::alert_labels::{AlertLabels, Subject};

/// The longest payload. To stay below it, set `max_alerts` in the receiver of Alertmanager.
const MAX_BYTES: u64 = 1024 * 1024;

/// How many alerts of a payload are considered.
const MAX_ALERTS: usize = 50;

/// The version of the payload format, since Alertmanager 0.5.
const VERSION: &str = "4";

/// The label that an alert needs to be a reason to roll back.
pub(super) const OPT_IN: (&str, &str) = ("auto_action", "rollback");

#[derive(Deserialize)]
struct Payload {
    version: String,
    alerts: Vec<Alert>,
}

/// An alert of a payload.
#[derive(Deserialize)]
pub(super) struct Alert {
    status: String,
    /// The labels, which identify the alert.
    pub(super) labels: BTreeMap<String, String>,
}

impl Alert {
    fn has(&self, label: &str, value: &str) -> bool {
        self.labels.get(label).is_some_and(|text| text == value)
    }

    /// The name for messages: the text is from outside, so it is shortened to one line.
    pub(super) fn name(&self) -> String {
        let name = self.labels.get("alertname").and_then(|name| Label::sanitize(name));
        name.map_or_else(|| "an alert without a name".to_owned(), |name| name.to_string())
    }
}

/// Reads the alerts of a payload.
pub(super) fn read(input: impl Read) -> Result<Vec<Alert>, String> {
    let mut bytes = Vec::new();
    input
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read stdin: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("the payload is longer than {MAX_BYTES} bytes"));
    }
    let payload: Payload = serde_json::from_slice(&bytes)
        .map_err(|error| format!("stdin is not a payload of Alertmanager: {}", shortened(&error)))?;
    if payload.version != VERSION {
        return Err(format!("the version of the payload is not {VERSION}"));
    }
    Ok(payload.alerts)
}

/// An error in one short line: it quotes what somebody else wrote.
fn shortened(error: &serde_json::Error) -> String {
    Label::sanitize(&error.to_string()).map(String::from).unwrap_or_default()
}

/// The alerts that are a reason to roll back, and how many more there are than are considered; or why there is none.
pub(super) fn choose<'a>(
    alerts: &'a [Alert],
    labels: &AlertLabels,
    identity: &Identity,
) -> Result<(Vec<&'a Alert>, usize), String> {
    let (service, environment) = (&identity.service, &identity.environment);
    let (mut ours, mut unknown) = (Vec::new(), None);
    for alert in alerts {
        match labels.judge(&alert.labels) {
            Subject::Ours => ours.push(alert),
            Subject::Unknown(why) => {
                unknown.get_or_insert(format!("{} fires, but {why}", alert.name()));
            }
            Subject::Other(_) => {}
        }
    }
    if ours.is_empty() {
        let none = || format!("the payload contains no alert of {service} in {environment}");
        return Err(unknown.unwrap_or_else(none));
    }
    // Acting on "resolved" would roll back the good version.
    ours.retain(|alert| alert.status == "firing");
    if ours.is_empty() {
        return Err(format!(
            "no alert of {service} in {environment} fires: a resolved alert is no reason to roll back"
        ));
    }
    let (label, value) = OPT_IN;
    ours.retain(|alert| alert.has(label, value));
    if ours.is_empty() {
        return Err(format!("the firing alert does not have the label {label}=\"{value}\""));
    }
    let ignored = ours.len().saturating_sub(MAX_ALERTS);
    ours.truncate(MAX_ALERTS);
    Ok((ours, ignored))
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
        choose(&read(text.as_bytes())?, &AlertLabels::new(&[], &ours()), &ours()).map(drop)
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
    fn alerts_of_others_leave_room_for_ours() {
        let labels = |service: &str, number: usize| {
            json!({"alertname": "X", "service": service, "environment": "production", "auto_action": "rollback",
                "pod": number.to_string()})
        };
        let mixed: Vec<_> =
            (0..250).map(|number| labels(if number < 150 { "web" } else { "api" }, number)).collect();
        for (alerts, count) in [(&mixed[..], (50, 50)), (&mixed[..200], (50, 0)), (&mixed[..151], (1, 0))] {
            let alerts: Vec<_> =
                alerts.iter().map(|labels| json!({"status": "firing", "labels": labels})).collect();
            let text = json!({"version": "4", "alerts": alerts}).to_string();
            let alerts = read(text.as_bytes()).unwrap();
            let (chosen, ignored) = choose(&alerts, &AlertLabels::new(&[], &ours()), &ours()).unwrap();
            assert_eq!((chosen.len(), ignored), count);
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
