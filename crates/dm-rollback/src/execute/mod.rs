//! Acts on a verdict, under the safeguards.
//!
//! ```text
//! ledger, journal ─► lock ─► safeguards ─► intent on disk ─► command ─► verify ─► outcome on disk
//! ```
//!
//! If this tool is killed at any point, the next run finds one of three things in the ledger: no entry, so nothing was
//! done; an intent without an outcome, which it leaves to a person; or the outcome, which it returns again.

mod caller;
pub(crate) mod run_command;

use child_process::Signals;
use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::env;
use common::event::RollbackResult;
use common::exit::Exit;
use common::label::Label;
use common::records::{Decision, Verdict};
use common::secrets::Redactor;
use telemetry::{Context, Journal, read_journal};

use crate::decision::Standing;
use crate::ledger::artifact::Artifact;
use crate::ledger::history::History;
use crate::ledger::{Act, Attempt, EntryKind, Intent, KnownGood, ServiceLedger};
use crate::report::Report;
use crate::safeguards;
use crate::safeguards::args::SafeguardSettings;
use crate::safeguards::caller::Caller;
use crate::safeguards::facts::Facts;
use crate::safeguards::once;
use crate::safeguards::refusal::{Refusal, Rejection, Request};
use crate::verify::VerifySettings;
use run_command::{Ended, RollbackCommand};

/// The longest reason that the command gets, in bytes: an environment variable is no place for a report.
const MAX_REASON_BYTES: usize = 1000;

/// How to roll back.
#[derive(Debug)]
pub struct Execution {
    /// The rollback command; `None` only in a dry run.
    pub command: Option<RollbackCommand>,
    /// Whether to decide only.
    pub dry_run: bool,
    /// The limits of the safeguards, and the target that the operator named.
    pub safeguards: SafeguardSettings,
    /// How to verify a rollback.
    pub verification: VerifySettings,
}

/// A verdict, and what follows from it.
pub(crate) struct Judged<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// How a kept version proved good.
    pub standing: Standing,
    /// Verifies that a rollback to a version, if it is known, works after its command has ended. The error is a message for
    /// the operator.
    pub verify: &'a mut Verify<'a>,
}

/// Verifies a rollback.
type Verify<'a> = dyn FnMut(Option<&Label>, Ended) -> Result<(), String> + 'a;

/// What was done about a verdict.
#[derive(Debug)]
pub(crate) struct ActionOutcome {
    /// The exit code of the tool.
    pub exit: Exit,
    /// The result of the rollback; `None` if this run did not roll back.
    pub result: Option<RollbackResult>,
    /// The version that was restored, if it is known.
    pub target: Option<Label>,
    /// When the failed rollback began that this success resolves.
    pub resolved_failure: Option<DateTime<Utc>>,
    /// What was done, as a sentence.
    pub message: String,
}

impl ActionOutcome {
    fn without_action(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, result: None, target: None, resolved_failure: None, message: message.into() }
    }
}

impl From<Rejection> for ActionOutcome {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::AlreadyRolledBack { result, message } => {
                Self::without_action(exit_for(result), message)
            }
            Rejection::NothingLive(message) => Self::without_action(Exit::Failure, message),
            Rejection::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for ActionOutcome {
    fn from(refusal: Refusal) -> Self {
        let again = if refusal.exit == Exit::RollbackFailed { " again" } else { "" };
        Self::without_action(refusal.exit, format!("NOT rolled back{again}: {}", refusal.reason))
    }
}

/// Does what the verdict requires, as far as the safeguards allow it. `began` is when this tool started.
pub(crate) fn act_on(
    judged: Judged<'_>,
    execution: &Execution,
    context: &Context,
    began: DateTime<Utc>,
    report: &mut Report,
    clock: &dyn Clock,
) -> ActionOutcome {
    let verdict = judged.verdict;
    let outcome = match RollbackState::load(execution, context, began, report, clock.now()) {
        Ok(state) => state.act_on(judged, report, clock),
        Err(reason) if verdict.verdict == Decision::Rollback => {
            Refusal::not_done(format!("{reason}. Without its ledger a rollback could be done twice")).into()
        }
        Err(reason) => ActionOutcome::without_action(exit_without_rollback(verdict), reason),
    };
    if !outcome.message.is_empty() {
        report.print(&outcome.message);
    }
    outcome
}

fn exit_without_rollback(verdict: &Verdict) -> Exit {
    if verdict.verdict == Decision::Keep { Exit::Success } else { Exit::Inconclusive }
}

/// The data that a rollback depends on.
struct RollbackState<'a> {
    execution: &'a Execution,
    context: &'a Context,
    ledger: ServiceLedger,
    history: History,
    facts: Facts,
    caller: Caller,
    attempt: Attempt,
}

