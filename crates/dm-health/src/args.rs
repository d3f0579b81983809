//! What was typed.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, Format};
use common::duration;
use common::label::Label;
use http_expect::{HeaderExpectation, JsonExpectation, StatusPattern};
use regex::bytes::Regex;
use telemetry::args::ExportArgs;

use crate::address::Named;
use crate::fail_rate::FailRate;
use crate::version::{self, Place};

const EXAMPLES: &str = "\
Examples:
  dm-health --url https://api.example.com/health
  dm-health --url http://127.0.0.1:8080/health --grace 20s --deadline 2m --min-success 3
  dm-health --url https://api.example.com/health --expect-version \"$VERSION\" --version-at json:'$.version'
  dm-health --url https://api.example.com/health --expect-json '$.db == \"up\"' --min-cert-days 14
  dm-health --url https://api.example.com/health --watch 5m --format jsonl > probes.jsonl
  dm-health --url api=https://api.example.com/health --url db=tcp://10.0.0.5:5432
  dm-health --url grpc://127.0.0.1:50051/shop.Cart --url replica=exec:'./lag-below 10s'

Watch a new version, and roll it back where its error rate is too high:
  set -o pipefail
  dm-health --url https://api.example.com/health --watch 5m |
    dm-rollback --if-error-rate 5 -- ./rollback.sh

Exit code:
  0    healthy, and still so at the end of --watch
  1    unhealthy, or one of several is: --max-fail in a row failed, or --fail-rate was reached
  2    wrong usage
  3    it cannot be told: this machine was not able to make --max-fail probes in a row (no route,
       no resolver, no descriptors, no such program); or the reader of the output went away
  4    the reader of the output went away before the first probe was done
  5    a fault of dm-health, or the output could not be written
  124  not healthy by --deadline
Stopped by INT, TERM or HUP, dm-health dies by it. No trouble with recording changes the code.";

/// Polls a service until it is healthy, or until it is proven unhealthy
#[derive(Debug, Parser)]
#[command(name = "dm-health", version, after_help = EXAMPLES)]
pub struct Args {
    /// What to poll: http:// and https:// with GET, where a user and a password become a Basic authorization;
    /// tcp://host:port by connecting; grpc://host:port/service and grpcs:// by the standard health protocol;
    /// exec:'program argument' by running it, without a shell. May be given again: several targets are healthy when
    /// all are at once, and unhealthy when one is
    #[arg(long, value_name = "[NAME=]URL", required = true)]
    pub url: Vec<Named>,

    /// A short name for the one target [default: its host]
    #[arg(long, value_name = "NAME")]
    pub name: Option<Label>,

    /// The status of a healthy answer, a code or a class: 204, 2xx; several with commas. Redirects are not followed
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "2xx", value_parser = not_empty::<StatusPattern>)]
    pub expect_status: Vec<StatusPattern>,

    /// A header of a healthy answer, 'NAME: VALUE', such as the version that has to answer; may be given again
    #[arg(long, value_name = "HEADER", value_parser = not_empty::<HeaderExpectation>)]
    pub expect_header: Vec<HeaderExpectation>,

    /// A text in the body of a healthy answer, in its first MiB
    #[arg(long, value_name = "TEXT", value_parser = not_empty::<String>)]
    pub expect_body: Option<String>,

    /// A regular expression that matches in that part of the body, such as '"version": *"1\.4\.'
    #[arg(long, value_name = "REGEX", value_parser = not_empty::<Regex>)]
    pub expect_body_regex: Option<Regex>,

    /// What the body has to hold as JSON: a JSONPath (RFC 9535), alone or with == != < <= > >= =~ and a JSON value, such
    /// as '$.version == "42"'; may be given again
    #[arg(long, value_name = "EXPECTATION", value_parser = not_empty::<JsonExpectation>)]
    pub expect_json: Vec<JsonExpectation>,

    /// The version that has to answer, so that an old instance that is still there does not pass for the new one
    #[arg(long, value_name = "VERSION", value_parser = version::parse)]
    pub expect_version: Option<String>,

    /// Where an answer names its version: header:NAME, json:JSONPATH, or body, where it is a word of its own
    #[arg(long, value_name = "PLACE", default_value = "body", requires = "expect_version")]
    pub version_at: Place,

    /// So many days are left until the certificate ends, of any that the server sends
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_cert_days: Option<u32>,

    /// A whole answer that takes longer is a failure
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub max_latency: Option<Duration>,

    /// So many failures in a row prove it unhealthy. In a row, because one failed probe now and then is normal: of
    /// 300 probes that each fail with a chance of 2 %, five will fail in most runs, and five in a row in hardly any
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub max_fail: u32,

    /// So many failures among the last probes prove it unhealthy too, such as 5/20: for what fails now and then
    #[arg(long, value_name = "FAILURES/PROBES")]
    pub fail_rate: Option<FailRate>,

    /// So many successes in a row prove it healthy
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_success: u32,

    /// From one probe to the next; a slow probe does not move those after it
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse_positive)]
    pub interval: Duration,

    /// Send each probe later by a random time of up to this, so that many that poll do not knock at once
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub jitter: Duration,

    /// Keep the connection of an HTTP probe for the next [default: a new one for each, as a new client has]
    #[arg(long)]
    pub reuse: bool,

    /// For one probe, from resolving the name to the end of the answer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse_positive)]
    pub timeout: Duration,

    /// Probes sent in this first time may fail, until it is healthy: they count neither towards --max-fail nor towards
    /// --fail-rate. The --watch after that has no grace
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub grace: Duration,

    /// Give up where it is not healthy after this time [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub deadline: Option<Duration>,

    /// Once healthy, go on for this time, and until no failure is pending: --max-fail in a row still prove it unhealthy
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub watch: Option<Duration>,

    /// The form of stdout [default: human on a terminal, jsonl on a pipe]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<Format>,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

/// What was typed, where that is something: a script whose variable is unset would expect what every answer meets.
fn not_empty<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    if text.trim().is_empty() {
        return Err("it is empty: is a variable unset?".to_owned());
    }
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
