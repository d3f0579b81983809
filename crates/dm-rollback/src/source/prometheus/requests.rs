//! The requests and errors of one group of series: the new version's, or the control group's.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::duration::format_duration;

use super::counters::{Counters, Increases};
use super::discovery::Query;
use super::error_selector::{Standing, examine};
use super::scope;
use super::scrapes::Scrapes;
use super::series::{Labels, Series};
use super::status::{STATUS_LABELS, counts_failures};
use crate::evidence::Requests;
use crate::report::note;
use crate::source::unusable::Unusable;

/// The names of request counters in common libraries and proxies. The first that the service has is used.
const USUAL: [&str; 11] = [
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
    "grpc_server_handled_total",
];

/// Requests and errors, by the time of the sample in milliseconds.
pub(super) type Counted = BTreeMap<i64, Requests>;

/// A selector that the caller wrote, or that was found, and the flag that names it.
#[derive(Debug)]
pub(super) struct Flag {
    /// The name of the flag.
    pub(super) name: &'static str,
    /// The selector; `None` if the caller wrote none.
    pub(super) selector: Option<String>,
}

/// The counters of requests and of errors.
#[derive(Debug)]
pub(super) struct RequestCounters {
    total: Flag,
    error: Flag,
    /// Whether the series must be of one environment. A control group may be of another.
    is_own: bool,
    counters: Counters,
    /// When the counters were scraped.
    scrapes: Scrapes,
    has_requests: bool,
    has_errors: bool,
    was_examined: bool,
    /// Errors whose requests have not been counted yet.
    unmatched_errors: u64,
}

/// The different series of several answers. If a series is in two, the later answer may have one more sample.
pub(super) fn distinct<'a>(series: impl Iterator<Item = &'a Series>) -> Vec<&'a Series> {
    let mut distinct: BTreeMap<&Labels, &Series> = BTreeMap::new();
    for series in series {
        let known = distinct.entry(&series.labels).or_insert(series);
        if series.samples.len() > known.samples.len() {
            *known = series;
        }
    }
    distinct.into_values().collect()
}

impl RequestCounters {
    /// The counters of the new version.
    pub(super) fn own(total: Option<String>, error: Option<String>) -> Self {
        Self::new(("--total-query", total), ("--error-query", error), true)
    }

    /// The counters of the control group.
    pub(super) fn control(total: String, error: Option<String>) -> Self {
        Self::new(("--control-query", Some(total)), ("--control-error-query", error), false)
    }

