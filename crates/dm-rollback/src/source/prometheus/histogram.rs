//! Slow requests, counted by a histogram: all requests, less those in the bucket that ends at the limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};

use super::counters::{Counters, Increases};
use super::discovery::Query;
use super::pairing::Counted;
use super::requests::{check_scraped, distinct};
use super::scope;
use super::scrapes::Scrapes;
use super::selector::{Matcher, Selector};
use super::series::Labels;
use super::targets::{Targets, Times};
use super::unit::Unit;
use crate::source::unusable::Unusable;

/// The names of histograms in common libraries and proxies. The first that the service has is used.
const USUAL: [&str; 10] = [
    "http_server_request_duration_seconds_bucket",
    "http_server_requests_seconds_bucket",
    "http_request_duration_seconds_bucket",
    "http_server_duration_milliseconds_bucket",
    "istio_request_duration_milliseconds_bucket",
    "nginx_ingress_controller_request_duration_seconds_bucket",
    "traefik_service_request_duration_seconds_bucket",
    "caddy_http_request_duration_seconds_bucket",
    "flask_http_request_duration_seconds_bucket",
    "grpc_server_handling_seconds_bucket",
];

const FLAG: &str = "--latency-query";

/// The label with the upper limit of a bucket.
const LE: &str = "le";

/// The bucket of all requests.
const ALL: &str = "+Inf";

/// The histogram of the durations of requests.
#[derive(Debug)]
pub(super) struct Histogram {
    /// The selector that the caller wrote.
    own: Option<Selector>,
    unit: Option<Unit>,
    limit: Duration,
    /// The selector of the two buckets that are needed; `None` before they were found.
    buckets: Option<Selector>,
    counters: Counters,
    /// When the buckets were scraped.
    scrapes: Scrapes,
    targets: Targets,
}

impl Histogram {
    /// The histogram that the caller selects, or a usual one. A request is slow if it takes longer than `limit`.
    pub(super) fn new(own: Option<&str>, unit: Option<Unit>, limit: Duration) -> Result<Self> {
        let own = own.map(|text| checked(text, unit)).transpose()?;
        let (counters, scrapes, targets) = <(Counters, Scrapes, Targets)>::default();
        Ok(Self { own, unit, limit, buckets: None, counters, scrapes, targets })
    }

    /// Queries new samples, and adds them to `counted`.
    pub(super) async fn poll(&mut self, query: &Query<'_>, counted: &mut Counted) -> Result<()> {
        let selector = if let Some(selector) = &self.buckets {
            selector.clone()
        } else {
            let found = self.find(query).await?;
            self.buckets.insert(found).clone()
        };
        let series = query.matrix(&selector.to_string()).await?;
        scope::check(FLAG, &selector.to_string(), &series, query.environment)?;
        let with_limit: BTreeSet<Labels> =
            series.iter().filter(|one| !is_all(&one.labels)).map(|one| without_le(&one.labels)).collect();
        let mut all = series.iter().filter(|one| is_all(&one.labels)).map(|one| without_le(&one.labels));
        if let Some(labels) = all.find(|labels| !with_limit.contains(labels)) {
            let unit = self.unit(&selector.name)?;
            return Err(Unusable(format!(
                "--if-latency {}: {selector} has no bucket with this limit for {labels:?}",
                unit.describe(unit.of(self.limit)),
            ))
            .into());
        }
        let batch = distinct(series.iter());
        let unexplained = self.counters.unexplained(&batch);
        let starts =
            query.client.of_instances("process_start_time_seconds", unexplained, query.range, query.now);
        let starts = starts.await?;
        self.scrapes.record(batch.iter().map(|series| series.samples.as_slice()));
        self.targets.record(batch.iter().copied());
        count(self.counters.add(&batch, &starts), counted);
        Ok(())
    }

