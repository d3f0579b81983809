//! The flags that tools share, and the `main` of every tool.

use std::fmt::Debug;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use clap::error::{ContextKind, ErrorKind};
use url::Url;

use crate::duration;
use crate::env;
use crate::exit::Exit;
use crate::http::parse_url;
use crate::journal;
use crate::label::{Label, MASK};

/// What all exporting together may take after the work, unless told otherwise.
pub(crate) const EXPORT_BUDGET: Duration = Duration::from_secs(2);

/// A value that may be empty, and then counts as absent: CI systems set the variables that they have no value for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<T: FromStr<Err: Debug>> FromStr for Maybe<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

/// Where to push to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTo {
    /// Nowhere.
    Disabled,
    /// This Pushgateway.
    Gateway(Url),
}

impl FromStr for PushTo {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "disabled" { Ok(Self::Disabled) } else { parse_url(text).map(Self::Gateway) }
    }
}

/// The form of a tool's stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Sentences for people
    Human,
    /// JSON Lines, a record a line
    Jsonl,
}

impl Format {
    /// What stdout carries where nobody told: people look at terminals, programs read pipes.
    pub fn for_stdout(is_terminal: bool) -> Self {
        if is_terminal { Self::Human } else { Self::Jsonl }
    }
}

/// Which deployment the tool works for.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Deployment")]
pub struct DeploymentArgs {
    /// What is deployed [default: from the CI system, else the repository's folder]
    #[arg(long, env = "DM_SERVICE", value_name = "NAME")]
    pub service: Option<Maybe<Label>>,
    /// Where it is deployed to [default: from the CI system, else "development"]
    #[arg(long, env = "DM_ENVIRONMENT", value_name = "NAME")]
    pub environment: Option<Maybe<Label>>,
    /// Names the deployment; the same for all tools in it [default: the CI run, else a new one]
    #[arg(long, env = "DM_DEPLOYMENT_ID", value_name = "ID")]
    pub deployment_id: Option<Maybe<Label>>,
    /// The version that is deployed [default: the tag, else the commit]
    #[arg(long, env = "DM_VERSION", value_name = "VERSION")]
    pub app_version: Option<Maybe<Label>>,
    /// The commit that is deployed [default: from the CI system, else git]
    #[arg(long, env = "DM_COMMIT", value_name = "HASH")]
    pub commit: Option<Maybe<Label>>,
    /// The page of the CI run [default: from the CI system]
    #[arg(long, env = "DM_RUN_URL", value_name = "URL")]
    pub run_url: Option<Maybe<Label>>,
}

/// How long a wrapped command may take.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// End the command after this time: TERM to it and all it started, then KILL
    #[arg(long, value_name = "DURATION", value_parser = duration::parse_positive)]
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse, requires = "timeout")]
    pub kill_after: Duration,
}

/// Where the tool records what happened.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Recording")]
pub struct ExportArgs {
    /// The Pushgateway to push to, or "disabled" [default: disabled]
    // The URL may hold a password.
    #[arg(long, env = "PUSHGATEWAY_URL", value_name = "URL", hide_env_values = true)]
    pub pushgateway_url: Option<Maybe<PushTo>>,
    /// A metrics file for node_exporter's textfile collector; its name has to end in .prom
    #[arg(long, env = "DM_TEXTFILE", value_name = "FILE")]
    pub textfile: Option<Maybe<PathBuf>>,
    /// The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]
    #[arg(long, env = "DM_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<Maybe<PathBuf>>,
    /// What exporting may take after the work [default: 2s]
    #[arg(long, env = "DM_EXPORT_BUDGET", value_name = "DURATION", value_parser = maybe_duration)]
    pub export_budget: Option<Maybe<Duration>>,
}

fn maybe_duration(text: &str) -> Result<Maybe<Duration>, String> {
    if text.is_empty() {
        Ok(Maybe(None))
    } else {
        duration::parse_positive(text).map(|value| Maybe(Some(value)))
    }
}

/// The value of a flag or its variable, where one was given and is not empty.
pub fn given<T: Clone>(flag: Option<&Maybe<T>>) -> Option<T> {
    flag.and_then(|Maybe(value)| value.clone())
}

/// The folder of the journal; `None` without a home to keep it in.
pub fn state_dir(export: &ExportArgs) -> Option<PathBuf> {
    given(export.state_dir.as_ref()).or_else(|| journal::default_folder(&env::system))
}

/// A tool, as far as its `main` has to know it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Whether its exit codes belong to a wrapped command: then its own faults are 125.
    pub wrapper: bool,
}

impl Tool {
    fn usage(self) -> Exit {
        if self.wrapper { Exit::WrapperFault } else { Exit::Usage }
    }

    fn fault(self) -> Exit {
        if self.wrapper { Exit::WrapperFault } else { Exit::CouldNotJudge }
    }
}

/// The `main` of every tool: arguments, plan, act, exit code. Errors go to stderr here, once.
pub fn main<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> ExitCode {
    std::panic::set_hook(Box::new(move |panic| {
        warn(tool.name, &[format!("internal error: {panic}; please report this").replace('\n', " ")]);
    }));
    let exit = std::panic::catch_unwind(|| end(tool, plan, act)).unwrap_or(tool.fault());
    if let Exit::Signal(signal) = exit {
        die_by(signal);
    }
    ExitCode::from(exit.code())
}

fn end<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> Exit {
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Help on a closed pipe is no error.
            let _ = error.print();
            return Exit::Good;
        }
        Err(error) => {
            warn(tool.name, &[format!("{}; see {} --help", usage_error(&error), tool.name)]);
            return tool.usage();
        }
    };
    let (error, exit) = match plan(args) {
        Ok(plan) => match act(plan) {
            Ok(exit) => return exit,
            Err(error) => (error, tool.fault()),
        },
        Err(error) => (error, tool.usage()),
    };
    warn(tool.name, &[format!("{error:#}")]);
    exit
}

/// clap's explanation in one line: its cause and its tips, without the usage text.
///
/// A URL that could not be read is not repeated: it may hold a password, and this goes to a log.
fn usage_error(error: &clap::Error) -> String {
    let mut text = error.render().to_string();
    let told = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let value = told(ContextKind::InvalidValue);
    if told(ContextKind::InvalidArg).contains("url") && !value.is_empty() {
        text = text.replace(&value, MASK);
    }
    let cause = text.trim_start_matches("error: ").split("\n\n").filter(|part| {
        let part = part.trim_start();
        !part.starts_with("Usage:") && !part.starts_with("For more information")
    });
    let lines: Vec<&str> =
        cause.flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// Dies by the signal that the wrapped command died by, so that a shell around sees the same death. Returns where
/// that is not possible: as PID 1 no signal kills.
fn die_by(signal: i32) {
    // The core, if any, was the command's.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// One line on stderr, in the form `tool: what; what`. Nothing for no messages.
pub fn warn(tool: &str, messages: &[String]) {
    if !messages.is_empty() {
        // Without a stderr there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "{tool}: {}", messages.join("; "));
    }
}
