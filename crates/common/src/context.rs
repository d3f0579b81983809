//! What every tool knows before it does anything, and what follows from that for everything it tells.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};

use crate::cli::warn;
use crate::env;
use crate::event::{Detail, Event, EventId, FORMAT, Reason, Status};
use crate::exit::Exit;
use crate::flags::{DeploymentArgs, EXPORT_BUDGET, ExportArgs, PushTo, given};
use crate::gateway::Endpoint;
use crate::identity::Identity;
use crate::journal;
use crate::label::Stage;
use crate::record::{Recorded, Sinks};
use crate::scope::Scope;
use crate::scope::Work;
use crate::stream::Start;

/// Set by `dm-stage --start` for all that runs until `--finish`.
pub const HEARTBEAT: &str = "DM_HEARTBEAT";

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
    /// Where it records.
    pub sinks: Sinks,
}

impl Context {
    /// From the flags, the environment and the current folder.
    ///
    /// An error is configuration that cannot be used, such as a secret's file that is not there.
    pub fn find(tool: &'static str, deployment: &DeploymentArgs, export: &ExportArgs) -> Result<Self> {
        let folder = std::env::current_dir().unwrap_or_default();
        let gateway = match given(export.gateway.pushgateway_url.as_ref()) {
            Some(PushTo::Gateway(url)) => Some(Endpoint::new(url, &export.gateway)?),
            Some(PushTo::Disabled) | None => None,
        };
        if export.gateway.require_export && gateway.is_none() {
            bail!("--require-export needs a Pushgateway: set PUSHGATEWAY_URL");
        }
        Ok(Self {
            tool,
            identity: Identity::find(deployment, &env::system, &folder),
            parent: env::system("DM_PARENT_STAGE").and_then(|name| name.parse().ok()),
            beats_for_run: env::system(HEARTBEAT).is_some(),
            sinks: Sinks {
                state_dir: state_dir(export),
                textfile: given(export.textfile.as_ref()),
                gateway,
                required: export.gateway.require_export,
                budget: given(export.export_budget.as_ref()).unwrap_or(EXPORT_BUDGET),
            },
        })
    }

    /// What a recorder is told when work on `stage` begins.
    pub fn scope(&self, stage: &Stage, work: Work, started_at: DateTime<Utc>) -> Scope {
        Scope {
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
    pub fn event(&self, stage: &Stage, ended: Ended, detail: Detail) -> Event {
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
            duration_s: ended.duration.map(|duration| duration.as_secs_f64()),
            error_type: ended.reason,
        }
    }

    /// The variables by which a command that the tool starts knows the deployment it belongs to.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DM_DEPLOYMENT_ID", self.identity.deployment.to_string()),
            ("DM_SERVICE", self.identity.service.to_string()),
            ("DM_ENVIRONMENT", self.identity.environment.to_string()),
        ]
    }
}

/// The folder of the journal; `None` without a home to keep it in.
pub fn state_dir(export: &ExportArgs) -> Option<PathBuf> {
    given(export.state_dir.as_ref()).or_else(|| journal::default_folder(&env::system))
}

/// How work ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The id that it had from its start.
    pub id: EventId,
    /// When.
    pub ts: DateTime<Utc>,
    /// How long it took, by the monotonic clock; `None` where the start is not known.
    pub duration: Option<Duration>,
    /// How.
    pub status: Status,
    /// Why not well.
    pub reason: Option<Reason>,
}
