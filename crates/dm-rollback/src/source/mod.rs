//! Where the evidence comes from, as checked values; and how it is gathered.

pub mod args;

use std::io::{BufReader, stdin};
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::stream::Baseline;

use crate::evidence::{Asked, Evidence, Latency};
use args::SourceArgs;

/// Where the evidence comes from, and what it is weighed for.
#[derive(Debug)]
pub struct Sources {
    /// What it is weighed for.
    pub asked: Asked,
    /// The time between two lines that say how it stands.
    pub interval: Duration,
}

impl Sources {
    /// Checks what was typed.
    pub fn plan(args: &SourceArgs, error_rate: Option<f64>, now: DateTime<Utc>) -> Result<Self> {
        let latency = args.if_latency.map(|limit| Latency { limit, share: args.if_latency_share });
        let baseline = args.baseline_total.zip(args.baseline_errors);
        let baseline = baseline.map(|(total, errors)| Baseline { total, errors });
        if baseline.is_some_and(|baseline| baseline.errors > baseline.total) {
            bail!("--baseline-errors is more than --baseline-total");
        }
        let since = args.since.as_deref().map(|text| since(text, now)).transpose()?;
        let asked = Asked { error_rate, latency, since, baseline };
        Ok(Self { asked, interval: args.interval })
    }

    /// Gathers until the source ends, the time is over, or it is proof.
    pub fn gather(&self, _clock: &dyn Clock) -> Evidence {
        Evidence::read(BufReader::new(stdin().lock()), self.asked, |_| {})
    }
}

/// A time, or so long ago.
fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(ago) = common::duration::parse(text) {
        return Ok(now - ago);
    }
    match text.parse() {
        Ok(time) if time <= now => Ok(time),
        Ok(_) => bail!("--since {text}: that is still to come"),
        Err(_) => bail!("--since {text}: give a time such as 2026-01-01T12:00:00Z, or a duration such as 5m"),
    }
}
