//! The context of every tool: its name, its deployment, and where it records.

use std::os::unix;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, Utc};
use state_store::StoreUrl;

use crate::args::{EXPORT_BUDGET, ExportArgs, ExportMode, Given, PushTo};
use crate::journal;
use crate::pushgateway::Endpoint;
use crate::recorder::{Recorded, SHARED_BY, Sinks};
use crate::work::{WorkItem, WorkKind};
use common::args::{DeploymentArgs, EmptyAsNone, non_empty};
use common::cli::warn;
use common::duration;
use common::env;
use common::event::{Completion, Detail, Event, EventId, FORMAT, Status};
use common::exit::Exit;
use common::identity::Identity;
use common::label::Stage;
use common::records::Start;

/// Set by `dm-stage --start` for everything that runs until `--finish`: each tool then sends the heartbeat of the
/// deployment.
pub const HEARTBEAT: &str = "DM_HEARTBEAT";

/// The time of the deployed commit, in RFC 3339, as `git show -s --format=%cI` prints it.
const COMMIT_TIME: &str = "DM_COMMIT_TIME";

/// How long a lease is valid without a renewal.
const LEASE_TTL: &str = "DM_LEASE_TTL";

/// A holder renews its lease once a minute; two renewals may be lost.
const DEFAULT_LEASE_TTL: Duration = Duration::from_secs(150);

/// The address of a StatsD server.
const STATSD: &str = "DM_STATSD";

/// The price of one minute of the machine that runs the deployment, in dollars.
const PRICE_PER_MINUTE: &str = "DM_RUNNER_PRICE_PER_MINUTE";

/// The context of a tool: its name, its deployment, and where it records.
#[derive(Debug, Clone)]
pub struct Context {
    /// The name of the tool.
    pub tool: &'static str,
    /// The identity of the deployment.
    pub identity: Identity,
    /// The enclosing stage.
    pub parent: Option<Stage>,
    /// Whether the deployment was begun with `--start`, so that each tool sends its heartbeat.
    pub beats_for_deployment: bool,
    /// The time of the deployed commit, for the lead time.
    pub commit_time: Option<DateTime<Utc>>,
    /// The price of one minute, in dollars.
    pub price_per_minute: Option<f64>,
    /// How long a lease is valid without a renewal.
    pub lease_ttl: Duration,
    /// Where events are recorded.
    pub sinks: Sinks,
}

impl Context {
    /// The context from the flags, the environment and the current folder.
    ///
    /// # Errors
    /// The configuration is invalid, such as a missing file for a secret.
    pub fn resolve(tool: &'static str, deployment: &DeploymentArgs, export: &ExportArgs) -> Result<Self> {
        let folder = std::env::current_dir().unwrap_or_default();
        let settings = Settings { tool, is_required: export.gateway.require_export };
        let push_to = settings.given(
            "PUSHGATEWAY_URL",
            "nothing is pushed",
            export.gateway.pushgateway_url.as_ref(),
        )?;
        let gateway = match push_to {
            Some(PushTo::Gateway(url)) => {
                settings.check(Endpoint::new(url, &export.gateway), "nothing is pushed")?
            }
            Some(PushTo::Disabled) | None => None,
        };
        if export.gateway.require_export && gateway.is_none() {
            bail!("--require-export needs a Pushgateway: set PUSHGATEWAY_URL");
        }
        let state_dir = state_dir(export);
        let state_url = state_url(tool, export);
        let mode = settings.given("DM_EXPORT", "it is detached", export.export.as_ref())?;
        let shared_by = env::system(SHARED_BY).map(PathBuf::from);
        Ok(Self {
            tool,
            identity: Identity::resolve(deployment, &env::system, &folder),
            parent: env::system("DM_PARENT_STAGE").and_then(|name| name.parse().ok()),
            beats_for_deployment: env::system(HEARTBEAT).is_some(),
            commit_time: settings.variable(COMMIT_TIME, |text| {
                DateTime::parse_from_rfc3339(text).map(|when| when.to_utc()).ok()
            })?,
            price_per_minute: settings.variable(PRICE_PER_MINUTE, |text| {
                text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0)
            })?,
            lease_ttl: settings
                .variable(LEASE_TTL, |text| duration::parse(text).ok().filter(|ttl| ttl.as_secs() >= 1))?
                .unwrap_or(DEFAULT_LEASE_TTL),
            sinks: Sinks {
                is_deferred: shared_by.is_some() && shared_by == state_dir.as_deref().map(absolute),
                // The end of process 1, or of what it waits for, is the end of all processes of a container or a service. What
                // many machines share must be shared before this one is thrown away.
                is_detached: mode.unwrap_or(ExportMode::Detached) == ExportMode::Detached
                    && !export.gateway.require_export
                    && state_url.is_none()
                    && std::process::id() != 1
                    && unix::process::parent_id() > 1,
                state_dir,
                state_url,
                textfile: settings.given(
                    "DM_TEXTFILE",
                    "no metrics file is written",
                    export.textfile.as_ref(),
                )?,
                gateway,
                otlp: settings
                    .check(
                        otlp::Settings::from_env(&env::system).map_err(anyhow::Error::from),
                        "nothing is sent by OTLP",
                    )?
                    .flatten(),
                statsd: settings.variable(STATSD, |text| text.parse().ok())?,
                required: export.gateway.require_export,
                budget: settings
                    .given("DM_EXPORT_BUDGET", "it is 2s", export.export_budget.as_ref())?
                    .unwrap_or(EXPORT_BUDGET),
            },
        })
    }

    /// The stage with its service, for messages: `api/build`.
    pub fn qualified_name(&self, stage: &Stage) -> String {
        format!("{}/{stage}", self.identity.service)
    }

    /// The work item for a recorder when work on `stage` begins.
    pub fn work_item(&self, stage: &Stage, kind: WorkKind, started_at: DateTime<Utc>) -> WorkItem {
        WorkItem {
            tool: self.tool,
            identity: self.identity.clone(),
            stage: stage.clone(),
            parent: self.parent.clone(),
            beats_for_deployment: self.beats_for_deployment,
            kind,
            started_at,
            id: None,
        }
    }

    /// Prints the warnings of recording, and returns how the tool ends. Recording changes that only with
    /// `--require-export`.
    pub fn conclude(&self, exit: Exit, recorded: &Recorded) -> Exit {
        warn(self.tool, &recorded.warnings);
        if self.sinks.required && !recorded.is_pushed { Exit::WrapperFault } else { exit }
    }

    /// The `start` record of the tool's output. `interval` is the time between two probes.
    pub fn stream_start(&self, id: &EventId, ts: DateTime<Utc>, interval: Option<Duration>) -> Start {
        Start {
            tool: self.tool.to_owned(),
            run: id.as_str().to_owned(),
            service: self.identity.service.to_string(),
            environment: self.identity.environment.to_string(),
            deployment: self.identity.deployment.to_string(),
            ts,
            interval_ms: interval.and_then(|interval| u64::try_from(interval.as_millis()).ok()),
            expectations: false,
            watch_min_ms: None,
            watch_max_ms: None,
        }
    }

    /// The event for completed work on `stage`.
    pub fn event(&self, stage: &Stage, completion: Completion, detail: Detail) -> Event {
        let duration_s = completion.duration.map(|duration| duration.as_secs_f64());
        let is_live = stage.is_deployment() && completion.status == Status::Success;
        Event {
            v: FORMAT,
            detail,
            id: completion.id,
            ts: completion.ts,
            tool: self.tool.to_owned(),
            identity: self.identity.clone(),
            stage: stage.clone(),
            parent: self.parent.clone(),
            status: completion.status,
            duration_s,
            lead_time_s: self.commit_time.filter(|_| is_live).and_then(|made| {
                // The wall clocks of two machines may differ. A commit from the future has no lead time.
                Some(completion.ts.signed_duration_since(made).to_std().ok()?.as_secs_f64())
            }),
            restored_s: None,
            failing_since_s: None,
            cost_dollars: self
                .price_per_minute
                .zip(duration_s)
                .map(|(price, seconds)| price * seconds / 60.0),
            error_type: completion.reason,
            cause: None,
        }
    }

    /// The variables that tell a child process which deployment it belongs to.
    pub fn child_env(&self) -> Vec<(&'static str, String)> {
        self.identity.env()
    }

    /// The variable for the command of a tool that records its own end: this tool then shares what the tools inside the
    /// command record. Empty if nothing is shared.
    pub fn sharing_env(&self) -> Option<(&'static str, String)> {
        self.sinks.state_url.as_ref()?;
        let folder = absolute(self.sinks.state_dir.as_deref()?);
        Some((SHARED_BY, folder.into_os_string().into_string().ok()?))
    }
}

