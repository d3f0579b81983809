//! Which alerts fire in Alertmanager (API v2). What they say is text from strangers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::label::Label;
use url::Url;

use super::alert_labels::{AlertLabels, Subject};
use super::alert_start::{AlertStarts, Start};
use crate::evidence::Alert;
use crate::notify::alertmanager::{Active, Alertmanager, Muted, one_of};

/// The alerts to check.
#[derive(Debug)]
pub(crate) struct Alerts {
    alertmanager: Alertmanager,
    names: Vec<Label>,
    labels: AlertLabels,
    starts: AlertStarts,
    since: DateTime<Utc>,
}

/// The alerts that fire and have a requested name, by what they are about.
#[derive(Debug, Default)]
struct Firing<'a> {
    ours: Vec<&'a Active>,
    /// One that does not say what it is about, and the advice.
    unknown: Option<String>,
    /// One of another service.
    other: Option<String>,
}

impl Alerts {
    /// The alerts with these names and labels in the Alertmanager at `url`, for a deployment that began at `since`.
    pub(crate) fn new(
        url: Url,
        names: Vec<Label>,
        labels: AlertLabels,
        starts: AlertStarts,
        since: DateTime<Utc>,
    ) -> Self {
        Self { alertmanager: Alertmanager { url }, names, labels, starts, since }
    }

    /// The Alertmanager that is asked.
    pub(crate) fn alertmanager(&self) -> &Alertmanager {
        &self.alertmanager
    }

    /// Checks once which of the alerts fire.
    pub(crate) async fn check(&self, muted: Muted, clock: &dyn Clock) -> Alert {
        let matcher = one_of("alertname", self.names.iter().map(Label::as_str));
        let active = match self.alertmanager.active(&[matcher], muted).await {
            Ok(active) => active,
            Err(error) => return Alert::Unknown(format!("cannot query Alertmanager: {error:#}")),
        };
        let firing = self.sort(&active);
        // The start of an alert that fired before the deployment is no question.
        let (new, old): (Vec<&Active>, Vec<&Active>) =
            firing.ours.iter().partition(|alert| alert.starts_at > self.since);
        let starts = self.starts.of(&new, clock).await;
        let starts: Vec<_> = new.iter().map(|alert| alert.name()).zip(starts).collect();
        let state = judge(&starts, old.first().map(|alert| alert.name()), &firing, &self.labels, self.since);
        match state {
            Alert::Quiet | Alert::Elsewhere(_) => self.pending().await.unwrap_or(state),
            state => state,
        }
    }

    /// The state if an alert is about to fire: a watch that ends before it does proves nothing.
    async fn pending(&self) -> Option<Alert> {
        let pending = self.starts.pending(self.names.iter().map(Label::as_str)).await;
        // Labels that Prometheus adds to an alert when it sends it are missing here.
        let is_other = |labels: &BTreeMap<_, _>| matches!(self.labels.judge(labels), Subject::Other(_));
        let ours = pending.iter().find(|labels| !is_other(labels))?;
        let name = ours.get("alertname").and_then(|name| Label::sanitize(name))?;
        Some(Alert::Unknown(format!(
            "the alert {name} does not fire yet, but its condition holds (pending): watch for longer than the `for` of \
             its rule"
        )))
    }

    fn sort<'a>(&self, active: &'a [Active]) -> Firing<'a> {
        let mut firing = Firing::default();
        for alert in active {
            // Alertmanager chose them by their names; an answer is not trusted to be one to the question.
            let Some(name) = self.names.iter().find(|name| name.as_str() == alert.name()) else { continue };
            match self.labels.judge(&alert.labels) {
                Subject::Ours => firing.ours.push(alert),
                Subject::Unknown(why) => {
                    firing.unknown.get_or_insert(format!("{name} fires, but {why}"));
                }
                Subject::Other(label) => {
                    firing.other.get_or_insert(format!("{name} fires with {label}"));
                }
            }
        }
        firing
    }
}

