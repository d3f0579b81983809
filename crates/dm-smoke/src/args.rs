//! What was typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use common::args::DeploymentArgs;
use common::cli::Tool;
use common::duration;
use common::label::Label;
use regex::Regex;
use telemetry::args::ExportArgs;

/// Identifies this tool.
pub const TOOL: Tool = Tool { name: "dm-smoke", wrapper: false };

const MORE_HELP: &str = "\
Examples:
  dm-smoke --new smoke.toml                           begin with an example
  dm-smoke smoke.toml --base-url https://api.example.org
  dm-smoke smoke.toml --base-url https://api --jobs 8 --format tap > smoke.tap
  dm-smoke smoke.toml --retries 2 --max-fail 5 --deadline 2m --tag critical
  dm-smoke smoke.toml --report junit=smoke.xml        lines for people, and a file for the CI system
  hurl --test --report-junit shop.xml *.hurl; dm-smoke --from-junit shop.xml
  node --test --test-reporter tap | dm-smoke --from-tap - --name node
  dm-smoke smoke.toml --check                         only validate the file

The suite:
  name = \"shop\"                                       # default: the file's name

  [[test]]
  name = \"log in\"
  http = { method = \"POST\", url = \"/login\", json = { user = \"me\", password = \"{{env.PASSWORD}}\" } }
  expect = { status = 200, json = '$.roles[0] == \"user\"', max_latency = \"500ms\" }
  capture = { token = \"$.token\" }
  timeout = \"5s\"
  retries = 2
  tags = [\"critical\"]

  [[test]]
  name = \"orders are served\"
  http = { url = \"/orders\", query = { limit = \"5\" }, headers = { authorization = \"Bearer {{token}}\" } }
  expect = { headers = { content-type = { contains = \"json\" } }, body_contains = \"scone\", body_matches = \"id.:\\\\d+\" }

  [[test]]
  name = \"the schema is current\"
  command = [\"./check.sh\", \"--all\"]                   # no shell
  expect = { exit = 0, stdout_contains = \"current\" }
  depends_on = [\"log in\"]

http takes url, method, headers, query, one of body, json and form, and redirects = N (none are followed without). A url
that begins with / is put behind --base-url. The status is a number, a class such as \"2xx\", or a list of these; \"2xx\"
where none is given. json expects a JSONPath (RFC 9535) that finds something, or one with == != < <= > >= or =~ and a
JSON value, or a list of these; all values found have to compare. A header is a text, { contains = … } or { matches = … }.

capture takes a JSONPath, { header = …, regex = … } or { regex = … }; {{name}} puts the value into a url, a query, a
header, a body or a variable of a command (env = { TOKEN = \"{{token}}\" }), and makes that test wait for this one. A
test whose depends_on did not pass is skipped. {{env.NAME}} is a variable of dm-smoke's environment. Captured values,
these variables, and all whose names say that they hold a secret are masked in every output, from four characters on.
Commands find DM_BASE_URL, DM_DEPLOYMENT_ID, DM_SERVICE and DM_ENVIRONMENT in their environment.

The first MiB of a body, and of a command's output, is looked at. Requests go through the proxies that HTTP_PROXY,
HTTPS_PROXY and NO_PROXY name.

Exit code: 0 all passed; 1 at least one did not; 2 wrong usage or a bad suite, and nothing was run; 4 no test was run;
5 could not judge, as when another runner broke off or a test's program is not there; 124 the deadline came first, and
nothing was bad until then. Stopped by a signal, dm-smoke dies by it. No trouble with recording changes the code.";

/// Runs a suite of smoke tests against what was deployed
#[derive(Debug, Parser)]
#[command(name = "dm-smoke", version, after_help = MORE_HELP)]
pub struct Args {
    /// The suite, a TOML file
    #[arg(required_unless_present_any = ["from_junit", "from_tap", "new"], conflicts_with_all = ["from_junit", "from_tap"])]
    pub suite: Option<PathBuf>,

    /// Write an example of a suite, with comments: to stdout, or as the file that is named, which must not be there
    #[arg(long, conflicts_with_all = ["from_junit", "from_tap", "check", "name"])]
    pub new: bool,

    /// Run nothing: take over the results that another runner wrote as JUnit XML, such as hurl, pytest, bats, node or
    /// gotestsum; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from_tap", "check"])]
    pub from_junit: Option<PathBuf>,

    /// Run nothing: take over the results of a runner that writes TAP, such as node, bats or hurl; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub from_tap: Option<PathBuf>,

    /// The suite's name, for results that are taken over [default: the file's name; of stdin, tap or junit]
    #[arg(long, value_name = "NAME", conflicts_with = "suite")]
    pub name: Option<Label>,

    /// What the suite's relative URLs are put behind; http or https
    // Text, not a URL: clap shows a value that it refuses, and this one may hold a password.
    #[arg(long, env = "DM_BASE_URL", value_name = "URL", hide_env_values = true)]
    pub base_url: Option<String>,

    /// So many tests run at once; the output keeps the suite's order
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,

    /// Keep a connection for the next test [default: a new one for each, so that no test depends on another's]
    #[arg(long)]
    pub reuse: bool,

    /// The time limit of a test that has none of its own
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse_positive)]
    pub timeout: Duration,

    /// How often a test that did not pass is tried again, where it does not say so itself; passed then, it is flaky
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_RETRIES)))]
    pub retries: u32,

    /// The time before a test is tried again
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration::parse)]
    pub retry_delay: Duration,

    /// What a flaky test is for the exit code
    #[arg(long, value_enum, default_value = "pass")]
    pub flaky: Flaky,

    /// Begin no more tests once so many did not pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_fail: Option<u64>,

    /// The time limit of the whole run; what is not finished by then is skipped
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub deadline: Option<Duration>,

    /// Run only tests whose names match, and those that they depend on
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<Regex>,

    /// Run only tests that have this tag, and those that they depend on; repeated: any of these
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,

    /// Only validate the suite
    #[arg(long)]
    pub check: bool,

    /// Annotate failures for GitHub Actions, on stderr
    #[arg(long)]
    pub annotate: bool,

    /// What stdout carries [default: human on a terminal, else jsonl]
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Also write a report as a file, which is there whole or not at all: junit=smoke.xml; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = report_file)]
    pub report: Vec<ReportFile>,

    #[command(flatten)]
    pub deployment: DeploymentArgs,

    #[command(flatten)]
    pub export: ExportArgs,
}

/// The most retries of a test: more would only wait for a service to be well, which is dm-health's work.
pub const MAX_RETRIES: u32 = 20;

/// What a test is that passed only when it was tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flaky {
    /// As good as one that passed at once
    Pass,
    /// As bad as one that never passed
    Fail,
}

/// A format of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line a test, and a summary; in colours on a terminal, unless NO_COLOR is set
    Human,
    /// JSON Lines: start, test, end
    Jsonl,
    /// The Test Anything Protocol, version 14
    Tap,
    /// JUnit XML, written at the end
    Junit,
}

/// A report beside the one on stdout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// In this format.
    pub format: Format,
    /// As this file.
    pub path: PathBuf,
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    let hint = "give a format and a file, such as junit=smoke.xml";
    let (format, path) = text.split_once('=').ok_or(hint)?;
    let format = Format::from_str(format, false)
        .map_err(|_| format!("{format:?} is none of human, jsonl, tap, junit; {hint}"))?;
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
