//! The command line, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::args::{DeploymentArgs, EmptyAsNone, parse_secret};
use common::cli::Tool;
use common::duration;
use common::label::Label;
use regex::Regex;
use secrecy::SecretString;
use telemetry::ExportArgs;

use crate::import::parse_path;

/// The name and the kind of this tool.
pub const TOOL: Tool = Tool { name: "dm-smoke", wrapper: false };

const MORE_HELP: &str = "\
Examples:
  dm-smoke --new smoke.toml                           start from an example
  dm-smoke smoke.toml --base-url https://api.example.org
  dm-smoke smoke.toml --base-url https://api --jobs 8 --format tap > smoke.tap
  dm-smoke smoke.toml --retries 2 --max-fail 5 --deadline 2m --tag critical
  dm-smoke smoke.toml --report junit=smoke.xml        readable output, and a file for the CI system
  hurl --test --report-junit shop.xml *.hurl; dm-smoke --from-junit shop.xml --runner-exit $?
  dm-smoke --from-junit 'target/surefire-reports/TEST-*.xml' --name unit
  node --test --test-reporter tap | dm-smoke --from-tap - --name node
  dm-smoke smoke.toml --check                         only validate the file
  dm-smoke --from-hurl shop.hurl > smoke.toml         a suite from what there is already
  dm-smoke --from-postman shop.postman_collection.json > smoke.toml
  dm-smoke --new --from-openapi openapi.yaml > smoke.toml

