//! The flags that tools share, as what was typed.

use std::fmt::Debug;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::duration;
use crate::github::{GitHub, Notices};
use crate::http::parse_url;
use crate::label::Label;

/// What all exporting together may take after the work, unless told otherwise.
pub(crate) const EXPORT_BUDGET: Duration = Duration::from_secs(2);

/// A value that may be empty, and then counts as absent: CI systems set the variables that they have no value for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maybe<T>(pub Option<T>);

impl<T> Maybe<T> {
    fn read<E>(text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Result<Self, E> {
        if text.is_empty() { Ok(Self(None)) } else { read(text).map(|value| Self(Some(value))) }
    }
}

impl<T: FromStr<Err: Debug>> FromStr for Maybe<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        Self::read(text, str::parse)
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
    /// Sentences for people; in colours on a terminal, unless NO_COLOR is set
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
    /// Let the command go on where this tool is killed, by SIGKILL or out of memory; else it gets a TERM
    #[arg(long)]
    pub may_outlive: bool,
}

/// What GitHub Actions is told.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GitHubArgs {
    /// In GitHub Actions: any of group (fold the output), error (annotate a failure), summary (add a row to the step's)
    #[arg(long, env = "DM_GITHUB", value_name = "NOTICES")]
    pub github: Option<Notices>,
}

impl GitHubArgs {
    /// The runner that is told.
    pub fn runner(&self) -> GitHub {
        GitHub::find(self.github.unwrap_or_default(), &crate::env::system)
    }
}

/// Where the Pushgateway is, and how to be let in.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Pushgateway")]
pub struct GatewayArgs {
    /// The Pushgateway to push to, or "disabled" [default: disabled]
    // The URL may hold a password.
    #[arg(long, env = "PUSHGATEWAY_URL", value_name = "URL", hide_env_values = true)]
    pub pushgateway_url: Option<Maybe<PushTo>>,
    /// The user for basic authentication
    #[arg(long, env = "PUSHGATEWAY_USER", value_name = "NAME")]
    pub pushgateway_user: Option<Maybe<String>>,
    /// Its password: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "PUSHGATEWAY_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    pub pushgateway_password: Option<Maybe<String>>,
    /// A bearer token: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "PUSHGATEWAY_TOKEN", value_name = "SECRET", hide_env_values = true)]
    pub pushgateway_token: Option<Maybe<String>>,
    /// More headers, NAME: VALUE, one a line; or file:PATH
    #[arg(long, env = "PUSHGATEWAY_HEADERS", value_name = "HEADERS", hide_env_values = true)]
    pub pushgateway_headers: Option<Maybe<String>>,
    /// Trust the certificates in this PEM file too
    #[arg(long, env = "PUSHGATEWAY_CA", value_name = "FILE")]
    pub pushgateway_ca: Option<Maybe<PathBuf>>,
    /// A PEM file with the client's certificate and its key
    #[arg(long, env = "PUSHGATEWAY_CERT", value_name = "FILE")]
    pub pushgateway_cert: Option<Maybe<PathBuf>>,
    /// End with 125 if what happened could not be pushed
    #[arg(long, env = "DM_REQUIRE_EXPORT", value_name = "BOOL", value_parser = switch, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub require_export: bool,
}

/// Where the tool records what happened.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Recording")]
pub struct ExportArgs {
    /// A metrics file for node_exporter's textfile collector; its name has to end in .prom
    #[arg(long, env = "DM_TEXTFILE", value_name = "FILE", value_parser = maybe_metrics_file)]
    pub textfile: Option<Maybe<PathBuf>>,
    /// The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]
    #[arg(long, env = "DM_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<Maybe<PathBuf>>,
    /// What exporting may take after the work [default: 2s]
    #[arg(long, env = "DM_EXPORT_BUDGET", value_name = "DURATION", value_parser = maybe_duration)]
    pub export_budget: Option<Maybe<Duration>>,
    /// The Pushgateway.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "" | "false" | "0" | "no" => Ok(false),
        _ => Err("give true or false".to_owned()),
    }
}

fn maybe_duration(text: &str) -> Result<Maybe<Duration>, String> {
    Maybe::read(text, duration::parse_positive)
}

fn maybe_metrics_file(text: &str) -> Result<Maybe<PathBuf>, String> {
    Maybe::read(text, |text| {
        let path = PathBuf::from(text);
        let is_read = path.extension().is_some_and(|extension| extension == "prom");
        let why = "its name does not end in .prom, and node_exporter reads no other";
        is_read.then_some(path).ok_or_else(|| why.to_owned())
    })
}

/// The value of a flag or its variable, where one was given and is not empty.
pub fn given<T: Clone>(flag: Option<&Maybe<T>>) -> Option<T> {
    flag.and_then(|Maybe(value)| value.clone())
}
