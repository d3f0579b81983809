//! The plan: validated values that need no further look at the flags.

use std::sync::Arc;
use std::time::Duration;

use crate::runner::{OutputMode, StageRun, Stdin, SuccessCriteria};
use anyhow::{Context as _, Result, bail};
use common::args::non_empty;
use common::env;
use common::event::{Reason, Status};
use common::github_actions::GitHub;
use common::label::Stage;
use notify::Notifiers;
use telemetry::{Context, Retired, Sinks, WorkKind, state_dir};

use crate::announcement;
use crate::args::Args;
use crate::deployment::Source;
use crate::flush::Flush;
use crate::query::Query;
use crate::report::Report;
use crate::retire::Retire;
use crate::skip::Skipped;
use crate::tool::TOOL;
use crate::two_step::EXCLUSIVE;

/// The variable of `--output`.
const OUTPUT: &str = "DM_OUTPUT";

/// What to do.
#[derive(Debug)]
pub enum Plan {
    /// Run a command as a stage.
    Run {
        /// The command.
        stage_run: Box<StageRun>,
        /// For the only deployment at a time: how long to wait for another one.
        exclusive: Option<Duration>,
        /// What is reported at the end of a deployment; `None` for any other stage.
        report: Option<Report>,
        /// Who is notified of a deployment.
        notifiers: Notifiers,
    },
    /// Record a skipped stage.
    Skip {
        /// The deployment, and where to record.
        context: Context,
        /// The stage.
        stage: Stage,
        /// The reason, and what is live without it.
        skipped: Skipped,
        /// Whether to print a line about it.
        output: OutputMode,
        /// Output to GitHub Actions.
        github: GitHub,
    },
    /// Record the start of a stage.
    Start {
        /// The deployment, and where to record.
        context: Context,
        /// The stage.
        stage: Stage,
        /// How long to wait for another deployment; `None` if several may run at a time.
        exclusive: Option<Duration>,
        /// Who is notified.
        notifiers: Notifiers,
    },
    /// Record the end of a stage.
    Finish {
        /// The deployment, and where to record.
        context: Context,
        /// The stage.
        stage: Stage,
        /// The outcome.
        status: Status,
        /// Whether the deployment was begun as the only one.
        is_exclusive: bool,
        /// What is reported at the end of a deployment; `None` for any other stage.
        report: Option<Report>,
        /// Who is notified of a deployment.
        notifiers: Notifiers,
    },
    /// Push pending events.
    Flush(Flush),
    /// Add pending events to the shared state, and push its totals.
    FlushShared(Context),
    /// Remove a service that is no longer deployed.
    Retire(Retire),
    /// Print what the journals say.
    Query(Query),
}

/// Makes the plan.
///
/// # Errors
/// The flags or the configuration are invalid.
pub fn plan(args: Args) -> Result<Plan> {
    if args.exclusive.is_some() || args.flush || args.query.is_wanted() {
        args.export.check_state_url()?;
    }
    if args.query.is_wanted() {
        let source = if non_empty(args.export.state_url.as_ref()).is_some() {
            Source::Shared(Box::new(Context::resolve(TOOL.name, &args.deployment, &args.export)?))
        } else {
            let state_dir = state_dir(&args.export);
            Source::Local(state_dir.context("no journal to read: set DM_STATE_DIR or HOME")?)
        };
        return Query::plan(args.query, source, &args.deployment, args.report.links).map(Plan::Query);
    }
    if args.flush {
        let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
        if context.sinks.state_url.is_some() {
            return Ok(Plan::FlushShared(context));
        }
        let Sinks { gateway: endpoint, otlp, state_dir, budget, .. } = context.sinks;
        if endpoint.is_none() && otlp.is_none() {
            bail!(
                "no Pushgateway to push to: set PUSHGATEWAY_URL, or OTEL_EXPORTER_OTLP_ENDPOINT for a collector"
            );
        }
        let state_dir = state_dir.context("no journal to push from: set DM_STATE_DIR or HOME")?;
        return Ok(Plan::Flush(Flush { endpoint, otlp, state_dir, budget }));
    }
    if let Some(service) = args.retire.retire {
        let Sinks { gateway, state_dir, budget, .. } =
            Context::resolve(TOOL.name, &args.deployment, &args.export)?.sinks;
        return Ok(Plan::Retire(Retire {
            retired: Retired { service, environment: non_empty(args.deployment.environment.as_ref()) },
            is_dry_run: args.retire.dry_run,
            endpoint: gateway.context("no Pushgateway to retire it from: set PUSHGATEWAY_URL")?,
            state_dir,
            budget,
        }));
    }
    let Some(stage) = args.stage else {
        bail!("no stage given: write dm-stage STAGE -- COMMAND, such as dm-stage build -- cargo build");
    };
    let exclusive = args.exclusive;
    if exclusive.is_some() && !stage.is_deployment() {
        bail!("--exclusive is for a whole deployment: write dm-stage deployment --exclusive, not {stage}");
    }
    let output = output(&stage, args.output.mode())?;
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let is_inner = context.parent.as_ref().is_some_and(Stage::is_deployment);
    let github = args.github.outputs().within_stage(context.parent.is_some());
    let is_whole = stage.is_deployment() && !is_inner;
    let report = Some(Report::plan(args.report, github.clone())).filter(|_| is_whole);
    let is_run = args.skip.as_ref().is_none_or(|skip| skip.0.is_none());
    let notifiers = if is_whole && is_run {
        announcement::notifiers(&args.notify, &context)
    } else {
        Notifiers::default()
    };
    if args.start {
        return Ok(Plan::Start { context, stage, exclusive, notifiers });
    }
    if let Some(status) = args.finish {
        let is_exclusive = exclusive.is_some() || env::system(EXCLUSIVE).is_some();
        return Ok(Plan::Finish { context, stage, status, is_exclusive, report, notifiers });
    }
    if let Some(reason) = non_empty(args.skip.as_ref()) {
        let skipped = Skipped { reason, live_release: non_empty(args.live_release.as_ref()) };
        return Ok(Plan::Skip { context, stage, skipped, output, github });
    }
    if args.command.first().is_none_or(|program| program.is_empty()) {
        bail!("no command given: write dm-stage {stage} -- COMMAND");
    }
    let stage_run = StageRun {
        context,
        stage,
        kind: WorkKind::Stage,
        criteria: SuccessCriteria {
            failure: Reason::ExitCode,
            allowed: args.allow_exit,
            patterns: args.error_pattern,
        },
        retry: args.retry.into(),
        tail: args.tail.into(),
        output,
        github,
        status: args.status,
        argv: args.command,
        stdin: Arc::new(Stdin::inspect(args.stdin)),
        timeout: args.limit.timeout,
        stop_signal: args.limit.signal,
        kill_after: args.limit.kill_after,
        may_outlive: args.limit.may_outlive,
    };
    Ok(Plan::Run { stage_run: Box::new(stage_run), exclusive, report, notifiers })
}

/// What is shown of the output of this stage. The stages of a deployment report themselves.
fn output(stage: &Stage, output: OutputMode) -> Result<OutputMode> {
    if !stage.is_deployment() || output == OutputMode::Live {
        return Ok(output);
    }
    if env::system(OUTPUT).is_none() {
        bail!(
            "--output is for one stage: give it to the stages of the deployment, or set {OUTPUT} for all of them"
        );
    }
    Ok(OutputMode::Live)
}
