//! What it means: checked values, and no flag left to ask about.

use std::path::PathBuf;

use crate::runner::{StageRun, SuccessCriteria};
use anyhow::{Context as _, Result, bail};
use common::args::non_empty;
use common::event::{Reason, Status};
use common::github_actions::GitHub;
use common::label::{Label, Stage};
use telemetry::context::{Context, state_dir};
use telemetry::work::WorkKind;

use crate::TOOL;
use crate::args::Args;
use crate::flush::Flush;

/// The things that the tool can do.
#[derive(Debug)]
pub enum Plan {
    /// Run a command as a stage.
    Run(StageRun),
    /// Record that a stage is skipped.
    Skip {
        /// Who and where.
        context: Context,
        /// The stage.
        stage: Stage,
        /// Why.
        reason: Label,
        /// Who else is told.
        github: GitHub,
    },
    /// Record that a stage begins.
    Start {
        /// Who and where.
        context: Context,
        /// The stage.
        stage: Stage,
    },
    /// Record that a stage that was begun has ended.
    Finish {
        /// Who and where.
        context: Context,
        /// The stage.
        stage: Stage,
        /// How.
        status: Status,
    },
    /// Send what is still on its way.
    Flush(Flush),
    /// Show a deployment.
    Timeline {
        /// The folder of the journal.
        state_dir: PathBuf,
        /// The deployment's id; the last one for `None`.
        deployment: Option<Label>,
    },
}

/// Finds out what to do.
pub fn plan(args: Args) -> Result<Plan> {
    if let Some(deployment) = args.timeline {
        let state_dir = state_dir(&args.export).context("no journal to read: set DM_STATE_DIR, or HOME")?;
        return Ok(Plan::Timeline { state_dir, deployment });
    }
    if args.flush {
        let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
        let endpoint = context.sinks.gateway.context("no Pushgateway to send to: set PUSHGATEWAY_URL")?;
        let state_dir =
            context.sinks.state_dir.context("no journal to send from: set DM_STATE_DIR, or HOME")?;
        return Ok(Plan::Flush(Flush { endpoint, state_dir, budget: context.sinks.budget }));
    }
    let Some(stage) = args.stage else {
        bail!("no stage given: write dm-stage STAGE -- COMMAND, such as dm-stage build -- cargo build");
    };
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    if args.start {
        return Ok(Plan::Start { context, stage });
    }
    if let Some(status) = args.finish {
        return Ok(Plan::Finish { context, stage, status });
    }
    if let Some(reason) = non_empty(args.skip.as_ref()) {
        return Ok(Plan::Skip { context, stage, reason, github: args.github.outputs() });
    }
    if args.command.first().is_none_or(|program| program.is_empty()) {
        bail!("no command given: write dm-stage {stage} -- COMMAND");
    }
    Ok(Plan::Run(StageRun {
        context,
        stage,
        work: WorkKind::Stage,
        rules: SuccessCriteria {
            failure: Reason::ExitCode,
            allowed: args.allow_exit,
            patterns: args.error_pattern,
        },
        retries: args.retries,
        retry_delay: args.retry_delay,
        tail: args.tail.into(),
        github: args.github.outputs(),
        status: args.status,
        argv: args.command,
        timeout: args.limit.timeout,
        kill_after: args.limit.kill_after,
        may_outlive: args.limit.may_outlive,
    }))
}