impl<'a> RollbackState<'a> {
    fn load(
        execution: &'a Execution,
        context: &'a Context,
        began: DateTime<Utc>,
        report: &mut Report,
        now: DateTime<Utc>,
    ) -> Result<Self, String> {
        let folder = context.sinks.state_dir.as_ref().ok_or("there is no folder for the ledger")?;
        let may_act_without = execution.safeguards.limits.act_without_state;
        let ledger = ServiceLedger::open(&context.sinks, &context.identity, may_act_without)?;
        let history = History::read(&ledger, now)?;
        // With a shared state, also what other machines have recorded of this service.
        let (contents, note) = read_journal(&context.sinks, &context.identity).map_err(|error| {
            format!("cannot read the journal {}: {error}", Journal::new(folder).path().display())
        })?;
        if let Some(note) = note {
            report.print(&note);
        }
        let mut facts = Facts::collect(context, &contents, &env::system, began, now);
        facts.may_be_thrown_away &= !ledger.is_shared();
        let caller = caller::identify(execution, context);
        let attempt = once::current_attempt(&history, &facts, &caller, &context.identity.deployment);
        Ok(Self { execution, context, ledger, history, facts, caller, attempt })
    }

    fn act_on(self, judged: Judged<'_>, report: &mut Report, clock: &dyn Clock) -> ActionOutcome {
        let Judged { verdict, standing, .. } = judged;
        if verdict.verdict == Decision::Rollback {
            let Some(command) = self.execution.command.as_ref().filter(|_| !self.execution.dry_run) else {
                return self.dry_run(report, clock);
            };
            return self.roll_back(judged, command, report, clock).unwrap_or_else(ActionOutcome::from);
        }
        // Requests after a rollback are no evidence about the version that was replaced.
        match once::rolled_back_before(&self.history, &self.request()) {
            // Whether this attempt was rolled back is not known, and no rollback is needed.
            Some(Rejection::Refused(refusal)) if refusal.exit == Exit::RollbackNotDone => {
                return ActionOutcome::without_action(Exit::Inconclusive, refusal.reason);
            }
            Some(before) => return before.into(),
            None => {}
        }
        if verdict.verdict == Decision::Keep && !self.execution.safeguards.provisional {
            let written = self.record_good(standing, clock.now());
            let warning = written.err();
            let resolved_failure = self.history.last_failure();
            let outcome = ActionOutcome::without_action(Exit::Success, warning.unwrap_or_default());
            return ActionOutcome { resolved_failure, ..outcome };
        }
        ActionOutcome::without_action(exit_without_rollback(verdict), "")
    }

    /// The schema version now, if it is known.
    fn schema(&self) -> Option<Label> {
        self.facts.schema.as_ref().or_else(|| self.history.schema()).cloned()
    }

    /// Records the version as known good, if it proved good. A version without a name cannot be a target.
    fn record_good(&self, standing: Standing, now: DateTime<Utc>) -> Result<(), String> {
        if matches!(standing, Standing::NotGood | Standing::NoWorse) {
            return Ok(());
        }
        let identity = &self.context.identity;
        let Some(version) = identity.version.clone() else { return Ok(()) };
        let release = self.execution.safeguards.release.clone();
        let good =
            KnownGood { version, release, schema: self.schema(), assumed: standing == Standing::Assumed };
        let attempt = Attempt::first(identity.deployment.clone());
        self.ledger.append(now, &attempt, EntryKind::Good(good))
    }

