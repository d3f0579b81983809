//! Requests counted by Prometheus. It returns the raw samples of the counters; this module adds them up, so that the
//! counts are exact.

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;
use common::label::Label;
use regex_lite::Regex;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::counters::{Counters, Counts, Increases, Labels, Sample};
use super::prometheus_client::Client;
use super::scrapes::Scrapes;
use crate::evidence::{Evidence, Requests};

/// The name of this source in records and labels.
const NAME: &str = "prometheus";

/// The names of request counters in common libraries and proxies. The first that the service has is used.
const USUAL_COUNTERS: [&str; 10] = [
    "http_server_request_duration_seconds_count",
    "http_server_requests_seconds_count",
    "http_requests_total",
    "http_request_duration_seconds_count",
    "http_server_requests_total",
    "istio_requests_total",
    "nginx_ingress_controller_requests",
    "traefik_service_requests_total",
    "caddy_http_request_duration_seconds_count",
    "flask_http_request_total",
];

/// The labels that usually identify a service.
const SERVICE_LABELS: [&str; 3] = ["service", "job", "app"];

/// The labels that usually hold the status.
const STATUS_LABELS: [&str; 6] =
    ["status", "code", "status_code", "http_response_status_code", "response_code", "http_status_code"];

/// How far queries overlap: a scrape may be stored late.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// A Prometheus server, and the counters that are queried.
#[derive(Debug)]
pub(crate) struct Prometheus {
    client: Client,
    service: Label,
    total: Option<String>,
    error: Option<String>,
    from: DateTime<Utc>,
    counters: Counters,
    /// When the counters were scraped.
    scrapes: Scrapes,
    has_requests: bool,
    has_errors: bool,
    /// Errors whose requests have not been counted yet.
    unmatched_errors: u64,
}

#[derive(Deserialize)]
struct Data<T> {
    result: Vec<T>,
}

#[derive(Deserialize)]
struct Series {
    metric: Labels,
    values: Vec<(f64, String)>,
}

impl Series {
    fn samples(&self) -> Vec<Sample> {
        #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
        let sample = |(ts, value): &(f64, String)| Some(((ts * 1000.0).round() as i64, value.parse().ok()?));
        self.values.iter().filter_map(sample).collect()
    }
}

/// Checks that a selector consists of a name and matchers, which is what a range query needs.
pub(crate) fn check_selector(flag: &str, text: &str) -> Result<()> {
    let plain = Regex::new(r"(?s)^\s*[a-zA-Z_:][a-zA-Z0-9_:]*\s*(\{.*\})?\s*$").context("the pattern")?;
    if !plain.is_match(text) {
        bail!(
            "{flag} {text:?}: give a counter's selector, such as requests_total{{job=\"api\"}}, without functions or \
             sums: dm-rollback computes increases and sums itself, so that it can detect the reset of a series"
        );
    }
    Ok(())
}

impl Prometheus {
    /// A Prometheus server that is queried for samples since `from`.
    pub(crate) fn new(
        url: Url,
        token: Option<&SecretString>,
        service: Label,
        from: DateTime<Utc>,
    ) -> Result<Self> {
        let client = Client::new(url, token)?;
        let (total, error) = (None, None);
        let counters = Counters::default();
        Ok(Self {
            client,
            service,
            total,
            error,
            from,
            counters,
            scrapes: Scrapes::default(),
            has_requests: false,
            has_errors: false,
            unmatched_errors: 0,
        })
    }

    /// The same, with the caller's own selectors.
    #[must_use]
    pub(crate) fn with_queries(self, total: Option<String>, error: Option<String>) -> Self {
        Self { total, error, ..self }
    }