/// The state of the alerts. `starts` are the alerts that began to fire after the deployment, and `old` is one that fired
/// before it.
fn judge(
    starts: &[(&str, Result<Start, String>)],
    old: Option<&str>,
    firing: &Firing<'_>,
    labels: &AlertLabels,
    since: DateTime<Utc>,
) -> Alert {
    let mut unknown = None;
    let mut before =
        old.map(|name| format!("the alert {name} fires, but it already fired before the deployment"));
    for (name, start) in starts {
        match start {
            Ok(Start { time, clause }) if *time > since => {
                return Alert::Firing(format!("the alert {name} fires: {clause}"));
            }
            Ok(Start { clause, .. }) => {
                let why = || format!("the alert {name} fires, but {clause}: before the deployment");
                before.get_or_insert_with(why);
            }
            Err(why) => {
                unknown.get_or_insert(format!("the alert {name} fires, but {why}"));
            }
        }
    }
    match (unknown, before, &firing.unknown, &firing.other) {
        (Some(why), ..) => Alert::Unknown(why),
        (None, Some(why), ..) => Alert::FiredBefore(why),
        (None, None, Some(why), _) => Alert::Unknown(why.clone()),
        (None, None, None, Some(other)) => {
            Alert::Elsewhere(format!("none of the requested alerts fires for {labels}: {other}"))
        }
        (None, None, None, None) => Alert::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use common::clock::SystemClock;

    use super::*;
    use crate::safeguards::facts::tests::ours;

    fn since() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).unwrap()
    }

    fn fires(labels: &[(&str, &str)]) -> Active {
        let labels: BTreeMap<_, _> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Active { labels, starts_at: since() + TimeDelta::seconds(1) }
    }

    /// The state, if the conditions of our alerts began this long after the deployment.
    fn state(active: &[Active], starts: &[Result<i64, &str>]) -> Alert {
        let labels = AlertLabels::new(&[], &ours());
        let url = Url::parse("http://h").unwrap();
        let names = vec!["ApiDown".parse().unwrap()];
        let alerts = Alerts::new(url, names, labels.clone(), AlertStarts::new(None, None), since());
        let firing = alerts.sort(active);
        assert_eq!(firing.ours.len(), starts.len());
        let start = |start: &Result<i64, &str>| match start {
            Ok(seconds) => {
                Ok(Start { time: since() + TimeDelta::seconds(*seconds), clause: "since then".to_owned() })
            }
            Err(why) => Err((*why).to_owned()),
        };
        let starts: Vec<_> = starts.iter().map(|found| ("ApiDown", start(found))).collect();
        judge(&starts, None, &firing, &labels, since())
    }

    #[test]
    fn only_a_condition_that_began_after_the_deployment_is_a_reason() {
        let ours = || fires(&[("alertname", "ApiDown"), ("service", "api"), ("environment", "production")]);
        let firing = Alert::Firing("the alert ApiDown fires: since then".to_owned());
        assert_eq!(state(&[ours()], &[Ok(1)]), firing);
        for second in [0, -1] {
            let why = "the alert ApiDown fires, but since then: before the deployment".to_owned();
            assert_eq!(state(&[ours()], &[Ok(second)]), Alert::FiredBefore(why));
        }
        assert_eq!(state(&[ours(), ours()], &[Ok(-1), Ok(1)]), firing);
        assert!(matches!(state(&[ours(), ours()], &[Ok(-1), Err("?")]), Alert::Unknown(_)));
    }

    #[test]
    fn an_alert_without_a_service_is_no_reason_and_no_silence() {
        let unknown = state(&[fires(&[("alertname", "ApiDown"), ("job", "web")])], &[]);
        let Alert::Unknown(why) = unknown else { panic!("{unknown:?}") };
        assert!(why.starts_with("ApiDown fires, but its labels do not name the service api"), "{why}");
        let other = state(&[fires(&[("alertname", "ApiDown"), ("service", "web")])], &[]);
        let why = "none of the requested alerts fires for service=api and environment=production: ApiDown fires with \
                   service=web";
        assert_eq!(other, Alert::Elsewhere(why.to_owned()));
        assert_eq!(state(&[fires(&[("alertname", "WebDown"), ("service", "api")])], &[]), Alert::Quiet);
    }

    #[test]
    fn an_alert_of_the_future_is_no_reason() {
        let mut alert = fires(&[("alertname", "ApiDown")]);
        alert.starts_at = SystemClock.now() + TimeDelta::hours(1);
        let starts = AlertStarts::new(None, None);
        let found = common::runtime::block_on(starts.of(&[&alert], &SystemClock)).unwrap();
        assert!(found[0].as_ref().unwrap_err().contains("in the future"), "{found:?}");
    }
}
