//! Which alerts fire in Alertmanager (API v2).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use common::identity::Identity;
use common::label::Label;
use url::Url;

use crate::evidence::Alert;
use crate::notify::alertmanager::{Active, Alertmanager};

/// The alerts to check.
#[derive(Debug)]
pub(crate) struct Alerts {
    alertmanager: Alertmanager,
    names: Vec<Label>,
    service: Label,
    environment: Label,
    since: DateTime<Utc>,
}

impl Alerts {
    /// The alerts with these names, for this service and environment, in the Alertmanager at `url`.
    pub(crate) fn new(url: Url, names: Vec<Label>, identity: &Identity, since: DateTime<Utc>) -> Self {
        let (service, environment) = (identity.service.clone(), identity.environment.clone());
        Self { alertmanager: Alertmanager { url }, names, service, environment, since }
    }

    /// Checks once which of the alerts fire.
    pub(crate) async fn check(&self) -> Alert {
        match self.alertmanager.active(&BTreeMap::new()).await {
            Ok(firing) => self.judge(&firing),
            Err(error) => Alert::Unknown(format!("cannot query Alertmanager: {error:#}")),
        }
    }

    fn judge(&self, firing: &[Active]) -> Alert {
        let has = |fires: &Active, label: &str, value: &Label| {
            fires.labels.get(label).is_none_or(|actual| actual == value.as_str())
        };
        let ours = firing.iter().filter(|fires| {
            let name = fires.labels.get("alertname").map_or("", String::as_str);
            self.names.iter().any(|requested| requested.as_str() == name)
                && has(fires, "service", &self.service)
                && has(fires, "environment", &self.environment)
        });
        let (new, old): (Vec<_>, Vec<_>) = ours.partition(|fires| fires.starts_at > self.since);
        let name = |fires: &&Active| fires.labels.get("alertname").cloned().unwrap_or_default();
        match (new.first(), old.first()) {
            (Some(fires), _) => Alert::Firing(name(fires)),
            (None, Some(fires)) => Alert::FiredBefore(name(fires)),
            (None, None) => Alert::Quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn only_new_alerts_of_this_service_and_environment_fire() {
        let since = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let label = |text: &str| text.parse::<Label>().unwrap();
        let alerts = Alerts {
            alertmanager: Alertmanager { url: Url::parse("http://h").unwrap() },
            names: vec![label("ApiDown")],
            service: label("api"),
            environment: label("production"),
            since,
        };
        let fires = |seconds: i64, labels: &[(&str, &str)]| Active {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            starts_at: since + TimeDelta::seconds(seconds),
        };
        let down = ("alertname", "ApiDown");
        let firing = Alert::Firing("ApiDown".to_owned());
        for (fires, expected) in [
            (fires(1, &[down]), firing.clone()),
            (fires(1, &[down, ("service", "api"), ("environment", "production")]), firing),
            (fires(-1, &[down]), Alert::FiredBefore("ApiDown".to_owned())),
            (fires(1, &[down, ("service", "web")]), Alert::Quiet),
            (fires(1, &[down, ("environment", "staging")]), Alert::Quiet),
            (fires(1, &[("alertname", "WebDown")]), Alert::Quiet),
        ] {
            assert_eq!(alerts.judge(std::slice::from_ref(&fires)), expected, "{fires:?}");
        }
    }
}
