//! Alertmanager's API v2, as far as it is needed: to tell of an alert, and to ask whether one is active.
//!
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use common::http;
use common::label::redact_url;
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use url::Url;

/// A question that takes longer has failed.
const BUDGET: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// So much of its own explanation is shown.
const MAX_EXPLANATION_BYTES: usize = 400;

/// An Alertmanager.
#[derive(Debug, Clone)]
pub struct Alertmanager {
    /// Its URL, a path in front of `/api` included.
    pub url: Url,
}

/// An alert, as it is posted. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// What names it.
    pub labels: BTreeMap<&'static str, String>,
    /// What it says.
    pub annotations: BTreeMap<&'static str, String>,
    /// When it began.
    pub starts_at: DateTime<Utc>,
    /// When it ends, unless it is posted again.
    pub ends_at: DateTime<Utc>,
    /// Where it comes from: the page of the CI run.
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    pub generator_url: Option<String>,
}

/// An alert, as it is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Active {
    /// What names it.
    pub labels: BTreeMap<String, String>,
    /// When it began.
    pub starts_at: DateTime<Utc>,
}

impl Alertmanager {
    /// Tells of an alert.
    pub async fn post(&self, alert: &Alert) -> Result<()> {
        let body = serde_json::to_vec(&[alert])?;
        self.ask(|client, url| client.post(url).header("Content-Type", "application/json").body(body))
            .await
            .map(drop)
    }

    /// The alerts that are active now, and neither silenced nor inhibited, with all of these labels.
    pub async fn active(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Active>> {
        let only =
            [("active", "true"), ("silenced", "false"), ("inhibited", "false"), ("unprocessed", "false")];
        // A matcher's value is quoted as in Go and in JSON.
        let matcher =
            |(name, value): (&String, &String)| format!("{name}={}", serde_json::Value::from(value.as_str()));
        let matchers: Vec<_> = labels.iter().map(|label| ("filter", matcher(label))).collect();
        let answer = self.ask(|client, url| client.get(url).query(&only).query(&matchers)).await?;
        serde_json::from_slice(&answer).context("this is no answer of Alertmanager's API v2")
    }

    async fn ask(&self, request: impl FnOnce(&Client, Url) -> RequestBuilder) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        let path = format!("{}/api/v2/alerts", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let client = http::builder(url.scheme() == "https").build().map_err(explained)?;
        let response = request(&client, url).timeout(BUDGET).send().await.map_err(explained)?;
        let status = response.status();
        if !status.is_success() {
            let explanation = http::read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
            bail!("it answered {status}: {explanation}");
        }
        http::read_body(response, MAX_ANSWER_BYTES).await
    }

    /// Its URL, without secrets.
    pub fn shown(&self) -> String {
        redact_url(&self.url)
    }
}

fn explained(error: reqwest::Error) -> anyhow::Error {
    anyhow!(http::describe_error(error))
}
