//! The command line, as typed.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use common::args::{DeploymentArgs, EmptyAsNone, Format};
use common::cli::Tool;
use common::duration;
use common::label::Label;
use http_expect::{HeaderExpectation, JsonExpectation, StatusPattern};
use hyper::Method;
use regex::bytes::Regex;
use telemetry::ExportArgs;

use crate::address::NamedAddress;
use crate::policy::FailRate;
use crate::request_header::RequestHeader;
use crate::version::{self, VersionLocation};
use common::watch_time::WatchTime;

/// The name and the kind of this tool.
pub const TOOL: Tool = Tool { name: "dm-health", wrapper: false };

const EXAMPLES: &str = "\
Examples:
  dm-health --url https://api.example.com/health
  dm-health --url http://127.0.0.1:8080/health --deadline 2m -- ./run-smoke-tests
  dm-health --url https://api.example.com/health --min-success 3 --watch 5m
  dm-health --url https://api.example.com/health --min-cert-days 14 \\
    --expect-version \"$VERSION\" --version-at json:'$.version'
  dm-health --url api=https://api.example.com/health --url db=tcp://10.0.0.5:5432
  dm-health --url grpc://127.0.0.1:50051/shop.Cart --url exec:'./lag-below 10s'
  dm-health --url 'dns://10.0.0.2/api.example.com?answer=10.0.0.5' --url redis://cache --url postgres://db

