//! The flags of recording: where the journal, the textfile and the Pushgateway are.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use secrecy::SecretString;
use state_store::StoreUrl;
use url::Url;

use common::args::{EmptyAsNone, parse_secret};
use common::duration;
use common::http::parse_url;
use common::label::redact_url;

/// How long all exporting together may take after the work, by default.
pub(crate) const EXPORT_BUDGET: Duration = Duration::from_secs(2);

/// The value of `--pushgateway-url`.
#[derive(Clone, PartialEq, Eq)]
pub enum PushTo {
    /// `disabled`: nothing is pushed.
    Disabled,
    /// The URL of a Pushgateway. It may contain a password.
    Gateway(Url),
}

impl fmt::Debug for PushTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("Disabled"),
            Self::Gateway(url) => f.debug_tuple("Gateway").field(&redact_url(url)).finish(),
        }
    }
}

impl FromStr for PushTo {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "disabled" { Ok(Self::Disabled) } else { parse_url(text).map(Self::Gateway) }
    }
}

/// The Pushgateway and the credentials for it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Pushgateway")]
pub struct GatewayArgs {
    /// Pushgateway to push to, or "disabled" [default: disabled]
    // The URL may contain a password.
    #[arg(long, env = "PUSHGATEWAY_URL", value_name = "URL", hide_env_values = true, value_parser = maybe_gateway)]
    pub pushgateway_url: Option<EmptyAsNone<Given<PushTo>>>,
    /// User for basic authentication
    #[arg(long, env = "PUSHGATEWAY_USER", value_name = "NAME")]
    pub pushgateway_user: Option<EmptyAsNone<String>>,
    /// Password for basic authentication, or file:PATH; do not put it on the command line
    #[arg(long, env = "PUSHGATEWAY_PASSWORD", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    pub pushgateway_password: Option<EmptyAsNone<SecretString>>,
    /// Bearer token, or file:PATH; do not put it on the command line
    #[arg(long, env = "PUSHGATEWAY_TOKEN", value_name = "SECRET", hide_env_values = true, value_parser = parse_secret)]
    pub pushgateway_token: Option<EmptyAsNone<SecretString>>,
    /// Additional headers, one NAME: VALUE per line; or file:PATH
    #[arg(long, env = "PUSHGATEWAY_HEADERS", value_name = "HEADERS", hide_env_values = true, value_parser = parse_secret)]
    pub pushgateway_headers: Option<EmptyAsNone<SecretString>>,
    /// Also trust the certificates in this PEM file
    #[arg(long, env = "PUSHGATEWAY_CA", value_name = "FILE")]
    pub pushgateway_ca: Option<EmptyAsNone<PathBuf>>,
    /// PEM file with the client certificate and its key
    #[arg(long, env = "PUSHGATEWAY_CERT", value_name = "FILE")]
    pub pushgateway_cert: Option<EmptyAsNone<PathBuf>>,
    /// Exit with 125 if the event could not be pushed
    #[arg(long, env = "DM_REQUIRE_EXPORT", value_name = "BOOL", value_parser = parse_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    pub require_export: bool,
}

/// Where the tool records events.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Recording")]
pub struct ExportArgs {
    /// Metrics file for node_exporter's textfile collector; the name must end in .prom
    #[arg(long, env = "DM_TEXTFILE", value_name = "FILE", value_parser = maybe_metrics_file)]
    pub textfile: Option<EmptyAsNone<Given<PathBuf>>>,
    /// State directory with the journal [default: $XDG_STATE_HOME/dm, else ~/.local/state/dm]
    #[arg(long, env = "DM_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<EmptyAsNone<PathBuf>>,
    /// Where the state is that all machines share: file:///folder, s3://bucket/prefix, gs://bucket/prefix,
    /// az://container/prefix, or git+https://host/repository.git#refs/dm/state
    // The URL of a repository may contain a password.
    #[arg(long, env = "DM_STATE_URL", value_name = "URL", hide_env_values = true, value_parser = maybe_state_url)]
    pub state_url: Option<EmptyAsNone<Given<StoreUrl>>>,
    /// How long exporting may take after the work [default: 2s]
    #[arg(long, env = "DM_EXPORT_BUDGET", value_name = "DURATION", value_parser = maybe_duration)]
    pub export_budget: Option<EmptyAsNone<Given<Duration>>>,
    /// Who pushes the event of a stage: "detached", a process that goes on when the tool has ended; or "foreground", the
    /// tool itself, for a machine that kills such processes [default: detached]
    #[arg(long, env = "DM_EXPORT", value_name = "HOW", value_parser = maybe_export_mode)]
    pub export: Option<EmptyAsNone<Given<ExportMode>>>,
    /// The Pushgateway.
    #[command(flatten)]
    pub gateway: GatewayArgs,
}

/// Who pushes the event of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportMode {
    /// A process of its own, which the tool does not wait for.
    Detached,
    /// The tool, before it ends.
    Foreground,
}

impl FromStr for ExportMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "detached" => Ok(Self::Detached),
            "foreground" => Ok(Self::Foreground),
            _ => Err("must be detached or foreground".to_owned()),
        }
    }
}

fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" => Ok(true),
        "" | "false" | "0" | "no" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

/// A setting of recording as given, or why it is wrong. One that is wrong must not stop the work.
#[derive(Debug, Clone)]
pub struct Given<T>(pub(crate) Result<T, String>);

impl ExportArgs {
    /// Checks the URL of the shared state, for a tool that does not work without the shared state that was meant.
    ///
    /// # Errors
    /// It is wrong.
    pub fn check_state_url(&self) -> anyhow::Result<()> {
        match self.state_url.as_ref().and_then(|given| given.0.as_ref()) {
            Some(Given(Err(error))) => {
                bail!("the URL of the shared state is wrong (DM_STATE_URL): {error}")
            }
            _ => Ok(()),
        }
    }
}

fn maybe_state_url(text: &str) -> Result<EmptyAsNone<Given<StoreUrl>>, String> {
    EmptyAsNone::parse_with(text, |text| Ok(Given(text.parse())))
}

fn maybe_gateway(text: &str) -> Result<EmptyAsNone<Given<PushTo>>, String> {
    EmptyAsNone::parse_with(text, |text| Ok(Given(text.parse())))
}

fn maybe_export_mode(text: &str) -> Result<EmptyAsNone<Given<ExportMode>>, String> {
    EmptyAsNone::parse_with(text, |text| Ok(Given(text.parse())))
}

fn maybe_duration(text: &str) -> Result<EmptyAsNone<Given<Duration>>, String> {
    EmptyAsNone::parse_with(text, |text| Ok(Given(duration::parse_positive(text))))
}

fn maybe_metrics_file(text: &str) -> Result<EmptyAsNone<Given<PathBuf>>, String> {
    EmptyAsNone::parse_with(text, |text| {
        let path = PathBuf::from(text);
        let is_valid = path.extension().is_some_and(|extension| extension == "prom");
        let why = "the name must end in .prom: node_exporter reads no other files";
        Ok(Given(is_valid.then_some(path).ok_or_else(|| why.to_owned())))
    })
}