    /// The selector of the two buckets that are needed.
    async fn find(&self, query: &Query<'_>) -> Result<Selector> {
        let selector = match &self.own {
            Some(selector) => selector.clone(),
            None => query.find((FLAG, "histogram of durations"), &USUAL, Some(Matcher::is(LE, ALL))).await?,
        };
        let unit = self.unit(&selector.name)?;
        let texts = query.client.values(LE, &selector, query.now).await?;
        if texts.is_empty() {
            bail!("Prometheus has no series {selector} with buckets");
        }
        let wanted = unit.of(self.limit);
        let mut limits: Vec<(f64, &str)> =
            texts.iter().filter_map(|text| Some((text.parse::<f64>().ok()?, text.as_str()))).collect();
        limits.sort_by(|one, other| one.0.total_cmp(&other.0));
        let is_wanted = |value: f64| (value - wanted).abs() <= wanted * 1e-9;
        // One limit may be written in two ways, such as 1 and 1.0.
        let mut names: Vec<String> = limits
            .iter()
            .filter(|(value, _)| is_wanted(*value))
            .map(|(_, text)| regex_lite::escape(text))
            .collect();
        if names.is_empty() {
            let finite = || limits.iter().map(|(value, _)| *value).filter(|value| value.is_finite());
            let below = finite().rfind(|value| *value < wanted);
            let above = finite().find(|value| *value > wanted);
            let around: Vec<String> =
                [below, above].into_iter().flatten().map(|value| unit.describe(value)).collect();
            return Err(Unusable(format!(
                "--if-latency {}: {selector} has no bucket with this limit, so slow requests cannot be counted; the limits \
                 around it are {}",
                unit.describe(wanted),
                around.join(" and ")
            ))
            .into());
        }
        names.push(regex_lite::escape(ALL));
        Ok(selector.with(Matcher::like(LE, &names.join("|"))))
    }

    fn unit(&self, name: &str) -> Result<Unit, Unusable> {
        let unit = self.unit.or_else(|| Unit::in_name(name));
        unit.ok_or_else(|| Unusable(format!("{name}: its unit is not in its name: give --latency-unit")))
    }

    /// Checks at the end that the histogram exists and is scraped.
    pub(super) async fn finish(&self, query: &Query<'_>, deployed: DateTime<Utc>) -> Result<()> {
        let Some(buckets) = &self.buckets else {
            bail!("Prometheus has no histogram of the durations: give {FLAG}");
        };
        check_scraped(&buckets.to_string(), &self.scrapes, query.now)?;
        if self.counters.are_erratic() {
            bail!("{buckets} decreases too often for a histogram");
        }
        let times = Times { deployed, since: query.since, now: query.now };
        self.targets.check(query.client, &self.scrapes, times).await?;
        self.targets.check_new(query.client, buckets, times).await
    }
}

/// Checks the caller's own selector.
fn checked(text: &str, unit: Option<Unit>) -> Result<Selector> {
    super::selector::check_selector(FLAG, text)?;
    let Some(selector) = Selector::parse(text) else { bail!("{FLAG} {text:?}: this is not a selector") };
    if !selector.name.ends_with("_bucket") || selector.mentions(&[LE]) {
        bail!("{FLAG} {text:?}: give the buckets of a histogram, NAME_bucket, without a matcher of le");
    }
    match (Unit::in_name(&selector.name), unit) {
        (None, None) => bail!(
            "{FLAG} {text:?}: the name does not end with _seconds_bucket, _milliseconds_bucket or _ms_bucket, and units \
             are not guessed: give --latency-unit"
        ),
        (Some(named), Some(given)) if named != given => {
            bail!("{FLAG} {text:?}: the name says {}, and --latency-unit says {}", named.name(), given.name())
        }
        _ => Ok(selector),
    }
}

/// Adds the requests, and those that were slow, to `counted`.
fn count(increases: Increases, counted: &mut Counted) {
    let mut fast: BTreeMap<i64, u64> = BTreeMap::new();
    for (labels, samples) in increases {
        for (ts, increase) in samples {
            let requests = if is_all(&labels) {
                &mut counted.entry(ts).or_default().timed
            } else {
                fast.entry(ts).or_default()
            };
            *requests = requests.saturating_add(increase);
        }
    }
    for (ts, requests) in counted {
        requests.slow = requests.timed.saturating_sub(fast.get(ts).copied().unwrap_or_default());
    }
}

fn is_all(labels: &Labels) -> bool {
    labels.get(LE).is_some_and(|le| le == ALL)
}

fn without_le(labels: &Labels) -> Labels {
    labels.iter().filter(|(name, _)| *name != LE).map(|(name, value)| (name.clone(), value.clone())).collect()
}
