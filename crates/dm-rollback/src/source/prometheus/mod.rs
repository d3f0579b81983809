//! Requests counted by Prometheus. It returns the raw samples of the counters; this module adds them up, so that the
//! counts are exact.

mod client;
mod counters;
mod discovery;
mod error_selector;
mod histogram;
mod pairing;
mod requests;
mod scope;
mod scrapes;
mod selector;
mod series;
mod status;
mod targets;
mod unit;

use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::identity::Identity;
use common::label::Label;
use secrecy::SecretString;
use url::Url;

use super::server_clock::ServerClock;
use crate::evidence::{Evidence, Requests};
use crate::report::note;
pub(crate) use client::Client;
use client::OVERLAP;
use discovery::Query;
use histogram::Histogram;
use pairing::Counted;
use requests::RequestCounters;
pub(crate) use selector::check_selector;
pub(super) use unit::Unit;

/// The name of this source in records and labels.
const NAME: &str = "prometheus";

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
    /// When the deployment began, by this machine's clock; `None` before the first poll.
    deployed: Option<DateTime<Utc>>,
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
        if queries.control.is_some() && queries.control == queries.total {
            bail!("--control-query and --total-query are the same: a group is never worse than itself");
        }
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
            deployed: None,
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
        let since = evidence.criteria().since.unwrap_or(self.begin);
        self.deployed.get_or_insert(since);
        let query = Query {
            client: &self.client,
            service: &self.service,
            environment: &self.environment,
            range: server - from + OVERLAP,
            since: self.clock.to_server(since),
            now: server,
        };
        let mut counted = match &mut self.requests {
            Some(requests) => requests.poll(&query).await?,
            None => Counted::new(),
        };
        // Errors count, even if durations or the control group cannot be queried.
        let durations = match &mut self.histogram {
            Some(histogram) => histogram.poll(&query, &mut counted).await,
            None => Ok(()),
        };
        if self.requests.is_none() {
            for requests in counted.values_mut() {
                requests.total = requests.timed;
            }
        }
        let clock = &self.clock;
        let in_time = |(ts, requests): (i64, Requests)| {
            let ts = clock.to_ours(DateTime::from_timestamp_millis(ts)?);
            (ts > self.begin).then_some((ts, requests))
        };
        // Errors count, even if the control group cannot be queried either.
        let control = match &mut self.control {
            Some(control) => control.poll(&query).await,
            None => Ok(Counted::new()),
        };
        let (control, failure) = control.map_or_else(|error| (Counted::new(), Err(error)), |it| (it, Ok(())));
        let own = counted.into_iter().filter_map(in_time).map(|(ts, requests)| (ts, false, requests));
        let control = control.into_iter().filter_map(in_time).map(|(ts, requests)| (ts, true, requests));
        let mut both: Vec<(DateTime<Utc>, bool, Requests)> = own.chain(control).collect();
        // In the order of time: a bucket is evaluated as soon as a later one begins.
        both.sort_by_key(|(ts, is_control, _)| (*ts, *is_control));
        for (ts, is_control, requests) in both {
            match is_control {
                false => evidence.count(ts, NAME, requests),
                true if requests.total > 0 => evidence.count_control(ts, NAME, requests),
                true => {}
            }
        }
        failure?;
        durations?;
        self.polled = Some(server);
        Ok(())
    }

    /// Checks at the end that all counters exist and are scraped. Call it before a version is kept. What is judged began at
    /// `since`.
    pub(crate) async fn finish(&self, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
        let now = self.polled.unwrap_or_else(|| self.clock.to_server(now));
        let deployed = self.clock.to_server(self.deployed.unwrap_or(self.begin));
        let query = Query {
            client: &self.client,
            service: &self.service,
            environment: &self.environment,
            range: OVERLAP,
            since: since.map_or(deployed, |since| self.clock.to_server(since)),
            now,
        };
        if let Some(requests) = &self.requests {
            requests.finish(&query, deployed).await?;
        }
        if let Some(histogram) = &self.histogram {
            histogram.finish(&query, deployed).await?;
        }
        if let Some(control) = self.control.as_ref().filter(|control| !control.has_requests()) {
            bail!(
                "--control-query {}: Prometheus has no such series, so there is no control group to compare with",
                control.selector()
            );
        }
        Ok(())
    }
}
