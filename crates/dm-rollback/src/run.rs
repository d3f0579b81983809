//! Judges a deployment, rolls it back if necessary, and reports the result.

use std::collections::BTreeSet;
use std::io::stdin;

use anyhow::{Context as _, Result};
use common::cli;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::{
    Completion, Condition, Detail, EventId, NOT_LIVE, Reason, RollbackResult, Status, WatchCurve,
};
use common::exit::Exit;
use common::identity::Identity;
use common::label::Label;
use common::records::{Decision, Verdict};
use telemetry::{Context, Journal, Recorder, WorkKind};

use crate::decision::{self, Standing};
use crate::evidence::versions::Versions;
use crate::evidence::{Evidence, Subject};
use crate::execute;
use crate::execute::run_command::Ended;
use crate::notify::{self, Notification};
use crate::plan::{Judgement, Plan};
use crate::report::{self, Report};
use crate::verify::{Verification, VerifySettings};

/// A judged deployment.
struct Outcome {
    verdict: Verdict,
    /// How a kept version proved good.
    standing: Standing,
    /// The identity from the flags and the environment, completed from the trigger and the evidence.
    identity: Identity,
    /// How to verify a rollback.
    verification: Verification,
    /// How the watch went, if requests decide.
    watch: Option<WatchCurve>,
}

/// Judges the deployment, rolls it back if necessary, and reports the result.
///
/// # Errors
/// A source cannot be read at all, or stdout cannot be written.
pub(crate) fn judge_and_act(plan: Plan) -> Result<Exit> {
    let Plan { context, stage, judgement, execution, notifiers, format } = plan;
    let clock = SystemClock;
    let began = clock.now();
    let counts_requests = judgement.policy.error_rate.is_some();
    let Outcome { verdict, standing, identity, mut verification, watch } =
        judge(judgement, execution.verification.clone(), &context, &clock)?;
    let context = Context { identity, ..context };

    // The duration of the rollback itself: the watch before it belongs to the stage that watched.
    let stopwatch = Stopwatch::start(&clock);
    let work = context.work_item(&stage, WorkKind::Rollback, stopwatch.started_at);
    let recorder = Recorder::begin(&context.sinks, work, &clock);
    let mut report = Report::begin(format, &context, &clock);
    report.verdict(&verdict);
    let verify = &mut |target: Option<&Label>, ended: Ended| verification.verify(target, ended, &clock);
    let judged = execute::Judged { verdict: &verdict, standing, verify };
    let outcome = execute::act_on(judged, &execution, &context, began, &mut report, &clock);
    let notification = Notification {
        identity: &context.identity,
        stage: &context.qualified_name(&stage),
        verdict: &verdict,
        outcome: &outcome,
        began,
        duration: stopwatch.elapsed(&clock),
        now: clock.now(),
    };
    let notified = notify::notify(&notifiers, &notification, execution.dry_run);
    let detail = Detail::Rollback {
        verdict: recorded_verdict(&verdict, outcome.exit).to_owned(),
        condition: verdict.condition,
        // The probes of a check that waits for a service to start are not requests after a deployment.
        evidence: if counts_requests { verdict.sources.clone() } else { Vec::new() },
        result: outcome.result,
        target: outcome.target.clone(),
        why: Some(verdict.why.clone()),
        watch: watch.filter(|_| counts_requests),
        no_worse: standing == Standing::NoWorse,
        live_release: execution.safeguards.release.clone().filter(|_| outcome.exit == Exit::Failure),
    };
    let completion = completion(&verdict, outcome.result, &stopwatch, &clock);
    // What a verdict to roll back led to, unless it is done and verified.
    let cause = Some(outcome.message.as_str()).filter(|_| completion.status != Status::Success);
    let event = context.event(&stage, completion, detail).because(cause);
    let exit = context.conclude(outcome.exit, &recorder.finish(&event, &clock));
    cli::warn(context.tool, &notified.wait());
    match report.end(exit, &clock) {
        Err(error) if exit == Exit::Success => Err(error).context("cannot write to stdout"),
        Err(error) => {
            // The rollback is done, or was tried: the exit code has to report that.
            report::note(&format!("cannot write to stdout: {error}"));
            Ok(exit)
        }
        Ok(()) => Ok(exit),
    }
}

/// The verdict in the event. A version that did not go live is not one that should have been rolled back.
fn recorded_verdict(verdict: &Verdict, exit: Exit) -> &'static str {
    if exit == Exit::Failure { NOT_LIVE } else { verdict.verdict.as_str() }
}

/// Judges the deployment. A reason that a script gave is the verdict. An alert on stdin is judged first; if it is a
/// reason to roll back, the other sources that were given have to confirm it.
fn judge(
    judgement: Judgement,
    verification: VerifySettings,
    context: &Context,
    clock: &dyn Clock,
) -> Result<Outcome> {
    let Judgement { policy, mut sources, trigger, reason, keep_deployment_id, allow_recording } = judgement;
    let mut identity = context.identity.clone();
    let subject = |identity: &Identity| Subject {
        service: identity.service.clone(),
        environment: identity.environment.clone(),
        deployment: keep_deployment_id.then(|| identity.deployment.clone()),
        versions: Versions::of(identity.version.clone()),
        allow_recording,
        required_sources: BTreeSet::new(),
    };
    let reported = reason.map(|reason| {
        decision::without_requests(Decision::Rollback, Condition::Reported, &reason, clock.now())
    });
    let triggered = || {
        let journal = context.sinks.state_dir.as_deref().map(Journal::new);
        let trigger = trigger.as_ref()?;
        Some(trigger.judge(stdin().lock(), &mut identity, journal.as_ref(), clock))
    };
    let given = reported.or_else(triggered);
    let subject = subject(&identity);
    if let Some(verdict) = given.filter(|verdict| verdict.verdict != Decision::Rollback || policy.is_empty())
    {
        let verification = Verification::new(verification, (sources, trigger), subject, None, &verdict);
        return Ok(Outcome { verdict, standing: Standing::NotGood, identity, verification, watch: None });
    }
    let evidence = sources.gather(&subject, clock)?;
    if let Some(deployment) = deployment_id(&evidence).filter(|_| !keep_deployment_id) {
        identity.deployment = deployment;
    }
    let verdict = decision::decide(&policy, &evidence, clock.now());
    // If an alert of this deployment fires, requests without errors do not make its version known good.
    let standing = match trigger {
        Some(_) => Standing::NotGood,
        None => decision::standing(&policy, &evidence, verdict.verdict),
    };
    let verification =
        Verification::new(verification, (sources, trigger), subject, Some(&evidence), &verdict);
    let watch = evidence.watch_curve(&verdict);
    Ok(Outcome { verdict, standing, identity, verification, watch })
}

/// The id of the deployment as the producer of the stream named it.
fn deployment_id(evidence: &Evidence) -> Option<Label> {
    evidence.deployment.as_deref().and_then(Label::sanitize)
}

fn completion(
    verdict: &Verdict,
    result: Option<RollbackResult>,
    stopwatch: &Stopwatch,
    clock: &dyn Clock,
) -> Completion {
    let (status, reason) = match result {
        Some(RollbackResult::Verified) => (Status::Success, None),
        Some(RollbackResult::Unverified | RollbackResult::Failed) => {
            (Status::Failure, Some(Reason::RollbackFailed))
        }
        None if verdict.verdict == Decision::Keep => (Status::Success, None),
        None => (Status::Skipped, None),
    };
    let duration = Some(stopwatch.elapsed(clock));
    Completion { id: EventId::random(), ts: clock.now(), duration, status, reason }
}
