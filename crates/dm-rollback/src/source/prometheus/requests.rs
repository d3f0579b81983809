//! The requests and errors of one group of series: the new version's, or the control group's.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::duration::format_duration;

use super::counters::{Counters, Increases, without_counts};
use super::discovery::Query;
use super::error_selector::{Standing, examine};
use super::pairing::{Counted, Pairing};
use super::scope;
use super::scrapes::Scrapes;
use super::selector::{Matcher, Selector};
use super::series::{Labels, Series};
use super::status::{STATUS_LABELS, ambiguous, counts_failures};
use super::targets::{Targets, Times};
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
    /// Whether these are the new version's requests, and not the control group's.
    is_own: bool,
    counters: Counters,
    /// When the requests were scraped.
    scrapes: Scrapes,
    /// When the errors were scraped, if they are another metric: only then their absence is no absence of errors.
    error_scrapes: Scrapes,
    targets: Targets,
    pairing: Pairing,
    /// Requests from a time whose errors are not known yet.
    held: Counted,
    has_requests: bool,
    has_errors: bool,
    /// Whether there is nothing that the selector of errors could select.
    misses_errors: bool,
    was_examined: bool,
    was_typed: bool,
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
            error_scrapes: Scrapes::default(),
            targets: Targets::default(),
            pairing: Pairing::default(),
            held: Counted::new(),
            has_requests: false,
            has_errors: false,
            misses_errors: false,
            was_examined: false,
            was_typed: false,
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
        self.check_type(query).await?;
        self.examine_errors(query, &total).await?;
        if self.error.selector.is_none() {
            self.check_status(&all)?;
        }
        let batch = distinct(all.iter().chain(&bad));
        if let Some(series) = without_counts(&batch) {
            let matchers = series.labels.iter().map(|(label, value)| Matcher::is(label, value)).collect();
            let series = Selector::new("", matchers);
            bail!(
                "{series} has only values that are no counts, such as NaN, so that its requests are not known"
            );
        }
        scope::check_replicas(self.total.name, &total, &batch)?;
        let unexplained = self.counters.unexplained(&batch);
        let starts =
            query.client.of_instances("process_start_time_seconds", unexplained, query.range, query.now);
        let starts = starts.await?;
        self.scrapes.record(all.iter().map(|series| series.samples.as_slice()));
        self.targets.record(batch.iter().copied());
        if let Some(errors) = self.errors_apart() {
            // Other statuses of the same metric show that errors would be counted.
            let alive = errors.without(&STATUS_LABELS);
            let others = if alive == errors { Vec::new() } else { query.matrix(&alive.to_string()).await? };
            self.error_scrapes.record(bad.iter().chain(&others).map(|series| series.samples.as_slice()));
        }
        let increases = self.counters.add(&batch, &starts);
        // Before anything is counted: a gauge that jumps looks like many errors.
        if self.counters.are_erratic() {
            bail!("{total} decreases too often for a counter: is it a gauge?");
        }
        let mut counted = self.count(&all, &bad, &increases);
        self.pairing.pair(&mut counted, query.since.timestamp_millis(), self.scrapes.patience());
        Ok(self.release(counted))
    }

    /// The selector of errors, if they are another metric than the requests.
    fn errors_apart(&self) -> Option<Selector> {
        let errors = Selector::parse(self.error.selector.as_deref()?)?;
        let total = Selector::parse(self.selector())?;
        (errors.name != total.name).then_some(errors)
    }

    /// Checks once that the metrics are counters, as far as the server knows.
    async fn check_type(&mut self, query: &Query<'_>) -> Result<()> {
        if std::mem::replace(&mut self.was_typed, true) {
            return Ok(());
        }
        for flag in [&self.total, &self.error] {
            let selector = flag.selector.as_deref().and_then(Selector::parse);
            if let Some(Selector { name, .. }) = selector
                && query.client.is_gauge(&name).await
            {
                return Err(Unusable(format!("{} {name}: this is a gauge: give a counter", flag.name)).into());
            }
        }
        Ok(())
    }

    /// Finds out once what it means that there are no errors.
    async fn examine_errors(&mut self, query: &Query<'_>, total: &str) -> Result<()> {
        let is_needed = self.has_requests && !self.has_errors && !self.was_examined;
        let Some(error) = self.error.selector.as_ref().filter(|_| is_needed) else { return Ok(()) };
        let standing = examine(query.client, self.error.name, error, total, query.now).await?;
        self.misses_errors = matches!(standing, Standing::Missing(_));
        match standing {
            Standing::NeverMatches(why) => return Err(Unusable(why).into()),
            Standing::NoneYet(what) => note(&what),
            Standing::Known | Standing::Missing(_) => {}
        }
        self.was_examined = true;
        Ok(())
    }

    fn check_status(&self, all: &[Series]) -> Result<(), Unusable> {
        if let Some(label) = ambiguous(&all.iter().map(|series| &series.labels).collect::<Vec<_>>()) {
            return Err(Unusable(format!(
                "{} has {label} with single digits, which may be classes of HTTP or numbers of gRPC: give {}",
                self.selector(),
                self.error.name
            )));
        }
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
        counted
    }

    /// The requests whose errors are known. The others are held: without their errors they would look good.
    fn release(&mut self, counted: Counted) -> Counted {
        for (ts, new) in counted {
            let held = self.held.entry(ts).or_default();
            held.total = held.total.saturating_add(new.total);
            held.errors = held.errors.saturating_add(new.errors);
        }
        // A control group whose errors are not counted would make every new version look bad.
        let is_blind = !self.has_errors && (self.misses_errors || self.errors_apart().is_some());
        if !self.is_own && is_blind {
            return Counted::new();
        }
        let until = self.error_scrapes.known_until().unwrap_or(i64::MAX);
        let held = self.held.split_off(&until.saturating_add(1));
        std::mem::replace(&mut self.held, held)
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
    pub(super) async fn finish(&self, query: &Query<'_>, deployed: DateTime<Utc>) -> Result<()> {
        let total = self.selector();
        if !self.has_requests {
            bail!("Prometheus has no series {total}");
        }
        check_scraped(total, &self.scrapes, query.now)?;
        let unpaired = self.pairing.unpaired(query.since.timestamp_millis());
        if unpaired > 0 {
            bail!(
                "{} counts {unpaired} more errors than {} counts requests",
                self.error.name,
                self.total.name
            );
        }
        if let Some(error) = self.error.selector.as_ref().filter(|_| !self.has_errors) {
            match examine(query.client, self.error.name, error, total, query.now)
                .await
                .context("the errors")?
            {
                Standing::Missing(why) | Standing::NeverMatches(why) => bail!(why),
                Standing::Known | Standing::NoneYet(_) => {}
            }
        }
        if let Some(errors) = self.errors_apart() {
            if self.error_scrapes.newest().is_none() {
                bail!(
                    "{} {errors}: it has no sample since before the deployment, so errors would not be noticed: a service \
                     that counts errors apart has to export the counter from its start, as 0",
                    self.error.name
                );
            }
            check_scraped(&errors.to_string(), &self.error_scrapes, query.now)?;
        }
        let times = Times { deployed, since: query.since, now: query.now };
        self.targets.check(query.client, &self.scrapes, times).await?;
        match Selector::parse(total).filter(|_| self.is_own) {
            Some(total) => self.targets.check_new(query.client, &total, times).await,
            None => Ok(()),
        }
    }
}

/// Checks that new samples are not overdue.
pub(super) fn check_scraped(selector: &str, scrapes: &Scrapes, now: DateTime<Utc>) -> Result<()> {
    match scrapes.silence(now) {
        Some(silence) => bail!(
            "Prometheus has no sample of {selector} from the last {}: is it still scraped?",
            format_duration(silence)
        ),
        None => Ok(()),
    }
}
