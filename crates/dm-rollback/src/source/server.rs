//! A server that is asked again and again, for as long as the watch lasts.

use std::time::Duration;

use anyhow::Result;
use child_process::ShutdownSignals;
use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;

use super::alerts::Alerts;
use super::prometheus::Prometheus;
use super::railway::Railway;
use crate::evidence::{Asked, Evidence};
use crate::report::note;

/// Who counts the requests.
#[derive(Debug)]
pub enum Server {
    /// A Prometheus.
    Prometheus(Box<Prometheus>),
    /// Railway's own metrics.
    Railway(Box<Railway>),
    /// Nobody: only alerts are asked about.
    Nobody,
}

impl Server {
    async fn poll(&mut self, evidence: &mut Evidence, now: DateTime<Utc>) -> Result<()> {
        match self {
            Self::Prometheus(prometheus) => prometheus.poll(evidence, now).await,
            Self::Railway(railway) => railway.poll(evidence, now).await,
            Self::Nobody => Ok(()),
        }
    }

    async fn finish(&mut self, now: DateTime<Utc>) -> Result<()> {
        match self {
            Self::Prometheus(prometheus) => prometheus.finish(now).await,
            Self::Railway(_) | Self::Nobody => Ok(()),
        }
    }
}

/// Asks every `interval`, until `watch` is over or it is proof. A question that fails is asked again: what it would have
/// told is told by the next. One that fails at the end leaves a gap, and then nothing is decided.
pub async fn watch(
    server: &mut Server,
    alerts: Option<&Alerts>,
    asked: Asked,
    (watch, interval): (Duration, Duration),
    clock: &dyn Clock,
    mut looked: impl FnMut(&Evidence),
) -> Result<Evidence> {
    let mut signals = ShutdownSignals::watch()?;
    let mut evidence = Evidence::new(asked);
    let stopwatch = Stopwatch::start(clock);
    loop {
        let answered = server.poll(&mut evidence, clock.now()).await;
        if let Some(alerts) = alerts {
            evidence.alert = Some(alerts.look().await);
        }
        if evidence.is_decisive() || evidence.damage.is_some() {
            break;
        }
        let left = watch.saturating_sub(stopwatch.elapsed(clock));
        let over = left.is_zero();
        match answered {
            Ok(()) => looked(&evidence),
            Err(error) if over => evidence.damage = Some(format!("{error:#}")),
            Err(error) => note(&format!("{error:#}; asking again")),
        }
        if over {
            if let Err(error) = server.finish(clock.now()).await {
                evidence.damage.get_or_insert(format!("{error:#}"));
            }
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(interval.min(left)) => {}
            _ = signals.next() => {
                let seen = format_duration(stopwatch.elapsed(clock));
                evidence.damage = Some(format!("it was stopped after {seen} of {}", format_duration(watch)));
                break;
            }
        }
    }
    evidence.finish();
    Ok(evidence)
}
