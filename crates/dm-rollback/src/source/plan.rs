//! Validates the flags of the sources.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDateTime, Utc};
use common::args::non_empty;
use common::env;
use common::http::parse_url;
use common::identity::Identity;
use common::records::Baseline;
use common::secrets;
use common::watch_time::WatchTime;
use url::Url;

use super::alert_labels::AlertLabels;
use super::alert_start::AlertStarts;
use super::alerts::Alerts;
use super::args::{AnyUrl, SourceArgs};
use super::prometheus::{Client, Prometheus, Queries};
use super::railway::Railway;
use super::server::Server;
use super::{Origin, Sources};
use crate::evidence::{Criteria, Latency};

/// The default duration of a watch.
const WATCH: WatchTime = WatchTime { min: Some(Duration::from_mins(1)), max: Duration::from_mins(10) };

/// The value of `--since` with which every line of a log counts.
const ALL: &str = "all";

/// The conditions that need a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    /// The share of failed requests that is allowed, in percent.
    pub error_rate: Option<f64>,
    /// Whether the health check decides.
    pub health_fails: bool,
    /// Whether the smoke tests decide.
    pub smoke_fails: bool,
}

impl Sources {
    /// Validates the flags.
    pub(crate) fn plan(
        args: &SourceArgs,
        conditions: Conditions,
        identity: &Identity,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let error_rate = conditions.error_rate;
        let latency = args.if_latency.map(|limit| Latency { limit, share: args.if_latency_share });
        let baseline = args.baseline_total.zip(args.baseline_errors);
        let baseline = baseline.map(|(total, errors)| Baseline { total, errors });
        if baseline.is_some_and(|counts| counts.errors > counts.total) {
            bail!("--baseline-errors is more than --baseline-total");
        }
        // Every line of a log counts if the caller says so.
        let is_all = args.since.as_deref() == Some(ALL);
        let since =
            args.since.as_deref().filter(|_| !is_all).map(|text| parse_since(text, now)).transpose()?;
        let alerts = alerts(args, identity, since.unwrap_or(now))?;
        let origin = origin(args, conditions, alerts.is_some(), identity, since.unwrap_or(now))?;
        check(args, conditions, &origin)?;
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
        let criteria = Criteria {
            error_rate,
            latency,
            outage: conditions.health_fails,
            since: since.or(is_live.then_some(now)),
            baseline,
            watch_min: origin.watch().and_then(|watch| watch.min),
            bucket: args.bucket,
            has_control: args.control_query.is_some(),
            control_tolerance: args.control_tolerance,
            ..Criteria::default()
        };
        Ok(Self { criteria, origin, alerts, interval: args.interval })
    }
}

fn origin(
    args: &SourceArgs,
    conditions: Conditions,
    has_alerts: bool,
    identity: &Identity,
    since: DateTime<Utc>,
) -> Result<Origin> {
    let by_requests = conditions.error_rate.is_some() || args.if_latency.is_some();
    let by_stream = conditions.health_fails || conditions.smoke_fails;
    let watch = args.watch.unwrap_or(WATCH);
    let only_alerts = has_alerts && !by_stream && !by_requests && !args.railway;
    if only_alerts && args.total_query.is_none() {
        // Prometheus is only asked when the condition of an alert began.
        return Ok(Origin::Server { server: Server::None, watch });
    }
    if args.prometheus.is_some() || args.railway {
        let server = server(args, identity, since, conditions.error_rate.is_some())?;
        return Ok(Origin::Server { server, watch });
    }
    if args.access_log.is_some() {
        return Ok(Origin::AccessLog { watch: args.watch, log: args.log.clone() });
    }
    Ok(Origin::Stream(None))
}

/// Checks that the source has what the conditions need.
fn check(args: &SourceArgs, conditions: Conditions, origin: &Origin) -> Result<()> {
    let by_requests = conditions.error_rate.is_some() || args.if_latency.is_some();
    match origin {
        Origin::Stream(_) if args.watch.is_some() => bail!(
            "--watch applies to --prometheus, --railway, --access-log and --if-alert: a stream ends by itself"
        ),
        Origin::AccessLog { .. } | Origin::Server { .. }
            if conditions.health_fails || conditions.smoke_fails =>
        {
            bail!(
                "--if-health-fails and --if-smoke-fails need a stream on stdin, but another source was given"
            )
        }
        Origin::Server { server: Server::Railway(_), .. } if args.if_latency.is_some() => bail!(
            "--if-latency needs the duration of each request: from a stream, --access-log or --prometheus"
        ),
        Origin::Server { server: Server::Prometheus(_) | Server::Railway(_), .. } if !by_requests => {
            bail!("requests are counted, but no condition uses them: add --if-error-rate")
        }
        _ => Ok(()),
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
    let url = prometheus_url(args)?.context("--prometheus without a URL needs PROMETHEUS_URL")?;
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

/// Parses a time, or a duration before now.
pub(crate) fn parse_since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    if let Ok(ago) = common::duration::parse(text) {
        return Ok(now - ago);
    }
    match text.parse() {
        Ok(time) if time <= now => Ok(time),
        Ok(_) => bail!("--since {text}: this time is in the future"),
        Err(_) if text.starts_with('-') && common::duration::parse(&text[1..]).is_ok() => {
            bail!("--since {text}: a duration is before now already: give {}", &text[1..])
        }
        Err(_) if text.parse::<NaiveDateTime>().is_ok() => {
            bail!(
                "--since {text}: the time zone is missing: give {text}Z if it is UTC, or an offset such as +02:00"
            )
        }
        Err(_) => bail!("--since {text}: give a time such as 2026-01-01T12:00:00Z, or a duration such as 5m"),
    }
}