The suite file:
  name = \"shop\"                                       # default: the name of the file

  [[test]]
  name = \"log in\"
  http = { method = \"POST\", url = \"/login\", json = { user = \"me\", password = \"{{env.PASSWORD}}\" } }
  expect = { status = 200, json = '$.roles[0] == \"user\"', max_latency = \"500ms\" }
  capture = { token = \"$.token\" }
  timeout = \"5s\"
  retries = 2
  tags = [\"critical\"]

  [[test]]
  name = \"list orders\"
  http = { url = \"/orders\", query = { limit = \"5\" }, headers = { authorization = \"Bearer {{token}}\" } }
  expect = { headers = { content-type = { contains = \"json\" } }, body_contains = \"scone\", body_matches = \"id.:\\\\d+\" }

  [[test]]
  name = \"the schema is current\"
  command = [\"./check.sh\", \"--all\"]                   # no shell
  expect = { exit = 0, stdout_contains = \"current\" }
  depends_on = [\"log in\"]

docs/smoke.md is a cookbook, with every word that a suite can contain: logins with CSRF, GraphQL, jobs, uploads,
webhooks, tables of cases, test data, new instances, WebSocket. docs/smoke.schema.json completes and checks suites in
editors.

Requests: http has the keys url, method, headers, query, bearer or basic_auth = { user = …, password = … }, one of
body, json, form and multipart, redirects, trust_redirects, cookies, compressed, http_version, connect_to or
unix_socket, tls, websocket and rate. A url that begins with / is appended to --base-url. Files are relative to the
suite file. redirects = N follows at most N redirects; the default is 0. Requests use the proxies in HTTP_PROXY,
HTTPS_PROXY, ALL_PROXY and NO_PROXY. SSL_CERT_FILE is a PEM file of certificate authorities to trust instead of the
machine's. [defaults] has the keys that are not about one request, for all requests to the host of --base-url.

Expectations: status is a number, a class such as \"2xx\", or a list of these; the default is \"2xx\". json is a
JSONPath (RFC 9535) that must find a value, or one with a comparison: == != < <= > >= and a JSON value, =~ or !~ and
an expression, length or count and a number, is or is not and a type; every value found must satisfy it. json_absent
takes JSONPaths that must find nothing. A body has body_contains, body_matches, body_not_contains, body_not_matches,
body_equals, body_file, body_size and sha256; the output of a command the first four with stdout and stderr. A header
is a string or { contains = …, matches = …, not_… = …, count = …, present = true, absent = true }. Further: cookies,
redirects, url, http_version, certificate, message, max_latency. Every text can be a list, of which each must hold.
All expectations that are not met are reported. A body is read after decompression, in its charset, up to a MiB; only
body_size, sha256 and body_file read all of it. Only the first MiB of each output stream of a command is checked.

Tests: until = \"30s\" repeats a test until it holds, every interval; that is not flaky. each runs it for each row of
a table or CSV file. [[setup]] runs before all tests, [[teardown]] after them. include adds other files. depends_on
waits for other tests; a test is skipped if one of them does not pass. With cookies = true, it has their cookies.

Captures: capture takes a JSONPath, or { json = … }, { header = … }, { cookie = … }, { url = true } or the body, and
regex = … for a part of it. {{name}} inserts the captured value into a url, a query, a header, a body, the arguments
and variables of a command and every text that is expected, and makes that test wait for the test that captures it.
{{row.NAME}} is a value of the row, {{run.id}} a UUID and {{run.time}} the start of this run. In a regular expression,
a value matches itself. Elsewhere two braces are an error; write them as {{\"{{\"}}.

Environment: {{env.NAME}} inserts an environment variable of dm-smoke. Commands get DM_BASE_URL, DM_DEPLOYMENT_ID,
DM_SERVICE and DM_ENVIRONMENT.

Secrets: captured values, cookies, variables in {{env.NAME}}, and environment variables whose names suggest a secret are masked in
every output: the last kind from a length of 6 characters on, the others from 4.

Exit code:
  0    all tests passed
  1    at least one test failed or could not run, or was flaky with --flaky fail; or something
       could not be translated for the suite that was to be written
  2    wrong usage or an invalid suite file; no test was run
  4    no test was run
  5    inconclusive: a program that a test needs is missing, an imported report is incomplete, its
       runner failed for another reason than a test, or the output could not be written; or a fault
       of dm-smoke
  124  the deadline expired, and no test had failed by then
If a signal stops dm-smoke, it dies by that signal. Recording problems do not change the exit code.";

/// Runs a suite of smoke tests against a deployment
#[derive(Debug, Parser)]
#[command(name = "dm-smoke", version, after_help = MORE_HELP)]
pub struct Args {
    /// Suite file, in TOML
    #[arg(required_unless_present_any = ["from_junit", "from_tap", "from_hurl", "from_postman", "new"], conflicts_with_all = ["from_junit", "from_tap", "from_hurl", "from_postman", "from_openapi"])]
    pub(crate) suite: Option<PathBuf>,

    /// Write an example of a suite, with comments, to stdout, or to SUITE, which must not exist
    #[arg(long, conflicts_with_all = ["from_junit", "from_tap", "check", "name"])]
    pub(crate) new: bool,

    /// With --new: write a suite for a service that is described so, in JSON or YAML (OpenAPI 3 or Swagger 2): one test for
    /// each GET operation
    #[arg(long, value_name = "SPEC", requires = "new")]
    pub(crate) from_openapi: Option<PathBuf>,

    /// Run no tests; write the suite that a Hurl file is to stdout. What a suite cannot say is listed on stderr, with its
    /// line, and makes the exit code 1
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_junit", "from_tap", "check", "new", "name"])]
    pub(crate) from_hurl: Option<PathBuf>,

    /// The same for a Postman collection, version 2, with its scripts as far as a suite can say what they do. Secrets
    /// become variables of the environment
    #[arg(long, value_name = "COLLECTION", conflicts_with_all = ["from_hurl", "from_junit", "from_tap", "check", "new", "name"])]
    pub(crate) from_postman: Option<PathBuf>,

    /// Run no tests; import the JUnit XML reports of another runner, such as hurl, pytest, jest or gotestsum: files, or
    /// patterns such as 'reports/TEST-*.xml'; - is stdin
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = parse_path, conflicts_with_all = ["from_tap", "check"])]
    pub(crate) from_junit: Vec<PathBuf>,

    /// Run no tests; import the TAP reports of another runner, such as node, bats, vitest or hurl: files or patterns; - is
    /// stdin
    #[arg(long, value_name = "FILE", num_args = 1.., value_parser = parse_path, conflicts_with = "check")]
    pub(crate) from_tap: Vec<PathBuf>,

    /// Exit code of the runner whose reports are imported. If it is not 0 although no test in the reports failed, the
    /// result is inconclusive: the runner knows of a problem that its reports do not contain
    #[arg(long, value_name = "CODE", conflicts_with = "suite")]
    pub(crate) runner_exit: Option<u8>,

    /// Name of the suite for imported results [default: the name of the file; for stdin and several files, tap or junit]
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    pub(crate) name: Option<Label>,

    /// Base of the suite's relative URLs; http or https
    #[arg(long, env = "DM_BASE_URL", value_name = "URL", hide_env_values = true, value_parser = parse_secret)]
    // A secret, because it may contain a password: clap would print an invalid URL.
    pub(crate) base_url: Option<EmptyAsNone<SecretString>>,

    /// Maximum number of tests that run at once; the output keeps the suite's order
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: u16,

    /// Reuse connections [default: each test opens its own, so that no test depends on another's]
    #[arg(long)]
    pub(crate) reuse: bool,

    /// Time limit of each attempt of a test, unless the test sets its own
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse_positive)]
    pub(crate) timeout: Duration,

    /// Number of retries of a test that does not pass, unless the test sets its own; if a retry passes, the test is flaky
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_RETRIES)))]
    pub(crate) retries: u32,

    /// Pause before each retry
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    pub(crate) retry_delay: Duration,

    /// How a flaky test counts in the exit code
    #[arg(long, value_enum, default_value = "pass")]
    pub(crate) flaky: Flaky,

    /// Start no further tests after N tests failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_fail: Option<u64>,

    /// Time limit of the whole run; tests that have not finished by then are skipped
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub(crate) deadline: Option<Duration>,

    /// Run only the tests whose names match, and the tests that they depend on
    #[arg(long, value_name = "REGEX")]
    pub(crate) filter: Option<Regex>,

    /// Run only the tests with this tag, and the tests that they depend on; if repeated, with any of the tags
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,

    /// Only validate the suite file
    #[arg(long)]
    pub(crate) check: bool,

    /// Annotate failed tests for GitHub Actions, on stderr
    #[arg(long)]
    pub(crate) annotate: bool,

    /// Format of stdout [default: human on a terminal, else jsonl]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// Also write a report to a file, atomically, for example junit=smoke.xml; can be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = parse_report_file)]
    pub(crate) report: Vec<ReportFile>,

    #[command(flatten)]
    pub(crate) deployment: DeploymentArgs,

    #[command(flatten)]
    pub(crate) export: ExportArgs,
}

/// The most retries of a test. More would wait for a service to become healthy, which is the task of dm-health.
pub(crate) const MAX_RETRIES: u32 = 20;

/// How a test counts that passed only on a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flaky {
    /// As passed
    Pass,
    /// As failed
    Fail,
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each test, and a summary; in colour on a terminal unless NO_COLOR is set
    Human,
    /// JSON Lines: one record for the start, for each test and for the end
    Jsonl,
    /// The Test Anything Protocol, version 14
    Tap,
    /// JUnit XML, written at the end
    Junit,
}

/// A report in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    /// The format of the file.
    pub(crate) format: Format,
    /// Where the file is written.
    pub(crate) path: PathBuf,
}

fn parse_report_file(text: &str) -> Result<ReportFile, String> {
    let hint = "give a format and a file, such as junit=smoke.xml";
    let (format, path) = text.split_once('=').ok_or(hint)?;
    let format = Format::from_str(format, false)
        .map_err(|_| format!("the format {format:?} is not one of human, jsonl, tap, junit; {hint}"))?;
    if path.is_empty() {
        return Err(hint.to_owned());
    }
    Ok(ReportFile { format, path: PathBuf::from(path) })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        super::Args::command().debug_assert();
    }
}
