//! The plan of a run that judges a deployment: checked values.

use std::io::{IsTerminal, stdin, stdout};

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use common::args::{Format, non_empty};
use common::clock::{Clock as _, SystemClock};
use common::env;
use common::identity::Identity;
use common::label::Stage;
use common::records::Verdict;
use telemetry::Context;

use crate::args::{Args, TOOL};
use crate::decision::Policy;
use crate::execute::Execution;
use crate::execute::run_command::RollbackCommand;
use crate::notify::Notifiers;
use crate::safeguards::args::SafeguardSettings;
use crate::source::alert_labels::AlertLabels;
use crate::source::{Conditions, Sources, alert_starts, parse_since};
use crate::trigger::Trigger;
use crate::verify::VerifySettings;

/// The plan of a run that judges a deployment.
#[derive(Debug)]
pub struct Plan {
    /// The deployment, and where events are recorded.
    pub context: Context,
    /// The stage `rollback`.
    pub stage: Stage,
    /// How to judge the deployment.
    pub judgement: Judgement,
    /// How to roll back.
    pub execution: Execution,
    /// Who is notified of a rollback.
    pub notifiers: Notifiers,
    /// The format of stdout.
    pub format: Format,
}

/// How to judge the deployment.
#[derive(Debug)]
pub struct Judgement {
    /// When to roll back.
    pub policy: Policy,
    /// The sources of evidence.
    pub sources: Sources,
    /// How to judge an alert on stdin; `None` if stdin carries a stream of records.
    pub trigger: Option<Trigger>,
    /// The reason for a rollback, if a script gave one: then nothing is read.
    pub reason: Option<String>,
    /// Whether the deployment id was given, so that the id in the stream is ignored.
    pub keep_deployment_id: bool,
    /// Whether an old stream is evidence too: in a dry run.
    pub allow_recording: bool,
}

/// Checks the arguments.
///
/// # Errors
/// The arguments contradict each other, or a source cannot be used.
pub(crate) fn plan(args: Args) -> Result<Plan> {
    let reason = reason(&args)?;
    let context = Context::resolve(TOOL.name, &args.deployment, &args.export)?;
    let conditions = Conditions {
        error_rate: args.if_error_rate,
        health_fails: args.if_health_fails,
        smoke_fails: args.if_smoke_fails,
    };
    let now = SystemClock.now();
    let sources = Sources::plan(&args.source, conditions, &context.identity, now)?;
    let policy = Policy {
        error_rate: args.if_error_rate,
        latency: sources.criteria.latency,
        alert: !args.source.if_alert.is_empty(),
        health_fails: args.if_health_fails,
        smoke_fails: args.if_smoke_fails,
    };
    let github = args.github.outputs().within_stage(context.parent.is_some());
    let notifiers =
        Notifiers::new(non_empty(args.source.alertmanager_url.as_ref()), github, (&args.notify, &context));
    let trigger = trigger(&args, &notifiers, &context.identity, now)?;
    let mut safeguards = SafeguardSettings::from(&args.safeguards);
    // Requests that succeed while an alert fires do not prove that a version is good.
    safeguards.provisional |= trigger.is_some();
    safeguards.is_triggered = trigger.is_some();
    safeguards.is_service_given = non_empty(args.deployment.service.as_ref()).is_some();
    safeguards.derived_service = Some(Identity::derived_service(&env::system));
    if policy.is_empty() && trigger.is_none() && reason.is_none() {
        bail!(
            "no condition given: --if-error-rate PERCENT, --if-latency, --if-alert, --if-health-fails, --if-smoke-fails or --because REASON"
        );
    }
    if reason.is_some() && (!policy.is_empty() || trigger.is_some() || !sources.is_stream()) {
        bail!("--because is a reason of its own: remove the other conditions, and their sources");
    }
    if !policy.is_empty() && trigger.is_some() && sources.reads_stdin() {
        bail!(
            "--from-alertmanager reads stdin: to combine it with other conditions, give --prometheus or --railway"
        );
    }
    let has_command = args.command.first().is_some_and(|program| !program.is_empty());
    if !has_command && !args.dry_run {
        bail!("no rollback command given: write it after --, or use --dry-run");
    }
    let reads_stdin = reason.is_none() && (sources.reads_stdin() || trigger.is_some());
    if reads_stdin && stdin().is_terminal() {
        bail!(
            "stdin is a terminal: pipe a stream into it, such as dm-health … --format jsonl | dm-rollback …"
        );
    }
    let command =
        has_command.then_some(RollbackCommand { argv: args.command, timeout: args.rollback_timeout });
    let verification = VerifySettings {
        url: args.verify_url,
        version_at: non_empty(args.version_at.as_ref()),
        deadline: args.verify_deadline,
    };
    let keep_deployment_id = non_empty(args.deployment.deployment_id.as_ref()).is_some();
    Ok(Plan {
        context,
        stage: "rollback".parse().map_err(anyhow::Error::msg)?,
        judgement: Judgement {
            policy,
            sources,
            trigger,
            reason,
            keep_deployment_id,
            allow_recording: args.dry_run,
        },
        execution: Execution { command, dry_run: args.dry_run, safeguards, verification },
        notifiers,
        format: args.format.unwrap_or_else(|| Format::for_stdout(stdout().is_terminal())),
    })
}

/// The reason that a script gave.
fn reason(args: &Args) -> Result<Option<String>> {
    let Some(reason) = &args.because else { return Ok(None) };
    let reason = Verdict::reason(reason.to_string_lossy().trim());
    if reason.is_empty() {
        bail!("--because needs a reason: say what failed");
    }
    Ok(Some(reason))
}

fn trigger(
    args: &Args,
    notifiers: &Notifiers,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Option<Trigger>> {
    if !args.trigger.from_alertmanager {
        return Ok(None);
    }
    let Some(alertmanager) = notifiers.alertmanager.clone() else {
        bail!("--from-alertmanager needs to ask Alertmanager before it acts: give --alertmanager-url");
    };
    Ok(Some(Trigger {
        alertmanager,
        labels: AlertLabels::new(&args.source.alert_match, identity),
        starts: alert_starts(&args.source)?,
        max_age: args.trigger.max_age,
        since: args.source.since.as_deref().map(|text| parse_since(text, now)).transpose()?,
        is_deployment_given: non_empty(args.deployment.deployment_id.as_ref()).is_some(),
        is_version_given: non_empty(args.deployment.app_version.as_ref()).is_some(),
    }))
}
