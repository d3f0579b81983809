//! The flags of recording: where the journal, the textfile and the Pushgateway are.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use common::args::EmptyAsNone;
use common::duration;
use common::http::parse_url;

/// What all exporting together may take after the work, unless told otherwise.
pub(crate) const EXPORT_BUDGET: Duration = Duration::from_secs(2);

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

/// Where the Pushgateway is, and how to be let in.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Pushgateway")]
pub struct GatewayArgs {
    /// The Pushgateway to push to, or "disabled" [default: disabled]
    // The URL may hold a password.
    #[arg(long, env = "PUSHGATEWAY_URL", value_name = "URL", hide_env_values = true)]
    pub pushgateway_url: Option<EmptyAsNone<PushTo>>,
    /// The user for basic authentication
    #[arg(long, env = "PUSHGATEWAY_USER", value_name = "NAME")]
    pub pushgateway_user: Option<EmptyAsNone<String>>,
    /// Its password: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "PUSHGATEWAY_PASSWORD", value_name = "SECRET", hide_env_values = true)]
    pub pushgateway_password: Option<EmptyAsNone<String>>,
    /// A bearer token: better in the variable, or as file:PATH, than on the command line
    #[arg(long, env = "PUSHGATEWAY_TOKEN", value_name = "SECRET", hide_env_values = true)]
    pub pushgateway_token: Option<EmptyAsNone<String>>,
    /// More headers, NAME: VALUE, one a line; or file:PATH
    #[arg(long, env = "PUSHGATEWAY_HEADERS", value_name = "HEADERS", hide_env_values = true)]
    pub pushgateway_headers: Option<EmptyAsNone<String>>,
    /// Trust the certificates in this PEM file too
    #[arg(long, env = "PUSHGATEWAY_CA", value_name = "FILE")]
    pub pushgateway_ca: Option<EmptyAsNone<PathBuf>>,
    /// A PEM file with the client's certificate and its key
    #[arg(long, env = "PUSHGATEWAY_CERT", value_name = "FILE")]
    pub pushgateway_cert: Option<EmptyAsNone<PathBuf>>,
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
    pub textfile: Option<EmptyAsNone<PathBuf>>,
    /// The folder of the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]
    #[arg(long, env = "DM_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<EmptyAsNone<PathBuf>>,
    /// What exporting may take after the work [default: 2s]
    #[arg(long, env = "DM_EXPORT_BUDGET", value_name = "DURATION", value_parser = maybe_duration)]
    pub export_budget: Option<EmptyAsNone<Duration>>,
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

fn maybe_duration(text: &str) -> Result<EmptyAsNone<Duration>, String> {
    EmptyAsNone::parse_with(text, duration::parse_positive)
}

fn maybe_metrics_file(text: &str) -> Result<EmptyAsNone<PathBuf>, String> {
    EmptyAsNone::parse_with(text, |text| {
        let path = PathBuf::from(text);
        let is_read = path.extension().is_some_and(|extension| extension == "prom");
        let why = "its name does not end in .prom, and node_exporter reads no other";
        is_read.then_some(path).ok_or_else(|| why.to_owned())
    })
}
