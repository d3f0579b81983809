//! The flags for the sources of the evidence, and for the conditions besides errors.

use std::time::Duration;

use clap::Args;
use common::args::{EmptyAsNone, parse_secret};
use common::duration::{format_duration, parse, parse_positive};
use common::http::parse_url;
use common::label::Label;
use common::watch_time::WatchTime;
use secrecy::SecretString;
use url::Url;

use super::access_log::args::LogArgs;
use super::alert_labels::AlertLabel;
use super::prometheus::Unit;

/// The shortest bucket.
const MIN_BUCKET: Duration = Duration::from_millis(10);

/// The sources of the evidence; stdin, unless another source is given.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sources")]
pub(crate) struct SourceArgs {
    /// Roll back if too many requests took longer than this. With --prometheus, it is the limit of a histogram's bucket
    #[arg(long, value_name = "DURATION", value_parser = parse_positive)]
    pub if_latency: Option<Duration>,

    /// The share of such slow requests that is allowed, in percent
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "5", requires = "if_latency")]
    pub if_latency_share: f64,

    /// Roll back if this alert fires in Alertmanager with the labels of the service and the environment, and its condition
    /// began after the deployment; may be given more than once. With a stream or a log, it is checked once, at the end
    #[arg(long, value_name = "NAME")]
    pub if_alert: Vec<Label>,

    /// An alert is about this service if it has this label, whatever its labels service and environment are; may be given
    /// more than once: then it needs all of them
    #[arg(long, value_name = "LABEL=VALUE")]
    pub alert_match: Vec<AlertLabel>,

    /// How long the condition of an alert holds before it fires, the `for` of its rule, if no Prometheus ($PROMETHEUS_URL)
    /// knows it. A condition that began before the deployment is no reason to roll back
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub alert_for: Option<Duration>,

    /// The Alertmanager to query for alerts and to notify of a rollback
    // The URL may hold a password.
    #[arg(long, env = "ALERTMANAGER_URL", value_name = "URL", hide_env_values = true)]
    pub alertmanager_url: Option<EmptyAsNone<AnyUrl>>,

    /// Count requests in this Prometheus [default: $PROMETHEUS_URL, which is also asked when the condition of an alert began]
    #[arg(long, value_name = "URL", num_args = 0..=1, value_parser = parse_url, group = "source")]
    #[expect(clippy::option_option, reason = "the flag may be absent, or have no value")]
    pub prometheus: Option<Option<Url>>,

    /// A bearer token for Prometheus: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "PROMETHEUS_TOKEN", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    pub prometheus_token: Option<EmptyAsNone<SecretString>>,

    /// The counter of requests, as a selector without functions: requests_total{job="api"}
    /// [default: a usual counter of the service in this environment]
    #[arg(long, value_name = "SELECTOR", requires = "prometheus")]
    pub total_query: Option<String>,

    /// The counter of failed requests, also as a selector [default: the counter of requests, with a status of 5xx, or one of
    /// gRPC that is the server's fault]
    #[arg(long, value_name = "SELECTOR", requires = "total_query")]
    pub error_query: Option<String>,

    /// The buckets of the histogram that --if-latency uses, as a selector: request_duration_seconds_bucket{job="api"}. The
    /// limit has to be one of its buckets [default: a usual histogram of the service in this environment]
    #[arg(long, value_name = "SELECTOR", requires_all = ["prometheus", "if_latency"])]
    pub latency_query: Option<String>,

    /// The unit of that histogram, if its name does not end with _seconds_bucket, _milliseconds_bucket or _ms_bucket
    #[arg(long, value_name = "UNIT", requires = "latency_query")]
    pub latency_unit: Option<Unit>,

    /// The counter of requests of a control group at the same time, as a selector: the previous version, or the rest of the
    /// fleet
    #[arg(long, value_name = "SELECTOR", requires = "prometheus")]
    pub control_query: Option<String>,

    /// The counter of its failed requests [default: as for --error-query]
    #[arg(long, value_name = "SELECTOR", requires = "control_query")]
    pub control_error_query: Option<String>,

    /// Count requests in Railway's metrics: RAILWAY_SERVICE_ID and RAILWAY_ENVIRONMENT_ID select the
    /// service, RAILWAY_TOKEN or RAILWAY_API_TOKEN authenticates
    #[arg(long, group = "source")]
    pub railway: bool,

    /// The URL of Railway's API
    #[arg(long, env = "DM_RAILWAY_URL", value_name = "URL", value_parser = parse_url, hide = true, default_value = "https://backboard.railway.com/graphql/v2")]
    pub railway_url: Url,

    /// Count requests in an access log on stdin (-): the combined format of nginx and Apache, with urt=$upstream_response_time
    /// after it for --if-latency and us=$upstream_status for the application's own answers, or JSON Lines
    #[arg(long, value_name = "-", value_parser = ["-"], group = "source")]
    pub access_log: Option<String>,

    #[command(flatten)]
    pub log: LogArgs,

    /// How long to watch, at least and at most; the watch ends in between as soon as the version is proven good or bad. Or
    /// one duration; then the watch ends earlier only to roll back [default: 60s..10m if a server is queried]
    #[arg(long, value_name = "MIN..MAX")]
    pub watch: Option<WatchTime>,

    /// The length of the buckets of time that the requests are judged in. A fault has to last for five of them; a burst that
    /// is shorter proves nothing
    #[arg(long, env = "DM_BUCKET", value_name = "DURATION", default_value = "10s", value_parser = parse_bucket)]
    pub bucket: Duration,

    /// The odds ratio of failures, compared with the control group, that is tolerated: 1 tolerates no difference
    #[arg(long, value_name = "RATIO", default_value = "1", value_parser = parse_tolerance)]
    pub control_tolerance: f64,

    /// The time between two queries to a server, and between two progress lines
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_positive)]
    pub interval: Duration,

    /// When the deployment began, as a time (RFC 3339) or a duration before now; older requests are the baseline. For a log
    /// that is read to its end, also all: every line counts [default: now if a server is queried or a log is watched]
    // A negative duration gets an error that says what to write.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,

    /// The length of the baseline before the deployment that a server is queried for; 0s for none
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = parse)]
    pub baseline: Duration,

    /// The number of requests before the deployment, if you count them yourself
    #[arg(long, value_name = "COUNT", requires = "baseline_errors")]
    pub baseline_total: Option<u64>,

    /// The number of these requests that failed
    #[arg(long, value_name = "COUNT", requires = "baseline_total")]
    pub baseline_errors: Option<u64>,
}

/// A URL from a variable that may be empty.
#[derive(Debug, Clone)]
pub struct AnyUrl(pub Url);

impl std::str::FromStr for AnyUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_url(text).map(Self)
    }
}

/// Parses a percentage above 0 and below 100, with or without the sign.
pub(crate) fn parse_percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(value) if value > 0.0 && value < 100.0 => Ok(value),
        _ => Err("give a percentage above 0 and below 100, such as 5".to_owned()),
    }
}

/// Parses the length of a bucket.
fn parse_bucket(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        bucket if bucket >= MIN_BUCKET => Ok(bucket),
        _ => Err(format!(
            "at least {} are needed: the times in records are not finer",
            format_duration(MIN_BUCKET)
        )),
    }
}

/// Parses an odds ratio of at least 1.
fn parse_tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (1.0..=100.0).contains(&value) => Ok(value),
        _ => Err("give a number from 1 to 100, such as 1.25".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_percent;

    #[test]
    fn a_percentage_is_between_0_and_100() {
        assert_eq!(parse_percent("5"), Ok(5.0));
        assert_eq!(parse_percent("0.5%"), Ok(0.5));
        for bad in ["0", "100", "-1", "NaN", "inf", "", "5 percent"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
    }
}
