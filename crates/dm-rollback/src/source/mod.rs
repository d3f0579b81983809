//! The sources of the evidence, as validated values, and how the evidence is gathered.

mod access_log;
mod alerts;
pub(crate) mod args;
mod input;
mod prometheus;
mod railway;
mod server;
mod server_clock;
mod unusable;

use std::io::BufReader;
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

use crate::decision::rate_test::RateTest;
use crate::evidence::{Alert, Criteria, Evidence, Latency, Subject};
use crate::report::note;
use access_log::args::LogArgs;
use alerts::Alerts;
use args::{AnyUrl, SourceArgs};
use input::Input;
use prometheus::{Prometheus, Queries};
use railway::Railway;
use server::Server;

/// The default duration of a watch.
const WATCH: Duration = Duration::from_mins(5);

/// The value of `--since` with which every line of a log counts.
const ALL: &str = "all";

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
    AccessLog { watch: Option<Duration>, log: LogArgs },
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
        // Every line of a log counts if the caller says so.
        let is_all = args.since.as_deref() == Some(ALL);
        let since = args.since.as_deref().filter(|_| !is_all).map(|text| since(text, now)).transpose()?;
        let alerts = alerts(args, identity, since.unwrap_or(now))?;
        let by_requests = error_rate.is_some() || latency.is_some();
        let origin =
            if args.prometheus.is_some() || args.railway || (!stream && !by_requests && alerts.is_some()) {
                let server = server(args, identity, since.unwrap_or(now), error_rate.is_some())?;
                Origin::Server { server, watch: args.watch.unwrap_or(WATCH) }
            } else if args.access_log.is_some() {
                Origin::AccessLog { watch: args.watch, log: args.log.clone() }
            } else {
                Origin::Stream(None)
            };
        match &origin {
            Origin::Stream(_) if args.watch.is_some() => {
                bail!(
                    "--watch applies to --prometheus, --railway, --access-log and --if-alert: a stream ends by itself"
                )
            }
            Origin::AccessLog { .. } | Origin::Server { .. } if stream => {
                bail!(
                    "--if-health-fails and --if-smoke-fails need a stream on stdin, but another source was given"
                )
            }
            Origin::Server { server: Server::Railway(_), .. } if latency.is_some() => {
                bail!(
                    "--if-latency needs the duration of each request: from a stream, --access-log or --prometheus"
                )
            }
            Origin::Server { server: Server::Prometheus(_) | Server::Railway(_), .. } if !by_requests => {
                bail!("requests are counted, but no condition uses them: add --if-error-rate")
            }
            _ => {}
        }
        match &origin {
            Origin::AccessLog { watch: None, .. } if since.is_none() && !is_all => bail!(
                "--access-log without --watch reads all lines of the log, also those from before the deployment: give --since TIME, or --since {ALL} to count all of them"
            ),
            Origin::AccessLog { watch: None, .. } => {}
            _ if is_all => bail!(
                "--since {ALL} applies to an access log without --watch: give the time when the deployment began"
            ),
            _ => {}
        }
        let is_server = matches!(origin, Origin::Server { .. });
        // Without a baseline, requests before the deployment are ignored.
        let baseline = baseline.or((is_server && args.baseline.is_zero()).then(Baseline::default));
        let is_live = is_server || args.watch.is_some();
        let since = since.or(is_live.then_some(now));
        let criteria = Criteria { error_rate, latency, since, baseline, ..Criteria::default() };
        Ok(Self { criteria, origin, alerts, interval: args.interval })
    }

    /// Whether the evidence is read from stdin.
    pub fn reads_stdin(&self) -> bool {
        !matches!(self.origin, Origin::Server { .. })
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
        match &mut self.origin {
            Origin::Server { server, watch } => {
                let times = (*watch, interval);
                let alerts = self.alerts.as_ref();
                block_on(server::watch(server, alerts, self.criteria, times, clock, on_progress))?
            }
            Origin::Stream(input) => {
                let stdin = Input::stdin().context("cannot read stdin")?;
                let input = input.insert(BufReader::with_capacity(BUFFER_BYTES, stdin));
                let mut evidence = Evidence::read(input, self.criteria, subject, clock, on_progress);
                self.check_alerts(&mut evidence)?;
                Ok(evidence)
            }
            Origin::AccessLog { watch, log } => {
                let mut evidence = access_log::read(self.criteria, log, *watch, clock, on_progress);
                self.check_alerts(&mut evidence)?;
                Ok(evidence)
            }
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
            Origin::AccessLog { .. } => Ok(access_log::read(criteria, Some(limit), clock, ignore)),
        }
    }

    /// Checks the alerts once, unless the evidence is decisive already.
    fn check_alerts(&self, evidence: &mut Evidence) -> Result<()> {
        if let Some(alerts) = self.alerts.as_ref().filter(|_| !evidence.is_decisive()) {
            evidence.alert = Some(block_on(alerts.check())?);
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
    Ok(Some(Alerts::new(url, args.if_alert.clone(), identity, since)))
}

fn server(
    args: &SourceArgs,
    identity: &Identity,
    since: DateTime<Utc>,
    counts_requests: bool,
) -> Result<Server> {
    let from = since - args.baseline;
    if args.railway {
        let railway = Railway::from_env(args.railway_url.clone(), &env::system, from)?;
        return Ok(Server::Railway(Box::new(railway)));
    }
    let Some(prometheus) = &args.prometheus else { return Ok(Server::None) };
    let url = if let Some(url) = prometheus {
        url.clone()
    } else {
        let text =
            env::system("PROMETHEUS_URL").context("--prometheus without a URL needs PROMETHEUS_URL")?;
        parse_url(&text).map_err(anyhow::Error::msg).context("PROMETHEUS_URL")?
    };
    let token = secrets::read(non_empty(args.prometheus_token.as_ref()))?;
    let queries = Queries {
        counts_requests: counts_requests || args.total_query.is_some(),
        total: args.total_query.clone(),
        error: args.error_query.clone(),
        latency: args.if_latency,
        latency_query: args.latency_query.clone(),
        latency_unit: args.latency_unit,
        control: args.control_query.clone(),
        control_error: args.control_error_query.clone(),
    };
    let prometheus = Prometheus::new(url, token.as_ref(), identity, from, queries)?;
    Ok(Server::Prometheus(Box::new(prometheus)))
}

/// The current counts and evidence of each source.
fn progress(evidence: &Evidence) -> String {
    let mut parts = Vec::new();
    for (name, observation) in evidence.observations() {
        for (counts, bad) in [(&observation.errors, "failed"), (&observation.slow, "were slow")] {
            if let (Some(percent), Some(evidence)) = (counts.percent(), counts.evidence()) {
                let (count, total) = (counts.bad, counts.total);
                let proof = format!("evidence {evidence:.1} of {:.1}", RateTest::needed());
                parts.push(format!("{count} of {total} requests {bad} ({name}, {percent:.1} %), {proof}"));
            }
        }
    }
    match &evidence.alert {
        Some(Alert::Unknown(why)) => parts.push(why.clone()),
        Some(Alert::FiredBefore(name)) => parts.push(format!("{name} already fired before the deployment")),
        Some(Alert::Firing(_) | Alert::Quiet) | None => {}
    }
    if parts.is_empty() { "no requests were observed".to_owned() } else { parts.join("; ") }
}

/// Parses a time, or a duration before now.
fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(ago) = common::duration::parse(text) {
        return Ok(now - ago);
    }
    match text.parse() {
        Ok(time) if time <= now => Ok(time),
        Ok(_) => bail!("--since {text}: this time is in the future"),
        Err(_) => bail!("--since {text}: give a time such as 2026-01-01T12:00:00Z, or a duration such as 5m"),
    }
}