    fn new(
        total: (&'static str, Option<String>),
        error: (&'static str, Option<String>),
        is_own: bool,
    ) -> Self {
        let flag = |(name, selector)| Flag { name, selector };
        Self {
            total: flag(total),
            error: flag(error),
            is_own,
            counters: Counters::default(),
            scrapes: Scrapes::default(),
            has_requests: false,
            has_errors: false,
            was_examined: false,
            unmatched_errors: 0,
        }
    }

    /// Queries new samples, and adds them up.
    pub(super) async fn poll(&mut self, query: &Query<'_>) -> Result<Counted> {
        let total = if let Some(selector) = &self.total.selector {
            selector.clone()
        } else {
            let found = query.find((self.total.name, "counter of requests"), &USUAL, None).await?.to_string();
            self.total.selector.insert(found).clone()
        };
        let all = query.matrix(&total).await?;
        let bad = match &self.error.selector {
            Some(selector) => query.matrix(selector).await?,
            None => Vec::new(),
        };
        if self.is_own {
            scope::check(self.total.name, &total, &all, query.environment)?;
            if let Some(selector) = &self.error.selector {
                scope::check(self.error.name, selector, &bad, query.environment)?;
            }
        }
        self.has_requests |= !all.is_empty();
        self.has_errors |= !bad.is_empty();
        if let Some(error) = self.error.selector.as_ref().filter(|_| self.has_requests && !self.has_errors)
            && !self.was_examined
        {
            match examine(query.client, self.error.name, error, &total, query.now).await? {
                Standing::NeverMatches(why) => return Err(Unusable(why).into()),
                Standing::NoneYet(what) => note(&what),
                Standing::Known | Standing::Missing(_) => {}
            }
            self.was_examined = true;
        }
        if self.error.selector.is_none() {
            self.check_status(&all)?;
        }
        let batch = distinct(all.iter().chain(&bad));
        let unexplained = self.counters.unexplained(&batch);
        let starts = query.client.process_starts(unexplained, query.range, query.now).await?;
        self.scrapes.record(batch.iter().map(|series| series.samples.as_slice()));
        let increases = self.counters.add(&batch, &starts);
        Ok(self.count(&all, &bad, &increases))
    }

    fn check_status(&self, all: &[Series]) -> Result<(), Unusable> {
        let Some(series) = all.iter().find(|series| counts_failures(&series.labels).is_none()) else {
            return Ok(());
        };
        let name = series.labels.get("__name__").map_or("the counter", String::as_str);
        let values: Vec<String> = STATUS_LABELS
            .iter()
            .filter_map(|label| series.labels.get(*label).map(|value| format!("{label}={value:?}")))
            .collect();
        let found = if values.is_empty() { String::new() } else { format!("; it has {}", values.join(", ")) };
        Err(Unusable(format!(
            "no label of {name} contains the status of HTTP or gRPC ({}){found}: give {}",
            STATUS_LABELS.join(", "),
            self.error.name
        )))
    }

    /// Assigns the increases of the series to requests and errors.
    fn count(&mut self, all: &[Series], bad: &[Series], increases: &Increases) -> Counted {
        let mut counted = Counted::new();
        let of = |series: &Series| increases.get(&series.labels).into_iter().flatten().copied();
        for series in all {
            let is_bad = self.error.selector.is_none() && counts_failures(&series.labels) == Some(true);
            for (ts, increase) in of(series) {
                let requests = counted.entry(ts).or_default();
                requests.total = requests.total.saturating_add(increase);
                requests.errors = requests.errors.saturating_add(if is_bad { increase } else { 0 });
            }
        }
        for (ts, increase) in bad.iter().flat_map(of) {
            let requests = counted.entry(ts).or_default();
            requests.errors = requests.errors.saturating_add(increase);
        }
        for requests in counted.values_mut() {
            // Two exporters are not scraped at the same moment: errors may arrive before their requests.
            let errors = requests.errors.saturating_add(self.unmatched_errors);
            requests.errors = errors.min(requests.total);
            self.unmatched_errors = errors - requests.errors;
        }
        counted
    }

    /// Whether the server ever had such requests.
    pub(super) fn has_requests(&self) -> bool {
        self.has_requests
    }

    /// The selector of all requests, if it is known.
    pub(super) fn selector(&self) -> &str {
        self.total.selector.as_deref().unwrap_or_default()
    }

    /// Checks at the end that all counters exist and are scraped: errors that are not counted are not absent errors.
    pub(super) async fn finish(&self, query: &Query<'_>, scraped_until: DateTime<Utc>) -> Result<()> {
        let total = self.selector();
        if !self.has_requests {
            bail!("Prometheus has no series {total}");
        }
        if let Some(silence) = self.scrapes.silence(scraped_until) {
            bail!(
                "Prometheus has no sample of {total} from the last {}: is it still scraped?",
                format_duration(silence)
            );
        }
        if self.unmatched_errors > 0 {
            bail!(
                "{} counts {} more errors than {} counts requests",
                self.error.name,
                self.unmatched_errors,
                self.total.name
            );
        }
        let Some(error) = self.error.selector.as_ref().filter(|_| !self.has_errors) else { return Ok(()) };
        match examine(query.client, self.error.name, error, total, query.now).await.context("the errors")? {
            Standing::Missing(why) | Standing::NeverMatches(why) => bail!(why),
            Standing::Known | Standing::NoneYet(_) => Ok(()),
        }
    }
}
