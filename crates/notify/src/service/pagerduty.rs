//! PagerDuty: incidents by the Events API v2, one for each service and environment at a time.
//!
//! <https://developer.pagerduty.com/docs/events-api-v2-overview>,
//! <https://developer.pagerduty.com/docs/send-alert-event>

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use crate::digest::digest;
use crate::notification::{Event, Notification};
use crate::record::Record;
use crate::request::{Request, Step, below};

/// The most characters of a summary.
const MAX_SUMMARY_CHARS: usize = 1024;

/// The most characters of a deduplication key.
const MAX_KEY_CHARS: usize = 255;

/// An integration of a PagerDuty service.
#[derive(Clone)]
pub(crate) struct Integration {
    /// The URL in front of `/v2/enqueue`.
    pub(super) api: Url,
    /// The integration key.
    pub(super) routing_key: SecretString,
}

impl Integration {
    /// The next event, after `done`. A failure opens an incident, and what restores the service resolves it. `is_wanted`
    /// says whether this kind of failure opens one; what is open is always resolved.
    pub(super) fn request(
        &self,
        notification: &Notification,
        (record, is_wanted): (&Record, bool),
        done: Option<Step>,
    ) -> Option<Request> {
        let opens = is_wanted && is_news(notification, record);
        match (notification.event, done) {
            (Event::Failed | Event::RolledBack, None) if opens => Some(self.trigger(notification)),
            (Event::RolledBack, None | Some(Step::Trigger)) | (Event::Succeeded | Event::Restored, None) => {
                Some(self.resolve(notification))
            }
            _ => None,
        }
    }

    fn trigger(&self, notification: &Notification) -> Request {
        let mut event = json!({
            "routing_key": self.routing_key.expose_secret(),
            "event_action": "trigger",
            "dedup_key": dedup_key(notification),
            "client": "dm",
            "payload": {
                "summary": short(&format!("{}: {}", notification.title(), notification.text)),
                "source": notification.service,
                "severity": if notification.is_in_doubt { "critical" } else { "warning" },
                "timestamp": notification.at,
                "component": notification.service,
                "group": notification.environment,
                "class": "deployment",
                "custom_details": {
                    "deployment": notification.deployment,
                    "version": notification.version,
                    "commit": notification.commit,
                    "branch": notification.branch,
                    "actor": notification.actor,
                },
            },
        });
        if let Some(url) = &notification.run_url {
            event["client_url"] = url.as_str().into();
            event["links"] = json!([{ "href": url, "text": "Run" }]);
        }
        self.event(Step::Trigger, &event)
    }

    fn resolve(&self, notification: &Notification) -> Request {
        let event = json!({
            "routing_key": self.routing_key.expose_secret(),
            "event_action": "resolve",
            "dedup_key": dedup_key(notification),
        });
        self.event(Step::Resolve, &event)
    }

    fn event(&self, step: Step, event: &serde_json::Value) -> Request {
        // The key makes a repetition harmless.
        Request::post(step, below(&self.api, &["v2", "enqueue"]), event).repeatable()
    }
}

/// Remembers the incident that was opened.
pub(super) fn accept(step: Step, notification: &Notification, record: &mut Record) {
    if step == Step::Trigger {
        record.incident = Some(cause(notification));
    }
}

/// Whether the failure may open an incident. One that was reported before opens none; nor does another attempt at a version
/// whose incident is known, unless it leaves the service in doubt.
fn is_news(notification: &Notification, record: &Record) -> bool {
    let is_known = record.incident.as_deref() == Some(&cause(notification));
    record.event != Some(notification.event) && (notification.is_in_doubt || !is_known)
}

/// What an incident is about: the version, because the job of a deployment that is run again has another id.
fn cause(notification: &Notification) -> String {
    notification.version.as_ref().unwrap_or(&notification.deployment).clone()
}

/// The same for all deployments of a service to an environment, so that there is one incident at a time.
fn dedup_key(notification: &Notification) -> String {
    let key = format!("dm/{}/{}", notification.environment, notification.service);
    if key.chars().count() <= MAX_KEY_CHARS {
        return key;
    }
    format!("dm/{}", digest(&key))
}

fn short(text: &str) -> String {
    text.chars().take(MAX_SUMMARY_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notification::tests::notification;

    /// The actions that follow from these reports, one after the other.
    fn actions(reports: &[Notification]) -> Vec<String> {
        let integration = Integration {
            api: Url::parse("https://events.pagerduty.com").unwrap(),
            routing_key: "key".into(),
        };
        let mut record = Record::default();
        let mut actions = Vec::new();
        for report in reports {
            record = record.about(report);
            let mut done = None;
            while let Some(request) = integration.request(report, (&record, true), done) {
                assert_eq!(request.url.as_str(), "https://events.pagerduty.com/v2/enqueue");
                let event: serde_json::Value = serde_json::from_str(&request.body).unwrap();
                assert_eq!(event["dedup_key"], "dm/production/shop");
                let severity = event["payload"]["severity"].as_str().unwrap_or_default();
                actions.push(format!("{} {severity}", event["event_action"].as_str().unwrap()));
                accept(request.step, report, &mut record);
                done = Some(request.step);
            }
            record.event = Some(report.event);
        }
        actions.iter().map(|action| action.trim().to_owned()).collect()
    }

    fn of(deployment: &str, event: Event) -> Notification {
        Notification { deployment: deployment.to_owned(), ..notification(event, "x") }
    }

    #[test]
    fn one_failed_deployment_opens_one_incident_until_the_service_is_restored() {
        use Event::{Failed, Restored, RolledBack, Started};
        let failed = of("7-1", Failed);
        assert_eq!(actions(&[of("7-1", Started), failed.clone()]), ["trigger critical"]);
        assert_eq!(actions(&[failed.clone(), failed.clone()]), ["trigger critical"], "reported twice");
        assert_eq!(
            actions(&[of("7-1", RolledBack), of("7-1", RolledBack)]),
            ["trigger warning", "resolve", "resolve"],
            "both tools report a rollback"
        );
        let retried = [of("7-1", RolledBack), of("7-2", Started), failed.clone().without_doubt()];
        assert_eq!(actions(&retried), ["trigger warning", "resolve"], "the version is refused afterwards");
        let worse = [of("7-1", RolledBack), of("7-2", Failed)];
        assert_eq!(actions(&worse), ["trigger warning", "resolve", "trigger critical"]);
        assert_eq!(actions(&[failed, of("8-1", Restored)]), ["trigger critical", "resolve"]);
    }

    #[test]
    fn the_key_of_a_long_name_is_short_and_the_same() {
        let long = Notification { service: "s".repeat(300), ..notification(Event::Failed, "x") };
        assert!(dedup_key(&long).len() < MAX_KEY_CHARS);
        assert_eq!(dedup_key(&long), dedup_key(&long));
    }
}
