//! Requests counted by Prometheus. It returns the raw samples of the counters; this module adds them up, so that the
//! counts are exact.

mod client;
mod counters;
mod discovery;
mod error_selector;
mod histogram;
mod requests;
mod scope;
mod scrapes;
mod selector;
mod series;
mod status;
mod unit;

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::identity::Identity;
use common::label::Label;
use secrecy::SecretString;
use url::Url;

use super::server_clock::ServerClock;
use crate::evidence::Evidence;
use crate::report::note;
use client::Client;
use discovery::Query;
use histogram::Histogram;
use requests::RequestCounters;
pub(crate) use selector::check_selector;
pub(super) use unit::Unit;

/// The name of this source in records and labels.
const NAME: &str = "prometheus";

/// How far queries overlap: a scrape may be stored late.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);

/// A Prometheus server, and the counters that are queried. A later poll goes on where the last one ended, however long ago
/// that was.
#[derive(Debug)]
pub(crate) struct Prometheus {
    client: Client,
    service: Label,
    environment: Label,
    /// The beginning of the evidence, by this machine's clock: earlier requests are not counted.
    begin: DateTime<Utc>,
    clock: ServerClock,
    /// The server's time at the last poll.
    polled: Option<DateTime<Utc>>,
    requests: Option<RequestCounters>,
    histogram: Option<Histogram>,
    control: Option<RequestCounters>,
}

/// What a caller wants to be queried.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    /// Whether requests are counted, and not only their durations.
    pub(crate) counts_requests: bool,
    /// The selector of all requests.
    pub(crate) total: Option<String>,
    /// The selector of failed requests.
    pub(crate) error: Option<String>,
    /// The limit for slow requests.
    pub(crate) latency: Option<Duration>,
    /// The selector of a histogram's buckets.
    pub(crate) latency_query: Option<String>,
    /// The unit of the histogram.
    pub(crate) latency_unit: Option<Unit>,
    /// The selector of the control group's requests.
    pub(crate) control: Option<String>,
    /// The selector of its failed requests.
    pub(crate) control_error: Option<String>,
}

impl Prometheus {
    /// A Prometheus server that is queried for samples since `begin`.
    pub(crate) fn new(
        url: Url,
        token: Option<&SecretString>,
        identity: &Identity,
        begin: DateTime<Utc>,
        queries: Queries,
    ) -> Result<Self> {
        let selectors = [
            ("--total-query", &queries.total),
            ("--error-query", &queries.error),
            ("--control-query", &queries.control),
            ("--control-error-query", &queries.control_error),
        ];
        for (flag, selector) in selectors {
            selector.as_deref().map_or(Ok(()), |selector| check_selector(flag, selector))?;
        }
        let histogram = queries
            .latency
            .map(|limit| Histogram::new(queries.latency_query.as_deref(), queries.latency_unit, limit));
        Ok(Self {
            client: Client::new(url, token)?,
            service: identity.service.clone(),
            environment: identity.environment.clone(),
            begin,
            clock: ServerClock::default(),
            polled: None,
            requests: queries.counts_requests.then(|| RequestCounters::own(queries.total, queries.error)),
            histogram: histogram.transpose()?,
            control: queries.control.map(|total| RequestCounters::control(total, queries.control_error)),
        })
    }

    /// Queries new samples, and adds them.
    pub(crate) async fn poll(&mut self, evidence: &mut Evidence, clock: &dyn Clock) -> Result<()> {
        let (server, ours) = self.client.time(clock).await?;
        self.clock.observe("Prometheus", server, ours)?.iter().for_each(|sentence| note(sentence));
        let from = self.polled.unwrap_or_else(|| self.clock.to_server(self.begin));
        let query = Query {
            client: &self.client,
            service: &self.service,
            environment: &self.environment,
            range: server - from + OVERLAP,
            now: server,
        };
        let requests = match &mut self.requests {
            Some(requests) => Some(requests.query(&query).await?),
            None => None,
        };
        // Errors count, even if durations or the control group cannot be queried.
        let durations = match &mut self.histogram {
            Some(histogram) => histogram.query(&query).await.map(Some),
            None => Ok(None),
        };
        let control = match &mut self.control {
            Some(control) => control.query(&query).await.map(Some),
            None => Ok(None),
        };
        let time = |ts: i64| {
            let ts = self.clock.to_ours(DateTime::from_timestamp_millis(ts)?);
            (ts > self.begin).then_some(ts)
        };
        let mut counted =
            self.requests.as_mut().zip(requests).map(|(requests, answers)| requests.add(&answers));
        let durations = durations.map(|answers| self.histogram.as_mut().zip(answers));
        let unanswered = durations.map(|durations| {
            let Some((histogram, answers)) = durations else { return };
            let is_alone = counted.is_none();
            let counted = counted.get_or_insert_default();
            histogram.add(&answers, counted);
            if is_alone {
                counted.values_mut().for_each(|requests| requests.total = requests.timed);
            }
        });
        for (ts, requests) in counted.into_iter().flatten() {
            time(ts).into_iter().for_each(|ts| evidence.count(ts, NAME, requests));
        }
        unanswered?;
        let control = self.control.as_mut().zip(control?).map(|(control, answers)| control.add(&answers));
        for (ts, requests) in control.into_iter().flatten().filter(|(_, requests)| requests.total > 0) {
            time(ts).into_iter().for_each(|ts| evidence.count_control(ts, NAME, requests));
        }
        self.polled = Some(server);
        Ok(())
    }

    /// Checks at the end that all counters exist and are scraped. Call it before a version is kept.
    pub(crate) async fn finish(&self, now: DateTime<Utc>) -> Result<()> {
        let now = self.polled.unwrap_or_else(|| self.clock.to_server(now));
        let query = Query {
            client: &self.client,
            service: &self.service,
            environment: &self.environment,
            range: OVERLAP,
            now,
        };
        if let Some(requests) = &self.requests {
            requests.finish(&query, now).await?;
        }
        if let Some(histogram) = &self.histogram {
            histogram.finish()?;
        }
        if let Some(control) = self.control.as_ref().filter(|control| !control.has_requests()) {
            note(&format!(
                "--control-query {}: Prometheus has no such series, so there is no control group",
                control.selector()
            ));
        }
        Ok(())
    }
}