    fn request(&self) -> Request<'_> {
        request(&self.attempt, &self.caller, &self.facts, self.context, self.execution)
    }

    fn check_safeguards(&self, now: DateTime<Utc>) -> Result<Option<KnownGood>, Rejection> {
        safeguards::check(&self.history, &self.request(), &self.execution.safeguards.limits, now)
    }

    /// Prints what an operator should know before a rollback to `target`.
    fn print_notes(&self, target: Option<&KnownGood>, report: &mut Report) {
        for note in safeguards::notes(&self.history, &self.request(), target) {
            report.print(&note);
        }
    }

    fn dry_run(&self, report: &mut Report, clock: &dyn Clock) -> ActionOutcome {
        let answer = self.check_safeguards(clock.now());
        self.print_notes(answer.as_ref().ok().and_then(Option::as_ref), report);
        let would = match (answer, &self.execution.command) {
            (Ok(Some(good)), Some(command)) => {
                format!("; to restore {} it would run: {}", good.version, display_command(command))
            }
            (Ok(None), Some(command)) => format!("; it would run: {}", display_command(command)),
            (Ok(_), None) => "; no rollback command was given".to_owned(),
            (Err(Rejection::Refused(Refusal { reason, .. })), _) => {
                format!("; a safeguard would refuse the rollback: {reason}")
            }
            (Err(Rejection::AlreadyRolledBack { message, .. }), _) => format!("; {message}"),
            (Err(nothing @ Rejection::NothingLive(_)), _) => return nothing.into(),
        };
        ActionOutcome::without_action(
            Exit::RollbackNotDone,
            format!("dry run: nothing was rolled back{would}"),
        )
    }

    fn roll_back(
        mut self,
        Judged { verdict, verify, .. }: Judged<'_>,
        command: &RollbackCommand,
        report: &mut Report,
        clock: &dyn Clock,
    ) -> Result<ActionOutcome, Rejection> {
        // From here on no signal ends this tool: a cancelled job must not leave half a rollback, or one without a record.
        let _signals = Signals::watch()
            .and_then(|signals| Signals::shield().map(|()| signals))
            .map_err(|error| Refusal::not_done(format!("cannot watch for signals: {error}")))?;
        if self.ledger.is_shared() {
            // Most refusals are known without the lease, for which this tool may have to wait.
            self.check_safeguards(clock.now())?;
        }
        let begun = self.begin(&verdict.why, clock.now());
        self.print_notes(begun.as_ref().ok().and_then(|(_, target)| target.as_ref()), report);
        let (act, target) = begun?;
        match &target {
            Some(good) => report.print(&format!("rolling back to {}", good.version)),
            None => report.print(
                "No known-good version is recorded yet. Running your rollback command without a target; use --target \
                 to set one.",
            ),
        }
        let variables = variables(verdict, target.as_ref(), act.fence());
        self.ledger.confirm(&act)?;
        let ran = command.run(self.context, variables, clock);
        let (result, mut message) =
            match ran.map(|ended| verify(target.as_ref().map(|good| &good.version), ended)) {
                Ok(Ok(())) => (RollbackResult::Verified, "rolled back and verified".to_owned()),
                Ok(Err(message)) => (RollbackResult::Unverified, message),
                Err(reason) => {
                    let message =
                        format!("the rollback FAILED: {reason}. The bad version may still be live: act now");
                    (RollbackResult::Failed, message)
                }
            };
        if let Err(error) = self.ledger.end(act, clock.now(), &self.attempt, EntryKind::Outcome { result }) {
            message = format!("{message}. The result is not on record: {error}");
        }
        Ok(ActionOutcome {
            exit: exit_for(result),
            result: Some(result),
            target: target.map(|good| good.version),
            resolved_failure: self.history.last_failure().filter(|_| result == RollbackResult::Verified),
            message,
        })
    }

    /// Takes the lock and the lease, checks the safeguards, and records the intent. After that the command may run.
    fn begin(&mut self, why: &str, now: DateTime<Utc>) -> Result<(Act, Option<KnownGood>), Rejection> {
        let Self { execution, context, ledger, history, facts, caller, attempt } = self;
        let identity = &context.identity;
        let release = execution.safeguards.release.as_ref();
        // Another run may have ended between reading the ledger and taking the lock.
        ledger.begin(context, now, |contents, fence| {
            *history = History::new(contents, now);
            *attempt = once::current_attempt(history, facts, caller, &identity.deployment);
            let request = request(attempt, caller, facts, context, execution);
            let target = safeguards::check(history, &request, &execution.safeguards.limits, now)?;
            let intent = Intent {
                failed: identity.version.clone(),
                failed_release: release.cloned(),
                target: target.as_ref().map(|good| good.version.clone()),
                target_release: target.as_ref().and_then(|good| good.release.clone()),
                fence,
                schema: facts.schema.as_ref().or_else(|| history.schema()).cloned(),
                why: Some(why.to_owned()),
                pid: std::process::id(),
            };
            Ok((attempt.clone(), EntryKind::Intent(intent), target))
        })
    }
}

/// The question to the safeguards.
fn request<'a>(
    attempt: &'a Attempt,
    caller: &'a Caller,
    facts: &'a Facts,
    context: &'a Context,
    execution: &'a Execution,
) -> Request<'a> {
    let settings = &execution.safeguards;
    let version = context.identity.version.as_ref();
    let failed = version.map(|version| Artifact { version, release: settings.release.as_ref() });
    Request {
        attempt,
        caller,
        failed,
        release: settings.release.as_ref(),
        release_before: settings.release_before.as_ref(),
        target: settings.target.as_ref(),
        facts,
    }
}

fn exit_for(result: RollbackResult) -> Exit {
    match result {
        RollbackResult::Verified => Exit::RolledBack,
        RollbackResult::Unverified | RollbackResult::Failed => Exit::RollbackFailed,
    }
}

/// The variables of the command, in addition to those of the deployment.
fn variables(
    verdict: &Verdict,
    target: Option<&KnownGood>,
    fence: Option<u64>,
) -> Vec<(&'static str, String)> {
    let mut reason = verdict.why.replace(char::is_control, " ");
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    let mut variables = vec![("DM_ROLLBACK_REASON", reason)];
    variables.extend(fence.map(|fence| ("DM_ROLLBACK_FENCE", fence.to_string())));
    if let Some(good) = target {
        variables.push(("DM_ROLLBACK_TARGET", good.version.to_string()));
        variables.extend(good.release.as_ref().map(|release| ("DM_ROLLBACK_RELEASE", release.to_string())));
    }
    variables
}

/// The command as an operator types it, without secrets.
fn display_command(command: &RollbackCommand) -> String {
    let words = command.argv.iter().map(|word| word.to_string_lossy().into_owned());
    Redactor::default().with_environment().redact(&shell_words::join(words))
}
