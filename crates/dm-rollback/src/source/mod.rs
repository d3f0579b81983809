//! The sources of the evidence, as validated values, and how the evidence is gathered.

mod access_log;
pub(crate) mod alert_labels;
pub(crate) mod alert_start;
mod alerts;
pub(crate) mod args;
mod counters;
mod prometheus;
mod prometheus_client;
mod railway;
mod scrapes;
mod server;

use std::io::{BufReader, stdin};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use common::args::non_empty;
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use common::env;
use common::http::parse_url;
use common::identity::Identity;
use common::records::Baseline;
use common::runtime::block_on;
use common::secrets;
use url::Url;

use crate::decision::sequential_test::SequentialTest;
use crate::evidence::{Alert, Criteria, Evidence, Latency};
use crate::report::note;
use alert_labels::AlertLabels;
use alert_start::AlertStarts;
use alerts::Alerts;
use args::{AnyUrl, SourceArgs};
use prometheus::{Prometheus, check_selector};
use prometheus_client::Client;
use railway::Railway;
use server::Server;

/// The default duration of a watch.
const WATCH: Duration = Duration::from_mins(5);

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
    Stream,
    AccessLog { watch: Option<Duration> },
    Server { server: Server, watch: Duration },
}

impl Sources {
    /// Validates the flags. `stream` is true if a condition depends on the exit code of the producer of a stream.
    pub fn plan(
        args: &SourceArgs,
        error_rate: Option<f64>,
        stream: bool,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let latency = args.if_latency.map(|limit| Latency { limit, share: args.if_latency_share });
        let baseline = args.baseline_total.zip(args.baseline_errors);
        let baseline = baseline.map(|(total, errors)| Baseline { total, errors });
        if baseline.is_some_and(|counts| counts.errors > counts.total) {
            bail!("--baseline-errors is more than --baseline-total");
        }
        let since = args.since.as_deref().map(|text| since(text, now)).transpose()?;
        let alerts = alerts(args, identity, since.unwrap_or(now))?;
        let by_requests = error_rate.is_some() || latency.is_some();
        let only_alerts = !stream && !by_requests && alerts.is_some() && !args.railway;
        let origin = if only_alerts && args.total_query.is_none() {
            // Prometheus is only asked when the condition of an alert began.
            Origin::Server { server: Server::None, watch: args.watch.unwrap_or(WATCH) }
        } else if args.prometheus.is_some() || args.railway {
            let server = server(args, identity, since.unwrap_or(now))?;
            Origin::Server { server, watch: args.watch.unwrap_or(WATCH) }
        } else if args.access_log.is_some() {
            Origin::AccessLog { watch: args.watch }
        } else {
            Origin::Stream
        };
        match &origin {
            Origin::Stream if args.watch.is_some() => {
                bail!(
                    "--watch applies to --prometheus, --railway, --access-log and --if-alert: a stream ends by itself"
                )
            }
            Origin::AccessLog { .. } | Origin::Server { .. } if stream => {
                bail!(
                    "--if-health-fails and --if-smoke-fails need a stream on stdin, but another source was given"
                )
            }
            Origin::Server { server: Server::Prometheus(_) | Server::Railway(_), .. }
                if latency.is_some() =>
            {
                bail!("--if-latency needs the duration of each request: from a stream or --access-log")
            }
            Origin::Server { server: Server::Prometheus(_) | Server::Railway(_), .. }
                if error_rate.is_none() =>
            {
                bail!("requests are counted, but no condition uses them: add --if-error-rate")
            }
            _ => {}
        }
        let is_server = matches!(origin, Origin::Server { .. });
        // Without a baseline, requests before the deployment are ignored.
        let baseline = baseline.or((is_server && args.baseline.is_zero()).then(Baseline::default));
        let is_live = is_server || args.watch.is_some();
        let since = since.or(is_live.then_some(now));
        let criteria = Criteria { error_rate, latency, since, baseline };
        Ok(Self { criteria, origin, alerts, interval: args.interval })
    }

    /// Whether the evidence is read from stdin.
    pub fn reads_stdin(&self) -> bool {
        !matches!(self.origin, Origin::Server { .. })
    }

