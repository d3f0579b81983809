//! Alertmanager's API v2, as far as it is needed: to tell of an alert, and to ask whether one is active.
//!
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use common::http;
use common::label::without_secrets;
use reqwest::{RequestBuilder, Response};
use serde::{Deserialize, Serialize};
use url::Url;

/// What one request may take.
const BUDGET: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

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
pub struct Active {
    /// What names it.
    pub labels: BTreeMap<String, String>,
}

impl Alertmanager {
    /// Tells of an alert.
    pub fn post(&self, alert: &Alert) -> Result<()> {
        let body = serde_json::to_vec(&[alert])?;
        self.ask(|client, url| client.post(url).header("Content-Type", "application/json").body(body))
            .map(drop)
    }

    /// The alerts that are active now, and neither silenced nor inhibited, with all of these labels.
    pub fn active(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Active>> {
        let answer = self.ask(|client, mut url| {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("active", "true")
                .append_pair("silenced", "false")
                .append_pair("inhibited", "false");
            for (name, value) in labels {
                // A matcher's value is quoted as in Go and in JSON.
                query.append_pair("filter", &format!("{name}={}", serde_json::Value::from(value.as_str())));
            }
            drop(query);
            client.get(url)
        })?;
        serde_json::from_slice(&answer)
            .map_err(|error| anyhow!("the answer of {} is not a list of alerts: {error}", self.shown()))
    }

    fn ask(&self, request: impl FnOnce(&reqwest::Client, Url) -> RequestBuilder) -> Result<Vec<u8>> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v2", "alerts"]);
        }
        let asked = async {
            let client = http::builder(url.scheme() == "https").build()?;
            let response = request(&client, url).timeout(BUDGET).send().await?;
            Ok((response.status(), response))
        };
        let whole = async {
            let (status, response): (_, Response) =
                asked.await.map_err(|error| anyhow!(http::explain(error)))?;
            if !status.is_success() {
                let explanation = http::body_start(response, MAX_EXPLANATION_BYTES).await;
                bail!("it answered {status}: {explanation}");
            }
            http::body(response, MAX_ANSWER_BYTES).await
        };
        dm_health::runtime::block_on(whole)
            .and_then(|answer| answer)
            .with_context(|| format!("Alertmanager at {}", self.shown()))
    }

    fn shown(&self) -> String {
        without_secrets(&self.url)
    }
}
