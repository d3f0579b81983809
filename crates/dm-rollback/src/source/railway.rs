//! Requests counted by Railway, from `httpMetricsGroupedByStatus` of its GraphQL API.
//!
//! Railway does not document the values. Its own command line and other clients add them up as requests per step, and so
//! does this module. It rejects values that cannot be counts. How late values arrive is not documented either: each step
//! counts once, when it is older than [`SETTLED`].

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use common::env::Env;
use common::http;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::server_clock::ServerClock;
use crate::evidence::{Evidence, Requests};
use crate::report::note;
use common::server_text::ServerText;

/// The name of this source in records and labels.
const NAME: &str = "railway";

/// The length of a step, in seconds.
const STEP_SECONDS: i64 = 30;

/// The age at which a step no longer changes.
const SETTLED: TimeDelta = TimeDelta::seconds(60);

/// How late values are still counted.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// The age of the newest step with requests at which the data is stale.
const STALE: TimeDelta = TimeDelta::seconds(60 + 4 * STEP_SECONDS);

/// The timeout of a query.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a response, in bytes.
const MAX_BYTES: usize = 16 * 1024 * 1024;

const QUERY: &str = "query($serviceId: String!, $environmentId: String!, $startDate: DateTime!, $endDate: DateTime!, \
$stepSeconds: Int) { httpMetricsGroupedByStatus(serviceId: $serviceId, environmentId: $environmentId, \
startDate: $startDate, endDate: $endDate, stepSeconds: $stepSeconds) { statusCode samples { ts value } } }";

/// A service on Railway.
#[derive(Debug)]
pub(crate) struct Railway {
    url: Url,
    header: (HeaderName, HeaderValue),
    service: String,
    environment: String,
    /// The beginning of the evidence, by this machine's clock.
    begin: DateTime<Utc>,
    clock: ServerClock,
    /// The requests that have been counted, by the beginning of their step and their status.
    counted: BTreeMap<(i64, u16), u64>,
    /// The time of the last poll, by Railway's clock.
    polled: Option<DateTime<Utc>>,
    client: Client,
    text: ServerText,
}

#[derive(Deserialize)]
struct Response {
    data: Option<Data>,
    #[serde(default)]
    errors: Vec<ApiError>,
}

#[derive(Deserialize)]
struct ApiError {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    http_metrics_grouped_by_status: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    status_code: u16,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
struct Sample {
    /// The beginning of the step, in seconds since 1970.
    ts: i64,
    value: f64,
}

impl Railway {
    /// The service that Railway's own variables select.
    pub(crate) fn from_env(url: Url, env: &Env<'_>, begin: DateTime<Utc>) -> Result<Self> {
        let named = |name: &str| env(name).with_context(|| format!("--railway needs {name}"));
        let header = match (env("RAILWAY_TOKEN"), env("RAILWAY_API_TOKEN")) {
            (Some(token), _) => (HeaderName::from_static("project-access-token"), token),
            (None, Some(token)) => (AUTHORIZATION, format!("Bearer {token}")),
            (None, None) => bail!("--railway needs RAILWAY_TOKEN or RAILWAY_API_TOKEN"),
        };
        let text = ServerText::new(&url, [header.1.trim_start_matches("Bearer ").to_owned()]);
        let header = (header.0, common::secrets::header_value(&header.1).context("Railway's token")?);
        let builder = http::builder(url.scheme() == "https").timeout(TIMEOUT);
        let client = builder.build().context("cannot set up an HTTP client for Railway")?;
        let [service, environment] = ["RAILWAY_SERVICE_ID", "RAILWAY_ENVIRONMENT_ID"].map(named);
        Ok(Self {
            url,
            header,
            service: service?,
            environment: environment?,
            begin,
            clock: ServerClock::default(),
            counted: BTreeMap::new(),
            polled: None,
            client,
            text,
        })
    }