A file of targets has the words of a suite of dm-smoke:
  dm-health health.toml --deadline 2m
  dm-health health.toml --check                       only validate the file

  [defaults]                                          # for all HTTP targets of the file
  headers = { accept = \"application/json\" }

  [[target]]
  name = \"api\"
  url = \"https://api.example.com/health\"
  bearer = \"{{env.TOKEN}}\"                            # or basic_auth, headers, method, timeout, tls
  expect = { status = 200, json = '$.status == \"ok\"', max_latency = \"500ms\" }
  version = \"{{env.DM_VERSION}}\"                      # with version_at = \"json:$.version\"
  min_cert_days = 14

  [[target]]
  name = \"old\"
  url = \"http://10.0.0.4:8080/health\"
  control = true                                      # as --control-url

In expect, a target of HTTP has the words of dm-smoke, and another one has max_latency. {{env.NAME}} inserts
a variable of the environment, which is shown nowhere. Flags such as --header and --expect-status are for the
targets of --url only.

Other services, all within --timeout:
  dns:NAME            resolves as this machine would; dns://SERVER[:PORT]/NAME asks a server. ?type= is A, AAAA,
                      CAA, CNAME, MX, NS, PTR, SRV or TXT; each answer=TEXT must be among the answers, such as
                      answer=10.0.0.5 or 'answer=10 mail.example.com'
  udp://HOST:PORT     answers a datagram: send=TEXT is sent, expect=TEXT is in the answer; %00 is a byte
  redis://HOST        answers PING, after AUTH with the password of the URL or REDISCLI_AUTH; rediss:// is TLS.
                      ?key=NAME must exist, and its value match matches=REGEX; /1 is the number of a database
  postgres://HOST     accepts connections, as pg_isready; with a user (postgres://USER@HOST/DATABASE) logs in and
                      runs a query. The password is in the URL or in PGPASSWORD; ?sslmode=require is TLS
  mysql://HOST        accepts connections, as mysqladmin ping; with a user logs in and pings. The password is in
                      the URL or in MYSQL_PWD; ?ssl-mode=required is TLS
TLS is always verified.

Watch a new version, and roll it back if its error rate is too high:
  set -o pipefail
  dm-health --url https://api.example.com/health --watch 60s..10m --version-at json:'$.version' |
    dm-rollback --if-error-rate 5 -- ./rollback.sh

Proxies and certificates:
  HTTP and HTTPS requests use the proxies in HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; other
  targets are reached directly. SSL_CERT_FILE is a PEM file of certificate authorities to trust
  instead of the machine's.

Exit code:
  0    healthy, and still healthy at the end of --watch, or when its reader ended the watch
  1    unhealthy: a target failed --max-fail times in a row, or reached --fail-rate; without
       --max-fail, the last 5 probes before the end of --watch failed
  2    wrong usage
  3    inconclusive: this machine could not send --max-fail probes in a row (no route, no proxy,
       no resolver, no descriptors, no such program); or the reader of the output went away
       before the service was healthy
  4    the reader of the output went away before the first probe finished
  5    a fault of dm-health, or the output could not be written
  124  not healthy before --deadline
  126, 127  the command after -- cannot be executed, or does not exist
If INT, TERM or HUP stops dm-health, it dies by that signal. Recording problems do not change the
exit code.";

/// Polls a service until it is healthy, or until it is proven unhealthy
#[derive(Debug, Parser)]
#[command(name = "dm-health", version, after_help = EXAMPLES)]
pub struct Args {
    /// File of targets, in TOML: each with headers and expectations of its own
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Target: http:// or https:// (GET; user and password become basic authentication), tcp://host:port (connect),
    /// grpc:// or grpcs://host:port/service (standard health service), exec:'program argument' (run without a shell),
    /// dns:name or dns://server/name, udp://host:port?send=TEXT&expect=TEXT, redis:// or rediss://host,
    /// postgres://host/database, mysql://host/database (see below). Can be repeated: several targets are healthy if all are at the same time, and unhealthy if one is
    #[arg(long, value_name = "[NAME=]URL", required_unless_present = "file")]
    pub(crate) url: Vec<NamedAddress>,

    /// Target that is observed at the same time for comparison: the previous version, or the rest of the fleet. It is
    /// probed in the same turns with the same expectations, except for --expect-version, and decides nothing here: its
    /// records are for dm-rollback. Can be repeated
    #[arg(long, value_name = "[NAME=]URL")]
    pub(crate) control_url: Vec<NamedAddress>,

    /// Name of the target, if there is only one [default: its host]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<Label>,

    /// Header of the requests, 'NAME: VALUE', for HTTP targets, and metadata for gRPC; can be repeated. It replaces a
    /// default, such as Host
    #[arg(long, value_name = "HEADER")]
    pub(crate) header: Vec<RequestHeader>,

    /// Method of the requests, for HTTP targets [default: GET]
    #[arg(long, value_name = "METHOD", value_parser = parse_method)]
    pub(crate) method: Option<Method>,

    /// Status of a healthy response, a code or a class: 204, 2xx; separate several by commas. Redirects are not followed
    /// [default: 2xx]
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = not_empty::<StatusPattern>)]
    pub(crate) expect_status: Vec<StatusPattern>,

    /// Header of a healthy response, 'NAME: VALUE'; can be repeated
    #[arg(long, value_name = "HEADER", value_parser = not_empty::<HeaderExpectation>)]
    pub(crate) expect_header: Vec<HeaderExpectation>,

    /// Text in the body of a healthy response, in its first MiB; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = not_empty::<String>)]
    pub(crate) expect_body: Vec<String>,

    /// Regular expression that matches in the first MiB of the body, such as '"version": *"1\.4\.'; can be repeated
    #[arg(long, value_name = "REGEX", value_parser = not_empty::<Regex>)]
    pub(crate) expect_body_regex: Vec<Regex>,

    /// Text that the first MiB of the body of a healthy response does not contain; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = not_empty::<String>)]
    pub(crate) reject_body: Vec<String>,

    /// Expectation about a JSON body: a JSONPath (RFC 9535), alone or with == != < <= > >= =~ and a JSON value, such as
    /// '$.version == "42"'; can be repeated
    #[arg(long, value_name = "EXPECTATION", value_parser = not_empty::<JsonExpectation>)]
    pub(crate) expect_json: Vec<JsonExpectation>,

    /// Version that must respond, so that an old instance does not count as the new one
    #[arg(long, value_name = "VERSION", value_parser = version::parse)]
    pub(crate) expect_version: Option<String>,

    /// Where a response contains its version: json:JSONPATH, header:NAME, or body:REGEX (its first group, or the whole
    /// match). Every record of a probe then names the version that answered, also after a failure. With --expect-version
    /// also body, as a separate word [default with --expect-version: body]
    #[arg(long, env = "DM_VERSION_AT", value_name = "PLACE")]
    pub(crate) version_at: Option<EmptyAsNone<VersionLocation>>,

    /// Minimum number of days until a certificate of the server expires, or one between it and the authority
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) min_cert_days: Option<u32>,

    /// Maximum time for a complete response; a slower one is a failure
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub(crate) max_latency: Option<Duration>,

    /// Consecutive failures that prove a target unhealthy. Consecutive, because single failures are normal: of 300 probes
    /// that fail with a probability of 2 % each, five fail in most runs, but five in a row in hardly any. They also end a
    /// --watch, but only if this flag is given [default: 5; with --deadline, from the first success on]
    #[arg(long, value_name = "N")]
    pub(crate) max_fail: Option<u32>,

    /// Failures among the last probes that also prove a target unhealthy, such as 5/20: for intermittent failures
    #[arg(long, value_name = "FAILURES/PROBES")]
    pub(crate) fail_rate: Option<FailRate>,

    /// Consecutive successes that prove a target healthy
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) min_success: u32,

    /// Time from one probe to the next; a slow probe does not delay later ones [default: 1s; 500ms in a --watch whose
    /// records are judged by their reader, so that a healthy version is proven in one to two minutes]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub(crate) interval: Option<Duration>,

    /// Maximum random delay of each probe, so that many pollers do not probe at the same time
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) jitter: Duration,

    /// Reuse the connection of an HTTP probe for the next [default: a new connection for each probe]
    #[arg(long)]
    pub(crate) reuse: bool,

    /// Time limit of one probe, from resolving the name to the end of the response
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration::parse_positive)]
    pub(crate) timeout: Duration,

    /// Grace time after the start: until the service is healthy, failures of probes sent in this time do not count
    /// towards --max-fail or --fail-rate. The --watch after that has no grace time
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub(crate) grace: Duration,

    /// Give up if not healthy by then [default: never]. Without --max-fail, a target may fail until then: only after its first
    /// success do 5 failures in a row prove it unhealthy
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub(crate) deadline: Option<Duration>,

    /// After it is healthy, keep watching: for a fixed time, such as 5m, or for MIN..MAX, such as 60s..10m. Then dm-rollback
    /// ends the watch after MIN as soon as the version is proven good, and before if it is proven bad. MIN is the time that
    /// a fault may take to show. The watch continues through failures, unless --max-fail is given. If the last probe failed,
    /// it is extended by up to 40s, until 10s have passed without a failure
    #[arg(long, value_name = "DURATION|MIN..MAX")]
    pub(crate) watch: Option<WatchTime>,

    /// Command that replaces dm-health once the service is healthy, after `--`. Its exit code is then the result
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,

    /// Only validate FILE; variables of the environment do not have to be set
    #[arg(long, requires = "file")]
    pub(crate) check: bool,

    /// Format of stdout [default: human on a terminal, jsonl in a pipe]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<Format>,

    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

fn parse_method(text: &str) -> Result<Method, &'static str> {
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| METHODS)?;
    check_method(&method).map(|()| method)
}

const METHODS: &str = "the method is GET, HEAD or OPTIONS, because probes are repeated";

/// Takes only methods that change nothing.
pub(crate) fn check_method(method: &Method) -> Result<(), &'static str> {
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    if is_safe { Ok(()) } else { Err(METHODS) }
}

/// Parses a value that must not be empty: if a script's variable is unset, every response would meet the expectation.
fn not_empty<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    if text.trim().is_empty() {
        return Err("the value is empty: is a variable unset?".to_owned());
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
