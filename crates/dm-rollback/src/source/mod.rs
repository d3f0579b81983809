//! The sources of the evidence, as validated values, and how the evidence is gathered.

mod access_log;
pub(crate) mod alert_labels;
pub(crate) mod alert_start;
mod alerts;
pub(crate) mod args;
mod input;
mod plan;
mod prometheus;
mod railway;
mod server;
mod server_clock;
mod unusable;

use std::io::BufReader;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use common::runtime::block_on;
use common::watch_time::WatchTime;

use crate::decision::rate_test::RateTest;
use crate::evidence::{Alert, Criteria, Evidence, Subject, source_label};
use crate::notify::alertmanager::{Alertmanager, Muted};
use crate::report::note;
use access_log::args::LogArgs;
use alerts::Alerts;
use input::Input;
pub(crate) use plan::{Conditions, alert_starts, parse_since};
use server::Server;

/// The size of the read buffer: large, because a stream may have millions of lines.
const BUFFER_BYTES: usize = 256 * 1024;

/// The sources of the evidence, and the limits that it is tested against.
#[derive(Debug)]
pub struct Sources {
    /// The limits that the evidence is tested against.
    pub criteria: Criteria,
    origin: Origin,
    alerts: Option<Alerts>,
    interval: Duration,
}

#[derive(Debug)]
enum Origin {
    Stream(Option<BufReader<Input>>),
    AccessLog { watch: Option<WatchTime>, log: LogArgs },
    Server { server: Server, watch: WatchTime },
}

impl Origin {
    fn watch(&self) -> Option<WatchTime> {
        match self {
            Self::Stream(_) => None,
            Self::AccessLog { watch, .. } => *watch,
            Self::Server { watch, .. } => Some(*watch),
        }
    }
}

impl Sources {
    /// Whether the evidence is read from stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        !matches!(self.origin, Origin::Server { .. })
    }

    /// Whether the evidence is a stream of records.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.origin, Origin::Stream(_))
    }

    /// Gathers evidence until the source ends, the time is up, or the evidence is decisive. Reports its progress.
    pub(crate) fn gather(&mut self, subject: &Subject, clock: &dyn Clock) -> Result<Evidence> {
        let stopwatch = Stopwatch::start(clock);
        let (interval, mut last_note) = (self.interval, Duration::ZERO);
        let on_progress = |evidence: &Evidence| {
            let now = stopwatch.elapsed(clock);
            if now.saturating_sub(last_note) >= interval {
                last_note = now;
                note(&format!("after {}: {}", format_duration(now), progress(evidence)));
            }
        };
        let alerts = self.alerts.as_ref();
        let mut evidence = match &mut self.origin {
            Origin::Server { server, watch } => {
                let times = (watch.max, interval);
                return block_on(server::watch(server, alerts, self.criteria, times, clock, on_progress))?;
            }
            Origin::Stream(input) => {
                let stdin = Input::stdin().context("cannot read stdin")?;
                let input = input.insert(BufReader::with_capacity(BUFFER_BYTES, stdin));
                Evidence::read(input, self.criteria, subject, clock, on_progress)
            }
            Origin::AccessLog { watch, log } => {
                let watch = watch.map(|watch| watch.max);
                access_log::read(self.criteria, log, watch, subject.allow_recording, clock, on_progress)
            }
        };
        // Checked once, unless the evidence proves a bad version already.
        if let Some(alerts) = alerts.filter(|_| !evidence.is_bad()) {
            evidence.alert = Some(block_on(alerts.check(Muted::Excluded, clock))?);
        }
        Ok(evidence)
    }

    /// The Alertmanager that knows the requested alerts.
    pub(crate) fn alertmanager(&self) -> Option<&Alertmanager> {
        self.alerts.as_ref().map(Alerts::alertmanager)
    }

    /// Whether one of the requested alerts fires, even if it is silenced.
    pub(crate) async fn is_alert_firing(&self, clock: &dyn Clock) -> Result<bool> {
        match &self.alerts {
            Some(alerts) => {
                let alert = alerts.check(Muted::Included, clock).await;
                Ok(matches!(alert, Alert::Firing(_) | Alert::Unknown(_)))
            }
            None => bail!("no alert is known"),
        }
    }

    /// Measures again, by other criteria, until they are proven or the time is up. If stdin ends sooner, so does the
    /// measurement.
    pub(crate) fn measure(
        &mut self,
        criteria: Criteria,
        limit: Duration,
        subject: &Subject,
        clock: &dyn Clock,
    ) -> Result<Evidence> {
        let ignore = |_: &Evidence| {};
        match &mut self.origin {
            Origin::Server { server, .. } => {
                block_on(server::watch(server, None, criteria, (limit, self.interval), clock, ignore))?
            }
            Origin::Stream(Some(input)) => {
                input.get_mut().end_after(limit);
                Ok(Evidence::read_on(input, criteria, subject, clock))
            }
            Origin::Stream(None) => Ok(Evidence::new(criteria)),
            Origin::AccessLog { log, .. } => {
                Ok(access_log::read(criteria, log, Some(limit), true, clock, ignore))
            }
        }
    }
}

/// The current counts and evidence of each source.
fn progress(evidence: &Evidence) -> String {
    let mut parts = Vec::new();
    for (name, observation) in evidence.observations() {
        for (counts, bad) in [(&observation.errors, "failed"), (&observation.slow, "were slow")] {
            if let (Some(percent), Some(evidence)) = (counts.percent(), counts.evidence()) {
                let (count, total) = (counts.bad, counts.total);
                let proof = format!("evidence {evidence:.1} of {:.1}", RateTest::needed());
                let source = source_label(name);
                parts.push(format!("{count} of {total} requests {bad} ({source}, {percent:.1} %), {proof}"));
            }
        }
    }
    match &evidence.alert {
        Some(Alert::Unknown(why) | Alert::FiredBefore(why) | Alert::Elsewhere(why)) => {
            parts.push(why.clone());
        }
        Some(Alert::Firing(_) | Alert::Quiet) | None => {}
    }
    if parts.is_empty() { "no requests were observed".to_owned() } else { parts.join("; ") }
}
