//! Queries to a Prometheus server.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, Stopwatch};
use common::http;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::selector::{Matcher, Selector};
use super::series::Series;

/// The timeout of a query.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a response, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// How far back it is asked whether a series ever existed.
const EVER: TimeDelta = TimeDelta::days(30);

/// The maximum number of instances that a query names: a URL has a limited length.
const MAX_INSTANCES: usize = 100;

/// A Prometheus server.
#[derive(Debug)]
pub(crate) struct Client {
    url: Url,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Response<T> {
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data<T> {
    result: T,
}

impl Client {
    /// A server at this URL.
    pub(crate) fn new(url: Url, token: Option<&SecretString>) -> Result<Self> {
        let authorization = token
            .map(|token| common::secrets::header_value(&format!("Bearer {}", token.expose_secret())))
            .transpose()
            .context("the token for Prometheus")?;
        let builder = http::builder(url.scheme() == "https").timeout(TIMEOUT);
        let http = builder.build().context("cannot set up an HTTP client for Prometheus")?;
        Ok(Self { url, authorization, http })
    }

    /// The server's time, and this machine's time at the same moment: in the middle of the request.
    pub(super) async fn time(&self, clock: &dyn Clock) -> Result<(DateTime<Utc>, DateTime<Utc>)> {
        let stopwatch = Stopwatch::start(clock);
        let data: Data<(f64, String)> = self.get("query", &[("query", "time()")], "time()").await?;
        let ours = stopwatch.started_at + stopwatch.elapsed(clock) / 2;
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let server = DateTime::from_timestamp_millis((data.result.0 * 1000.0).round() as i64);
        Ok((server.context("Prometheus returned a time that is none")?, ours))
    }

    /// The raw samples of a selector in the time `range` until `now`.
    pub(super) async fn matrix(
        &self,
        selector: &str,
        range: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Vec<Series>> {
        let query = format!("{selector}[{}s]", range.num_seconds().max(1));
        let parameters = [("query", query.as_str()), ("time", &now.to_rfc3339())];
        let data: Data<Vec<Series>> = self.get("query", &parameters, &query).await?;
        Ok(data.result)
    }

    /// The starts of the processes of these instances.
    pub(super) async fn process_starts(
        &self,
        instances: impl IntoIterator<Item = String>,
        range: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Vec<Series>> {
        let instances = instances.into_iter().take(MAX_INSTANCES);
        let instances: Vec<String> = instances.map(|instance| regex_lite::escape(&instance)).collect();
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        let matcher = Matcher::like("instance", &instances.join("|"));
        let selector = Selector::new("process_start_time_seconds", vec![matcher]);
        self.matrix(&selector.to_string(), range, now).await
    }

    /// The values that a label of the selected series ever had.
    pub(super) async fn values(
        &self,
        label: &str,
        selector: &Selector,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let selector = selector.to_string();
        let (from, now) = ((now - EVER).to_rfc3339(), now.to_rfc3339());
        let parameters = [("match[]", selector.as_str()), ("start", &from), ("end", &now)];
        self.get(&format!("label/{label}/values"), &parameters, &selector).await
    }

    /// The data of a response. `about` is the subject of an error message.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        about: &str,
    ) -> Result<T> {
        let mut url = self.url.clone();
        let path = format!("{}/api/v1/{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let mut request = self.http.get(url).query(parameters);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let http_response = request.send().await.map_err(http::describe_error).map_err(anyhow::Error::msg)?;
        let status = http_response.status();
        let body = http::read_body(http_response, MAX_BYTES).await?;
        let response: Response<T> = serde_json::from_slice(&body)
            .map_err(|_| anyhow!("this is not a response from Prometheus: HTTP status {status}"))?;
        match (response.data, response.error) {
            (Some(data), None) => Ok(data),
            (_, error) => bail!("{about}: {}", error.unwrap_or_else(|| status.to_string())),
        }
    }
}