/// The URL of the shared state, if it can be used. Otherwise says that nothing is shared.
fn state_url(tool: &str, export: &ExportArgs) -> Option<StoreUrl> {
    let Given(given) = non_empty(export.state_url.as_ref())?;
    let explain =
        |error| format!("the URL of the shared state is wrong (DM_STATE_URL), so nothing is shared: {error}");
    given.map_err(|error| warn(tool, &[explain(error)])).ok()
}

/// The path from the root: the command may run in another folder.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Reads the settings of recording. One that is wrong must not stop the work: it is a warning, and an error only with
/// `--require-export`.
#[derive(Debug)]
struct Settings {
    tool: &'static str,
    is_required: bool,
}

impl Settings {
    /// The value of a flag or its variable; `None` if it is not given, or wrong. `otherwise` says what that means.
    fn given<T: Clone>(
        &self,
        name: &str,
        otherwise: &str,
        given: Option<&EmptyAsNone<Given<T>>>,
    ) -> Result<Option<T>> {
        let Some(Given(given)) = non_empty(given) else { return Ok(None) };
        self.check(given.map_err(|error| anyhow!("{name} is wrong: {error}")), otherwise)
    }

    /// The value of a variable that has no flag; `None` if it is not set, or wrong.
    fn variable<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = env::system(name) else { return Ok(None) };
        let value = read(&text).with_context(|| match name {
            COMMIT_TIME => format!("{name} is {text:?}, not a time such as 2026-01-31T12:00:00Z"),
            LEASE_TTL => format!("{name} is {text:?}, not a duration of at least a second such as 150s"),
            STATSD => format!(
                "{name} is {text:?}, not an address such as udp://127.0.0.1:8125 or unix:///var/run/datadog/dsd.socket"
            ),
            _ => format!("{name} is {text:?}, not a price in dollars such as 0.008"),
        });
        self.check(value, "it is ignored")
    }

    /// The value; `None`, with a warning, if it is wrong.
    fn check<T>(&self, value: Result<T>, otherwise: &str) -> Result<Option<T>> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.is_required => Err(error),
            Err(error) => {
                warn(self.tool, &[format!("{error:#}; {otherwise}")]);
                Ok(None)
            }
        }
    }
}

/// The state directory; `None` if there is no home directory.
pub fn state_dir(export: &ExportArgs) -> Option<PathBuf> {
    non_empty(export.state_dir.as_ref()).or_else(|| journal::default_folder(&env::system))
}
