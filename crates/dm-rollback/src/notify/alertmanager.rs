//! A client for Alertmanager's API v2: posts an alert, and lists the active alerts.
//!
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use chrono::{DateTime, Utc};
use common::http;
use common::label::redact_url;
use reqwest::{Client, RequestBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

/// The time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The longest response body that is read.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// The longest part of the body of an error that a message quotes.
const MAX_ERROR_BYTES: usize = 400;

/// A client for one Alertmanager.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    /// The URL of Alertmanager, including a path in front of `/api`.
    pub url: Url,
}

/// An alert to post. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The labels, which identify the alert.
    pub labels: BTreeMap<&'static str, String>,
    /// The annotations, such as `summary`.
    pub annotations: BTreeMap<&'static str, String>,
    /// The time the alert began.
    pub starts_at: DateTime<Utc>,
    /// The time the alert ends, unless it is posted again.
    pub ends_at: DateTime<Utc>,
    /// The URL of the CI run.
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    pub generator_url: Option<String>,
}

/// An active alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// The labels, which identify the alert.
    pub labels: BTreeMap<String, String>,
    /// The time the alert began.
    pub starts_at: DateTime<Utc>,
}

/// The state of an Alertmanager.
#[derive(Debug, Clone, Deserialize)]
struct Status {
    /// Despite its name, the time of its start.
    uptime: DateTime<Utc>,
}

/// Whether alerts count that fire, but of which nobody is notified: silenced or inhibited ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Muted {
    /// Only alerts of which somebody is notified.
    Excluded,
    /// All alerts that fire.
    Included,
}

impl Active {
    /// The label `alertname`; empty if there is none.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }
}

impl Alertmanager {
    /// Posts an alert.
    pub async fn post(&self, alert: &Alert) -> Result<()> {
        let body = serde_json::to_vec(&[alert])?;
        self.send("alerts", |client, url| {
            client.post(url).header("Content-Type", "application/json").body(body)
        })
        .await
        .map(drop)
    }

    /// The alerts that fire now and to which all of these matchers apply.
    pub async fn active(&self, matchers: &[String], muted: Muted) -> Result<Vec<Active>> {
        let muted = if muted == Muted::Included { "true" } else { "false" };
        let only = [("active", "true"), ("silenced", muted), ("inhibited", muted), ("unprocessed", muted)];
        let matchers: Vec<_> = matchers.iter().map(|matcher| ("filter", matcher)).collect();
        let body = self.send("alerts", |client, url| client.get(url).query(&only).query(&matchers)).await?;
        parse(&body)
    }

    /// When this Alertmanager was started, by its own clock.
    pub async fn started_at(&self) -> Result<DateTime<Utc>> {
        let body = self.send("status", Client::get).await?;
        parse::<Status>(&body).map(|status| status.uptime)
    }

    async fn send(
        &self,
        resource: &str,
        request: impl FnOnce(&Client, Url) -> RequestBuilder,
    ) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        let path = format!("{}/api/v2/{resource}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let client = http::builder(url.scheme() == "https").build().map_err(describe)?;
        let response = request(&client, url).timeout(TIMEOUT).send().await.map_err(describe)?;
        let status = response.status();
        if !status.is_success() {
            let body = http::read_body_prefix(response, MAX_ERROR_BYTES).await;
            bail!("it answered {status}: {body}");
        }
        http::read_body(response, MAX_BODY_BYTES).await
    }

    /// The URL without secrets, for messages.
    pub fn display_url(&self) -> String {
        redact_url(&self.url)
    }
}

/// A matcher, for Alertmanager and Prometheus, for labels with this value.
pub(crate) fn equal(label: &str, value: &str) -> String {
    format!("{label}={}", quote(value))
}

/// A matcher, for Alertmanager and Prometheus, for labels with one of these values.
pub(crate) fn one_of<'a>(label: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(regex_lite::escape).collect();
    format!("{label}=~{}", quote(&values.join("|")))
}

/// A string in quotes, which Alertmanager and Prometheus write as Go does. For text without control characters, JSON is
/// the same.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| anyhow!("the response is not from Alertmanager's API v2"))
}

fn describe(error: reqwest::Error) -> anyhow::Error {
    anyhow!(http::describe_error(error))
}
