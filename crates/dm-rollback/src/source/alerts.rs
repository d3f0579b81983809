//! What fires in Alertmanager (API v2).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::http;
use common::identity::Identity;
use common::label::Label;
use reqwest::Client;
use serde::Deserialize;
use url::Url;

use crate::evidence::Alert;

/// A question that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An answer is not longer than this.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Alerts that are asked about.
#[derive(Debug)]
pub struct Alerts {
    url: Url,
    names: Vec<Label>,
    service: Label,
    environment: Label,
    since: DateTime<Utc>,
    client: Client,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fires {
    labels: BTreeMap<String, String>,
    starts_at: DateTime<Utc>,
}

impl Alerts {
    /// These alerts, of this service in this environment, in an Alertmanager.
    pub fn new(url: Url, names: Vec<Label>, identity: &Identity, since: DateTime<Utc>) -> Result<Self> {
        let builder = http::builder(url.scheme() == "https").timeout(TIMEOUT);
        let client = builder.build().context("cannot set up an HTTP client for Alertmanager")?;
        let (service, environment) = (identity.service.clone(), identity.environment.clone());
        Ok(Self { url, names, service, environment, since, client })
    }

    /// Looks once.
    pub async fn look(&self) -> Alert {
        match self.firing().await {
            Ok(firing) => self.judge(&firing),
            Err(error) => Alert::Unknown(format!("Alertmanager cannot be asked: {error:#}")),
        }
    }

    /// What is active, and neither silenced nor inhibited.
    async fn firing(&self) -> Result<Vec<Fires>> {
        let mut url = self.url.clone();
        let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let only =
            [("active", "true"), ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "false")];
        let response = self.client.get(url).query(&only).send().await;
        let response = response.map_err(http::explain).map_err(anyhow::Error::msg)?;
        let status = response.status();
        if !status.is_success() {
            bail!("HTTP status {status}");
        }
        let body = http::body(response, MAX_BYTES).await?;
        serde_json::from_slice(&body).context("this is no answer of Alertmanager's API v2")
    }

    fn judge(&self, firing: &[Fires]) -> Alert {
        let has = |fires: &Fires, label: &str, value: &Label| {
            fires.labels.get(label).is_none_or(|of_alert| of_alert == value.as_str())
        };
        let ours = firing.iter().filter(|fires| {
            let name = fires.labels.get("alertname").map_or("", String::as_str);
            self.names.iter().any(|asked| asked.as_str() == name)
                && has(fires, "service", &self.service)
                && has(fires, "environment", &self.environment)
        });
        let (new, old): (Vec<_>, Vec<_>) = ours.partition(|fires| fires.starts_at > self.since);
        let name = |fires: &&Fires| fires.labels.get("alertname").cloned().unwrap_or_default();
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
            url: Url::parse("http://h").unwrap(),
            names: vec![label("ApiDown")],
            service: label("api"),
            environment: label("production"),
            since,
            client: Client::new(),
        };
        let fires = |seconds: i64, labels: &[(&str, &str)]| Fires {
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
