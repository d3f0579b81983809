//! Polls a server while the watch lasts.

use std::time::Duration;

use anyhow::{Result, bail};
use child_process::ShutdownSignals;
use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;

use super::alerts::Alerts;
use super::prometheus::Prometheus;
use super::railway::Railway;
use super::unusable::Unusable;
use crate::evidence::{Criteria, Evidence};
use crate::notify::alertmanager::Muted;
use crate::report::note;

/// How long the queries of a poll may last beyond the end of the watch.
const LAST_POLL: Duration = Duration::from_secs(20);

/// The server that counts the requests.
#[derive(Debug)]
pub(crate) enum Server {
    /// Prometheus.
    Prometheus(Box<Prometheus>),
    /// Railway's metrics.
    Railway(Box<Railway>),
    /// No server: only alerts are checked.
    None,
}

impl Server {
    async fn poll(&mut self, evidence: &mut Evidence, clock: &dyn Clock) -> Result<()> {
        let result = match self {
            Self::Prometheus(prometheus) => prometheus.poll(evidence, clock).await,
            Self::Railway(railway) => railway.poll(evidence, clock).await,
            Self::None => Ok(()),
        };
        // The next query would not be answered differently.
        if let Err(error) = &result
            && let Some(why) = error.downcast_ref::<Unusable>()
        {
            evidence.damage.get_or_insert(why.to_string());
            return Ok(());
        }
        result
    }

    async fn finish(&mut self, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
        match self {
            Self::Prometheus(prometheus) => prometheus.finish(since, now).await,
            Self::Railway(railway) => railway.finish(now),
            Self::None => Ok(()),
        }
    }

    /// One poll of everything, in time: an answer that comes after the end of the watch is of no use.
    async fn poll_all(
        &mut self,
        alerts: Option<&Alerts>,
        evidence: &mut Evidence,
        limit: Duration,
        clock: &dyn Clock,
    ) -> Result<()> {
        let poll = async {
            let result = self.poll(evidence, clock).await;
            if let Some(alerts) = alerts {
                evidence.alert = Some(alerts.check(Muted::Excluded, clock).await);
            }
            result
        };
        match tokio::time::timeout(limit, poll).await {
            Ok(result) => result,
            Err(_) => bail!("the server's answers took longer than {}", format_duration(limit)),
        }
    }
}

/// Polls every `interval`, until `watch` is over or the evidence is decisive. A failed query is retried, and the next one
/// returns the data that it missed. If the last query fails, data is missing, and the evidence decides nothing.
pub(crate) async fn watch(
    server: &mut Server,
    alerts: Option<&Alerts>,
    criteria: Criteria,
    (watch, interval): (Duration, Duration),
    clock: &dyn Clock,
    mut on_progress: impl FnMut(&Evidence),
) -> Result<Evidence> {
    let mut signals = ShutdownSignals::watch()?;
    let mut evidence = Evidence::new(criteria);
    let stopwatch = Stopwatch::start(clock);
    let is_complete = tokio::select! {
        () = watch_on(server, alerts, &mut evidence, (watch, interval), &stopwatch, clock, &mut on_progress) => true,
        _ = signals.next() => false,
    };
    if !is_complete {
        let elapsed = format_duration(stopwatch.elapsed(clock));
        evidence.damage =
            Some(format!("the watch was interrupted after {elapsed} of {}", format_duration(watch)));
    }
    evidence.finish();
    Ok(evidence)
}

async fn watch_on(
    server: &mut Server,
    alerts: Option<&Alerts>,
    evidence: &mut Evidence,
    (watch, interval): (Duration, Duration),
    stopwatch: &Stopwatch,
    clock: &dyn Clock,
    on_progress: &mut impl FnMut(&Evidence),
) {
    let remaining = || watch.saturating_sub(stopwatch.elapsed(clock));
    loop {
        let result = server.poll_all(alerts, evidence, remaining() + LAST_POLL, clock).await;
        if evidence.is_bad() || evidence.damage.is_some() {
            return;
        }
        // A watch that ends early because the version is good needs the same checks at its end as any other.
        let is_over = remaining().is_zero() || evidence.is_decisive();
        match result {
            Ok(()) => on_progress(evidence),
            Err(error) if is_over => evidence.damage = Some(format!("{error:#}")),
            Err(error) => note(&format!("{error:#}; retrying")),
        }
        if is_over {
            let since = evidence.criteria().since;
            if let Err(error) = server.finish(since, clock.now()).await {
                evidence.damage.get_or_insert(format!("{error:#}"));
            }
            return;
        }
        tokio::time::sleep(interval.min(remaining())).await;
    }
}
