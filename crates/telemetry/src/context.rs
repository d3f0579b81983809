//! What every tool knows before it does anything, and what follows from that for everything it tells.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};

use crate::args::{EXPORT_BUDGET, ExportArgs, PushTo};
use crate::journal;
use crate::pushgateway::Endpoint;
use crate::recorder::{Recorded, Sinks};
use crate::work::WorkItem;
use crate::work::WorkKind;
use common::args::{DeploymentArgs, non_empty};
use common::cli::warn;
use common::env::{self, Env};
use common::event::{Completion, Detail, Event, EventId, FORMAT, Status};
use common::exit::Exit;
use common::identity::Identity;
use common::label::Stage;
use common::records::Start;

/// Set by `dm-stage --start` for all that runs until `--finish`.
pub const HEARTBEAT: &str = "DM_HEARTBEAT";

/// When the commit that is deployed was made, in RFC 3339, as `git show -s --format=%cI` prints it.
const COMMIT_TIME: &str = "DM_COMMIT_TIME";

/// What a minute of the machine that runs the deployment costs, in dollars.
const PRICE_PER_MINUTE: &str = "DM_RUNNER_PRICE_PER_MINUTE";

/// What every tool knows before it does anything: who it is, for which deployment it works, where it records.
#[derive(Debug, Clone)]
pub struct Context {
    /// The tool.
    pub tool: &'static str,
    /// The deployment.
    pub identity: Identity,
    /// The stage around the tool.
    pub parent: Option<Stage>,
    /// Whether the deployment was begun with `--start`: then each tool in it keeps its run alive.
    pub beats_for_run: bool,
    /// When the commit that is deployed was made.
    pub commit_time: Option<DateTime<Utc>>,
    /// What a minute costs, in dollars.
    pub price_per_minute: Option<f64>,
    /// Where it records.
    pub sinks: Sinks,
}

impl Context {
    /// From the flags, the environment and the current folder.
    ///
    /// An error is configuration that cannot be used, such as a secret's file that is not there.
    pub fn resolve(tool: &'static str, deployment: &DeploymentArgs, export: &ExportArgs) -> Result<Self> {
        let folder = std::env::current_dir().unwrap_or_default();
        let gateway = match non_empty(export.gateway.pushgateway_url.as_ref()) {
            Some(PushTo::Gateway(url)) => Some(Endpoint::new(url, &export.gateway)?),
            Some(PushTo::Disabled) | None => None,
        };
        if export.gateway.require_export && gateway.is_none() {
            bail!("--require-export needs a Pushgateway: set PUSHGATEWAY_URL");
        }
        Ok(Self {
            tool,
            identity: Identity::resolve(deployment, &env::system, &folder),
            parent: env::system("DM_PARENT_STAGE").and_then(|name| name.parse().ok()),
            beats_for_run: env::system(HEARTBEAT).is_some(),
            commit_time: variable(&env::system, COMMIT_TIME, |text| {
                DateTime::parse_from_rfc3339(text).map(|when| when.to_utc()).ok()
            })?,
            price_per_minute: variable(&env::system, PRICE_PER_MINUTE, |text| {
                text.parse().ok().filter(|price: &f64| price.is_finite() && *price >= 0.0)
            })?,
            sinks: Sinks {
                state_dir: state_dir(export),
                textfile: non_empty(export.textfile.as_ref()),
                gateway,
                required: export.gateway.require_export,
                budget: non_empty(export.export_budget.as_ref()).unwrap_or(EXPORT_BUDGET),
            },
        })
    }

    /// The stage as people are told of it, with its service: `api/build`.
    pub fn qualified_name(&self, stage: &Stage) -> String {
        format!("{}/{stage}", self.identity.service)
    }

    /// What a recorder is told when work on `stage` begins.
    pub fn work_item(&self, stage: &Stage, work: WorkKind, started_at: DateTime<Utc>) -> WorkItem {
        WorkItem {
            identity: self.identity.clone(),
            stage: stage.clone(),
            parent: self.parent.clone(),
            beats_for_run: self.beats_for_run,
            work,
            started_at,
        }
    }

    /// Tells what went wrong with recording, and how the tool ends: recording changes that only where it is required.
    pub fn conclude(&self, exit: Exit, recorded: &Recorded) -> Exit {
        warn(self.tool, &recorded.warnings);
        if self.sinks.required && !recorded.is_pushed { Exit::WrapperFault } else { exit }
    }

    /// The first line of the tool's stream.
    pub fn stream_start(&self, id: &EventId, ts: DateTime<Utc>, interval: Option<Duration>) -> Start {
        Start {
            tool: self.tool.to_owned(),
            run: id.as_str().to_owned(),
            service: self.identity.service.to_string(),
            environment: self.identity.environment.to_string(),
            deployment: self.identity.deployment.to_string(),
            ts,
            interval_ms: interval.and_then(|interval| u64::try_from(interval.as_millis()).ok()),
        }
    }

    /// What came of work on `stage`.
    pub fn event(&self, stage: &Stage, ended: Completion, detail: Detail) -> Event {
        let duration_s = ended.duration.map(|duration| duration.as_secs_f64());
        let is_live = stage.is_deployment() && ended.status == Status::Success;
        Event {
            v: FORMAT,
            detail,
            id: ended.id,
            ts: ended.ts,
            tool: self.tool.to_owned(),
            identity: self.identity.clone(),
            stage: stage.clone(),
            parent: self.parent.clone(),
            status: ended.status,
            duration_s,
            lead_time_s: self.commit_time.filter(|_| is_live).and_then(|made| {
                // Two machines' wall clocks may disagree: a commit from the future has no lead time.
                Some(ended.ts.signed_duration_since(made).to_std().ok()?.as_secs_f64())
            }),
            restored_s: None,
            failing_since_s: None,
            cost_dollars: self
                .price_per_minute
                .zip(duration_s)
                .map(|(price, seconds)| price * seconds / 60.0),
            error_type: ended.reason,
        }
    }

    /// The variables by which a command that the tool starts knows the deployment it belongs to.
    pub fn child_env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DM_DEPLOYMENT_ID", self.identity.deployment.to_string()),
            ("DM_SERVICE", self.identity.service.to_string()),
            ("DM_ENVIRONMENT", self.identity.environment.to_string()),
        ]
    }
}

/// The value of a variable that no flag stands for; an error where it cannot be read, nothing where it is not set.
fn variable<T>(env: &Env<'_>, name: &str, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
    let Some(text) = env(name) else { return Ok(None) };
    let value = read(&text).with_context(|| match name {
        COMMIT_TIME => format!("{name} is not a time like 2026-01-31T12:00:00Z: {text:?}"),
        _ => format!("{name} is not a number of dollars like 0.008: {text:?}"),
    })?;
    Ok(Some(value))
}

/// The folder of the journal; `None` without a home to keep it in.
pub fn state_dir(export: &ExportArgs) -> Option<PathBuf> {
    non_empty(export.state_dir.as_ref()).or_else(|| journal::default_folder(&env::system))
}
