//! Queries to a Prometheus server.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, Stopwatch};
use common::prometheus_api::PrometheusApi;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::selector::{Matcher, Selector};
use super::series::{NATIVE, Series};
use crate::source::unusable::Unusable;

/// How far queries overlap: a scrape may be stored late.
pub(super) const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// How far back it is asked whether a series ever existed.
const EVER: TimeDelta = TimeDelta::days(30);

/// The maximum number of instances that a query names: a URL has a limited length.
const MAX_INSTANCES: usize = 100;

/// A Prometheus server.
#[derive(Debug)]
pub(crate) struct Client(PrometheusApi);

/// What the metadata of a metric says.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Data<T> {
    result: T,
}

impl Client {
    /// A server at this URL.
    pub(crate) fn new(url: Url, token: Option<&SecretString>) -> Result<Self> {
        PrometheusApi::new(url, token).map(Self)
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
        if data.result.iter().any(|series| series.is_native) {
            return Err(Unusable(format!("{selector} {NATIVE}")).into());
        }
        Ok(data.result)
    }

    /// The series of this name of these instances.
    pub(super) async fn of_instances(
        &self,
        name: &str,
        instances: impl IntoIterator<Item = String>,
        range: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Vec<Series>> {
        let instances: Vec<String> =
            instances.into_iter().map(|instance| regex_lite::escape(&instance)).collect();
        let mut series = Vec::new();
        for some in instances.chunks(MAX_INSTANCES) {
            let selector = Selector::new(name, vec![Matcher::like("instance", &some.join("|"))]);
            series.extend(self.matrix(&selector.to_string(), range, now).await?);
        }
        Ok(series)
    }

    /// Whether the server knows this metric as a gauge. Not every server has metadata.
    pub(super) async fn is_gauge(&self, name: &str) -> bool {
        let parameters = [("metric", name)];
        let metadata: Result<BTreeMap<String, Vec<Metadata>>> = self.get("metadata", &parameters, name).await;
        let kinds = metadata.unwrap_or_default().remove(name).unwrap_or_default();
        !kinds.is_empty() && kinds.iter().all(|metadata| metadata.kind == "gauge")
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
        self.0.get(path, parameters, about).await
    }
}