    /// Queries new steps, and adds those that are settled.
    pub(crate) async fn poll(&mut self, evidence: &mut Evidence, clock: &dyn Clock) -> Result<()> {
        let stopwatch = Stopwatch::start(clock);
        let from = self.from();
        let now = self.clock.to_server(stopwatch.started_at);
        let variables = json!({
            "serviceId": self.service, "environmentId": self.environment,
            "startDate": from.to_rfc3339(), "endDate": now.to_rfc3339(), "stepSeconds": STEP_SECONDS,
        });
        let body = json!({"query": QUERY, "variables": variables});
        let request = self.client.post(self.url.clone()).header(self.header.0.clone(), self.header.1.clone());
        let http_response =
            request.json(&body).send().await.map_err(http::describe_error).map_err(anyhow::Error::msg)?;
        let ours = stopwatch.started_at + stopwatch.elapsed(clock) / 2;
        if let Some(server) = date(http_response.headers()) {
            self.clock.observe("Railway", server, ours)?.iter().for_each(|sentence| note(sentence));
        }
        let (from, polled) = (self.from(), self.clock.to_server(ours));
        let status = http_response.status();
        let body = http::read_body(http_response, MAX_BYTES).await?;
        let response: Response = serde_json::from_slice(&body)
            .map_err(|_| anyhow!("this is not a response from Railway's API: HTTP status {status}"))?;
        if let Some(error) = response.errors.first() {
            bail!("Railway: {}", self.text.clean(&error.message));
        }
        let data =
            response.data.with_context(|| format!("Railway returned no data: HTTP status {status}"))?;
        let steps = self.add(data.http_metrics_grouped_by_status, from, polled - SETTLED)?;
        for (ends, requests) in steps {
            evidence.count(self.clock.to_ours(ends), NAME, requests);
        }
        self.polled = Some(polled);
        Ok(())
    }

    /// The beginning of the next query. Its distance from the last step is whole steps, so that steps stay comparable.
    fn from(&self) -> DateTime<Utc> {
        let begin = self.clock.to_server(self.begin);
        let last = self.counted.last_key_value().and_then(|((ts, _), _)| DateTime::from_timestamp(*ts, 0));
        last.map_or(begin, |last| begin.max(last - LATE))
    }

    /// Adds the steps from `from` to `until`, and returns what is new, by the end of the step.
    fn add(
        &mut self,
        groups: Vec<Group>,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<BTreeMap<DateTime<Utc>, Requests>> {
        let mut steps: BTreeMap<(i64, u16), u64> = BTreeMap::new();
        for Group { status_code, samples } in groups {
            for Sample { ts, value } in samples {
                let step = steps.entry((ts, status_code)).or_default();
                *step = step.saturating_add(count(value)?);
            }
        }
        let mut new: BTreeMap<DateTime<Utc>, Requests> = BTreeMap::new();
        for ((ts, status), requests) in steps {
            let Some(begins) = DateTime::from_timestamp(ts, 0) else { continue };
            let ends = begins + TimeDelta::seconds(STEP_SECONDS);
            let mut around = self.counted.range((ts - STEP_SECONDS + 1, 0)..(ts + STEP_SECONDS, 0));
            // Steps that do not begin where they began before would count twice.
            let is_shifted = around.any(|((other, _), _)| *other != ts);
            if begins < from || ends > until || is_shifted {
                continue;
            }
            // Another status of the step may arrive later, and so may more requests.
            let counted = self.counted.entry((ts, status)).or_default();
            let Some(increase) = requests.checked_sub(*counted).filter(|increase| *increase > 0) else {
                continue;
            };
            *counted = requests;
            let step = new.entry(ends).or_default();
            step.total = step.total.saturating_add(increase);
            step.errors = step.errors.saturating_add(if (500..600).contains(&status) { increase } else { 0 });
        }
        self.counted = self.counted.split_off(&(from.timestamp(), 0));
        Ok(new)
    }

    /// Checks at the end that the data is not stale: a service that is down has no requests, and no errors.
    pub(crate) fn finish(&self, now: DateTime<Utc>) -> Result<()> {
        let now = self.polled.unwrap_or_else(|| self.clock.to_server(now));
        let mut steps = self.counted.iter().filter(|(_, requests)| **requests > 0);
        let newest =
            steps.next_back().and_then(|((ts, _), _)| DateTime::from_timestamp(ts + STEP_SECONDS, 0));
        let Some(newest) = newest else { bail!("Railway has counted no requests") };
        if now - newest > STALE {
            let age = (now - newest).to_std().unwrap_or_default();
            bail!(
                "Railway has no requests from the last {}: does the service still run?",
                format_duration(age)
            );
        }
        Ok(())
    }
}

/// The server's time, in the middle of the second that a response states.
fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date.to_utc() + TimeDelta::milliseconds(500))
}

/// Converts a value to a number of requests, which is whole and not negative.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn count(value: f64) -> Result<u64> {
    if value.is_finite() && value >= 0.0 && (value - value.round()).abs() < 1e-6 {
        return Ok(value.round() as u64);
    }
    bail!(
        "Railway returned {value}, which is not a number of requests: it may be a rate, which cannot be evaluated"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_rejected_as_a_count() {
        assert_eq!(count(12.0).ok(), Some(12));
        for value in [0.5, -1.0, f64::NAN, f64::INFINITY] {
            assert!(count(value).is_err(), "{value}");
        }
    }
}