    /// Gathers evidence until the source ends, the time is up, or the evidence is decisive. Reports its progress.
    pub fn gather(&mut self, clock: &dyn Clock) -> Result<Evidence> {
        let stopwatch = Stopwatch::start(clock);
        let (interval, mut last_note) = (self.interval, Duration::ZERO);
        let on_progress = |evidence: &Evidence| {
            let now = stopwatch.elapsed(clock);
            if now.saturating_sub(last_note) >= interval {
                last_note = now;
                note(&format!("after {}: {}", format_duration(now), progress(evidence)));
            }
        };
        match &mut self.origin {
            Origin::Server { server, watch } => {
                let times = (*watch, interval);
                let alerts = self.alerts.as_ref();
                block_on(server::watch(server, alerts, self.criteria, times, clock, on_progress))?
            }
            Origin::Stream => {
                let input = BufReader::with_capacity(BUFFER_BYTES, stdin().lock());
                let mut evidence = Evidence::read(input, self.criteria, on_progress);
                self.check_alerts(&mut evidence, clock)?;
                Ok(evidence)
            }
            Origin::AccessLog { watch } => {
                let mut evidence = access_log::read(self.criteria, *watch, clock, on_progress);
                self.check_alerts(&mut evidence, clock)?;
                Ok(evidence)
            }
        }
    }

    /// Checks the alerts once, unless the evidence is decisive already.
    fn check_alerts(&self, evidence: &mut Evidence, clock: &dyn Clock) -> Result<()> {
        if let Some(alerts) = self.alerts.as_ref().filter(|_| !evidence.is_decisive()) {
            evidence.alert = Some(block_on(alerts.check(clock))?);
        }
        Ok(())
    }
}

fn alerts(args: &SourceArgs, identity: &Identity, since: DateTime<Utc>) -> Result<Option<Alerts>> {
    if args.if_alert.is_empty() {
        return Ok(None);
    }
    let AnyUrl(url) = non_empty(args.alertmanager_url.as_ref())
        .context("--if-alert needs --alertmanager-url or ALERTMANAGER_URL")?;
    let labels = AlertLabels::new(&args.alert_match, identity);
    Ok(Some(Alerts::new(url, args.if_alert.clone(), labels, alert_starts(args)?, since)))
}

/// How to find out when the condition of an alert began: any Prometheus that is known may be asked.
pub(crate) fn alert_starts(args: &SourceArgs) -> Result<AlertStarts> {
    let token = secrets::read(non_empty(args.prometheus_token.as_ref()))?;
    let client = prometheus_url(args)?.map(|url| Client::new(url, token.as_ref())).transpose()?;
    Ok(AlertStarts::new(client, args.alert_for))
}

/// The Prometheus of the flag, otherwise that of the variable.
fn prometheus_url(args: &SourceArgs) -> Result<Option<Url>> {
    if let Some(Some(url)) = &args.prometheus {
        return Ok(Some(url.clone()));
    }
    let url = env::system("PROMETHEUS_URL").map(|text| parse_url(&text)).transpose();
    url.map_err(anyhow::Error::msg).context("PROMETHEUS_URL")
}

fn server(args: &SourceArgs, identity: &Identity, since: DateTime<Utc>) -> Result<Server> {
    let from = since - args.baseline;
    if args.railway {
        let railway = Railway::from_env(args.railway_url.clone(), &env::system, from)?;
        return Ok(Server::Railway(Box::new(railway)));
    }
    let url = prometheus_url(args)?.context("--prometheus without a URL needs PROMETHEUS_URL")?;
    for (flag, selector) in [("--total-query", &args.total_query), ("--error-query", &args.error_query)] {
        selector.as_deref().map_or(Ok(()), |selector| check_selector(flag, selector))?;
    }
    let token = secrets::read(non_empty(args.prometheus_token.as_ref()))?;
    let prometheus = Prometheus::new(url, token.as_ref(), identity.service.clone(), from)?;
    let prometheus = prometheus.with_queries(args.total_query.clone(), args.error_query.clone());
    Ok(Server::Prometheus(Box::new(prometheus)))
}

/// The current counts and evidence of each source.
fn progress(evidence: &Evidence) -> String {
    let mut parts = Vec::new();
    for (name, observation) in evidence.observations() {
        for (counts, bad) in [(&observation.errors, "failed"), (&observation.slow, "were slow")] {
            if let (Some(percent), Some(test)) = (counts.percent(), &counts.test) {
                let (count, total) = (counts.bad, counts.total);
                let proof = format!("evidence {:.1} of {:.1}", test.evidence(), SequentialTest::needed());
                parts.push(format!("{count} of {total} requests {bad} ({name}, {percent:.1} %), {proof}"));
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

/// Parses a time, or a duration before now.
pub(crate) fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(ago) = common::duration::parse(text) {
        return Ok(now - ago);
    }
    match text.parse() {
        Ok(time) if time <= now => Ok(time),
        Ok(_) => bail!("--since {text}: this time is in the future"),
        Err(_) => bail!("--since {text}: give a time such as 2026-01-01T12:00:00Z, or a duration such as 5m"),
    }
}