    /// Queries new samples, and adds them.
    pub(crate) async fn poll(&mut self, evidence: &mut Evidence, now: DateTime<Utc>) -> Result<()> {
        let range = now - self.from + OVERLAP;
        let all = match &self.total {
            Some(selector) => self.matrix(selector, range, now).await?,
            None => self.usual(range, now).await?,
        };
        self.has_requests |= !all.is_empty();
        let bad = match &self.error {
            Some(selector) => self.matrix(selector, range, now).await?,
            None => Vec::new(),
        };
        let samples: Vec<(Labels, Counts, Vec<Sample>)> = if self.error.is_some() {
            self.has_errors |= !bad.is_empty();
            let all = all.into_iter().map(|series| (Counts::All, series));
            let both = all.chain(bad.into_iter().map(|series| (Counts::BadAmongAll, series)));
            both.map(|(counts, series)| (series.metric.clone(), counts, series.samples())).collect()
        } else {
            all.into_iter()
                .map(|series| {
                    let status = STATUS_LABELS.iter().find_map(|label| series.metric.get(*label));
                    let is_code = |status: &&String| status.starts_with(|c: char| c.is_ascii_digit());
                    let status = status.filter(is_code).with_context(|| no_status(&series.metric))?;
                    let counts = if status.starts_with('5') { Counts::Bad } else { Counts::Good };
                    Ok((series.metric.clone(), counts, series.samples()))
                })
                .collect::<Result<_>>()?
        };
        self.counters.begin(samples.iter().flat_map(|(_, _, samples)| samples));
        self.scrapes.record(samples.iter().map(|(_, _, samples)| samples.as_slice()));
        let mut increases = Increases::new();
        for (series, counts, samples) in &samples {
            self.counters.add(series, *counts, samples, &mut increases);
        }
        for (ts, (total, errors)) in increases {
            let Some(ts) = DateTime::from_timestamp_millis(ts) else { continue };
            // Two exporters are not scraped at the same moment: errors may arrive before their requests.
            let matched = (errors + self.unmatched_errors).min(total);
            self.unmatched_errors = errors + self.unmatched_errors - matched;
            evidence.count(ts, NAME, Requests { total, errors: matched, ..Requests::default() });
        }
        self.from = now;
        Ok(())
    }

    /// Checks at the end that all counters exist and are scraped: errors that are not counted are not absent errors.
    pub(crate) async fn finish(&self, now: DateTime<Utc>) -> Result<()> {
        if let Some(selector) = self.total.as_ref().filter(|_| !self.has_requests) {
            bail!("Prometheus has no series {selector}");
        }
        if let Some(silence) = self.scrapes.silence(now) {
            let selector = self.total.as_deref().unwrap_or_default();
            bail!(
                "Prometheus has no sample of {selector} from the last {}: is it still scraped?",
                format_duration(silence)
            );
        }
        if self.unmatched_errors > 0 {
            bail!(
                "--error-query counts {} more errors than --total-query counts requests",
                self.unmatched_errors
            );
        }
        let Some(selector) = self.error.as_ref().filter(|_| !self.has_errors) else { return Ok(()) };
        let name = selector.split('{').next().unwrap_or_default().trim();
        let labels = Regex::new("([a-zA-Z_][a-zA-Z0-9_]*)\\s*(=~|!~|!=|=)\\s*\"").context("the pattern")?;
        let labels =
            labels.captures_iter(selector).map(|captures| format!("{name}{{{}!=\"\"}}", &captures[1]));
        for series in [name.to_owned()].into_iter().chain(labels) {
            let query = format!("count(last_over_time({series}[1h]))");
            if self.query::<IgnoredAny>(&query, now).await?.is_empty() {
                bail!(
                    "--error-query {selector}: Prometheus has no series {series}, so errors would not be noticed"
                );
            }
        }
        Ok(())
    }

    /// Finds a usual counter of this service, and uses it from now on.
    async fn usual(&mut self, range: TimeDelta, now: DateTime<Utc>) -> Result<Vec<Series>> {
        let value = self.service.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        for label in SERVICE_LABELS {
            let matcher = format!("{label}=\"{value}\"");
            let any = format!("{{__name__=~\"{}\",{matcher}}}", USUAL_COUNTERS.join("|"));
            let candidates = self.matrix(&any, range, now).await?;
            let has = |name: &&&str| {
                candidates.iter().any(|series| series.metric.get("__name__").is_some_and(|has| has == **name))
            };
            if let Some(name) = USUAL_COUNTERS.iter().find(has) {
                self.total = Some(format!("{name}{{{matcher}}}"));
                let has_name = |series: &Series| series.metric.get("__name__").is_some_and(|has| has == name);
                return Ok(candidates.into_iter().filter(has_name).collect());
            }
        }
        bail!(
            "Prometheus has no usual counter of requests with service, job or app = {}: give --total-query and \
             --error-query",
            self.service
        )
    }

    /// The raw samples of a selector until `now`.
    async fn matrix(&self, selector: &str, range: TimeDelta, now: DateTime<Utc>) -> Result<Vec<Series>> {
        self.query(&format!("{selector}[{}s]", range.num_seconds().max(1)), now).await
    }

    /// The result of an instant query.
    async fn query<T: DeserializeOwned>(&self, query: &str, now: DateTime<Utc>) -> Result<Vec<T>> {
        let parameters = [("query", query), ("time", &now.to_rfc3339())];
        let data: Data<T> = self.client.get("query", &parameters, query).await?;
        Ok(data.result)
    }
}

fn no_status(series: &Labels) -> String {
    let name = series.get("__name__").map_or("the counter", String::as_str);
    format!("no label of {name} contains the status ({}): give --error-query", STATUS_LABELS.join(", "))
}
