//! What it means: checked values.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anyhow::{Result, bail};
use common::args::{Format, non_empty};
use common::clock::{Clock as _, SystemClock};
use common::label::{Label, Stage};
use telemetry::context::Context;
use url::Url;

use crate::TOOL;
use crate::args::Args;
use crate::decision::Policy;
use crate::evidence::Evidence;
use crate::safeguard_args::Guard;
use crate::source::Sources;
use crate::tell::People;
use crate::webhook::Hook;

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// Who and where.
    pub context: Context,
    /// The stage, `rollback`.
    pub stage: Stage,
    /// When to roll back.
    pub policy: Policy,
    /// Where the evidence comes from.
    pub sources: Sources,
    /// How an alert's payload on stdin is judged; `None` where stdin is a stream.
    pub hook: Option<Hook>,
    /// How; `None` where no command was given, which only a dry run is allowed.
    pub action: Option<Action>,
    /// Only decide.
    pub dry_run: bool,
    /// What a rollback has to respect.
    pub guard: Guard,
    /// Who is told what was done.
    pub people: People,
    /// The form of stdout.
    pub format: Format,
    /// Whether the deployment's id was told, so that the stream's own does not matter.
    deployment_is_known: bool,
}

/// How to roll back, and how to see that it worked.
#[derive(Debug)]
pub struct Action {
    /// The command.
    pub argv: Vec<OsString>,
    /// Its time limit.
    pub timeout: Duration,
    /// Where to look afterwards; empty where nobody told.
    pub verify: Vec<Url>,
    /// The time in which the service has to be seen to work.
    pub verify_deadline: Duration,
}

/// Finds out what to do.
pub fn plan(args: Args) -> Result<Plan> {
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let stream = args.if_health_fails || args.if_smoke_fails;
    let now = SystemClock.now();
    let sources = Sources::plan(&args.source, args.if_error_rate, stream, &context.identity, now)?;
    let policy = Policy {
        error_rate: args.if_error_rate,
        latency: sources.criteria.latency,
        alert: !args.source.if_alert.is_empty(),
        health_fails: args.if_health_fails,
        smoke_fails: args.if_smoke_fails,
    };
    let mut guard = Guard::from(&args.safeguards);
    let people = People::new(non_empty(args.source.alertmanager_url.as_ref()), &args.github);
    let hook = hook(&args, &people)?;
    // Requests that are fine while an alert fires prove no version.
    guard.provisional |= hook.is_some();
    if policy.is_empty() && hook.is_none() {
        bail!(
            "no condition given: --if-error-rate PERCENT, --if-latency, --if-alert, --if-health-fails or --if-smoke-fails"
        );
    }
    if !policy.is_empty() && hook.is_some() && sources.reads_stdin() {
        bail!("--from-alertmanager reads stdin: other conditions beside it need --prometheus or --railway");
    }
    let has_command = args.command.first().is_some_and(|program| !program.is_empty());
    if !has_command && !args.dry_run {
        bail!("no rollback command given: write it after --, or use --dry-run");
    }
    if (sources.reads_stdin() || hook.is_some()) && stdin().is_terminal() {
        bail!(
            "stdin is a terminal: pipe a stream into it, such as dm-health … --format jsonl | dm-rollback …"
        );
    }
    let action = has_command.then(|| Action {
        argv: args.command,
        timeout: args.rollback_timeout,
        verify: args.verify_url.into_iter().collect(),
        verify_deadline: args.verify_deadline,
    });
    let deployment_is_known = non_empty(args.deployment.deployment_id.as_ref()).is_some();
    Ok(Plan {
        context,
        stage: "rollback".parse().map_err(anyhow::Error::msg)?,
        policy,
        sources,
        hook,
        action,
        dry_run: args.dry_run,
        guard,
        people,
        format: args.format.unwrap_or_else(|| Format::for_stdout(stdout().is_terminal())),
        deployment_is_known,
    })
}

fn hook(args: &Args, people: &People) -> Result<Option<Hook>> {
    if !args.hook.from_alertmanager {
        return Ok(None);
    }
    let Some(alertmanager) = people.alertmanager.clone() else {
        bail!("--from-alertmanager asks before it acts: give --alertmanager-url");
    };
    Ok(Some(Hook {
        alertmanager,
        is_deployment_known: non_empty(args.deployment.deployment_id.as_ref()).is_some(),
        is_version_known: non_empty(args.deployment.app_version.as_ref()).is_some(),
    }))
}

impl Plan {
    /// Takes from the stream what was not told: the deployment's id, and where to look afterwards.
    #[must_use]
    pub fn of_stream(mut self, evidence: &Evidence) -> Self {
        if !self.deployment_is_known
            && let Some(deployment) = evidence.deployment.as_deref().and_then(Label::sanitize)
        {
            self.context.identity.deployment = deployment;
        }
        if let Some(action) = &mut self.action
            && action.verify.is_empty()
        {
            action.verify = evidence.targets();
        }
        self
    }
}
