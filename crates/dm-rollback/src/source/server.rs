//! Polls a server while the watch lasts.

use std::time::Duration;

use anyhow::Result;
use child_process::ShutdownSignals;
use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;

use super::alerts::Alerts;
use super::prometheus::Prometheus;
use super::railway::Railway;
use super::unusable::Unusable;
use crate::evidence::{Criteria, Evidence};
use crate::report::note;

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

    async fn finish(&mut self, now: DateTime<Utc>) -> Result<()> {
        match self {
            Self::Prometheus(prometheus) => prometheus.finish(now).await,
            Self::Railway(_) | Self::None => Ok(()),
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
    loop {
        let result = server.poll(&mut evidence, clock).await;
        if let Some(alerts) = alerts {
            evidence.alert = Some(alerts.check(clock).await);
        }
        if evidence.is_bad() || evidence.damage.is_some() {
            break;
        }
        let remaining = watch.saturating_sub(stopwatch.elapsed(clock));
        // A watch that ends early because the version is good needs the same checks at its end as any other.
        let is_over = remaining.is_zero() || evidence.is_decisive();
        match result {
            Ok(()) => on_progress(&evidence),
            Err(error) if is_over => evidence.damage = Some(format!("{error:#}")),
            Err(error) => note(&format!("{error:#}; retrying")),
        }
        if is_over {
            if let Err(error) = server.finish(clock.now()).await {
                evidence.damage.get_or_insert(format!("{error:#}"));
            }
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(interval.min(remaining)) => {}
            _ = signals.next() => {
                let elapsed = format_duration(stopwatch.elapsed(clock));
                evidence.damage = Some(format!("the watch was interrupted after {elapsed} of {}", format_duration(watch)));
                break;
            }
        }
    }
    evidence.finish();
    Ok(evidence)
}
