//! From a verdict to what is done about it, under the safeguards.
//!
//! ```text
//! lock ─► ledger, journal ─► safeguards ─► intent on the disk ─► command ─► verify ─► outcome on the disk
//! ```
//!
//! Killed at any point, the next run finds in the ledger either nothing, and nothing was done; or an intent without an
//! outcome, and leaves the rest to a person; or the outcome, and gives it again.

use std::io;

use chrono::{DateTime, Utc};
use common::clock::Clock;
use common::env;
use common::event::RollbackResult;
use common::exit::Exit;
use common::fs::lock::Lock;
use common::label::Label;
use common::records::{Decision, Verdict};
use common::secrets::Redactor;
use telemetry::journal::Journal;

use crate::act;
use crate::facts::Facts;
use crate::history::History;
use crate::ledger::{KnownGood, Intent, Ledger, EntryKind};
use crate::plan::{Action, Plan};
use crate::report::Report;
use crate::safeguards::{self, Refusal, Request, Stop, not_done};

/// The longest reason that the command is told, in bytes: a variable is no place for a report.
const MAX_REASON_BYTES: usize = 1000;

/// What was done about a verdict.
#[derive(Debug)]
pub struct ActionOutcome {
    /// How the tool ends.
    pub exit: Exit,
    /// What a rollback came to; `None` where none was carried out by this run.
    pub result: Option<RollbackResult>,
    /// The version that was gone back to, where it is known.
    pub target: Option<Label>,
    /// When a rollback failed that this run's success is the end of.
    pub heals: Option<DateTime<Utc>>,
    /// The same for people.
    pub told: String,
}

impl ActionOutcome {
    fn nothing(exit: Exit, told: impl Into<String>) -> Self {
        Self { exit, result: None, target: None, heals: None, told: told.into() }
    }
}

impl From<Stop> for ActionOutcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Done { result, told } => Self::nothing(exit_of(result), told),
            Stop::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for ActionOutcome {
    fn from(refusal: Refusal) -> Self {
        let again = if refusal.exit == Exit::RollbackFailed { " again" } else { "" };
        Self::nothing(refusal.exit, format!("NOT rolled back{again}: {}", refusal.why))
    }
}

/// Does what the verdict asks for, as far as the safeguards allow it. `began` is when this tool was started.
pub fn act_on(
    verdict: &Verdict,
    plan: &Plan,
    began: DateTime<Utc>,
    report: &mut Report,
    clock: &dyn Clock,
) -> ActionOutcome {
    let acted = match Book::open(plan, began) {
        Ok(book) => book.act_on(verdict, plan, report, clock),
        Err(why) if verdict.verdict == Decision::Rollback => not_done(format!(
            "{why}; without it a rollback could be done twice: set DM_STATE_DIR to a folder that is kept"
        ))
        .into(),
        Err(why) => ActionOutcome::nothing(without_a_rollback(verdict), why),
    };
    if !acted.told.is_empty() {
        report.say(&acted.told);
    }
    acted
}

fn without_a_rollback(verdict: &Verdict) -> Exit {
    if verdict.verdict == Decision::Keep { Exit::Success } else { Exit::Inconclusive }
}

/// What is known before anything is done.
struct Book {
    ledger: Ledger,
    history: History,
    facts: Facts,
}

impl Book {
    fn open(plan: &Plan, began: DateTime<Utc>) -> Result<Self, String> {
        let context = &plan.context;
        let folder = context.sinks.state_dir.as_ref().ok_or("there is no folder for the ledger")?;
        let ledger = Ledger::new(folder, &context.identity);
        let history = history_of(&ledger)?;
        let journal = Journal::new(folder);
        let entries = journal
            .read()
            .map_err(|error| format!("cannot read the journal {}: {error}", journal.path().display()))?;
        let facts = Facts::find(context, &entries, &env::system, began);
        Ok(Self { ledger, history, facts })
    }

    fn act_on(self, verdict: &Verdict, plan: &Plan, report: &mut Report, clock: &dyn Clock) -> ActionOutcome {
        if verdict.verdict == Decision::Rollback {
            let Some(action) = plan.action.as_ref().filter(|_| !plan.dry_run) else {
                return self.dry_run(plan, clock);
            };
            return self.roll_back(verdict, action, plan, report, clock).unwrap_or_else(ActionOutcome::from);
        }
        let deployment = &plan.context.identity.deployment;
        // What was seen after a rollback is no evidence about the version that is gone.
        if let Some(before) = self.history.rollback_of(deployment) {
            return safeguards::once_a_deployment(&before).into();
        }
        if verdict.verdict == Decision::Keep && !plan.guard.provisional {
            let kept = self.remember_good(plan, clock.now());
            let told = kept.err().map(|error| format!("the ledger cannot be written: {error}"));
            let heals = self.history.failed_last();
            return ActionOutcome { heals, ..ActionOutcome::nothing(Exit::Success, told.unwrap_or_default()) };
        }
        ActionOutcome::nothing(without_a_rollback(verdict), "")
    }

    /// The schema's version, as far as anybody knows it.
    fn schema(&self) -> Option<Label> {
        self.facts.schema.as_ref().or_else(|| self.history.schema()).cloned()
    }

    /// A version without a name cannot be gone back to.
    fn remember_good(&self, plan: &Plan, now: DateTime<Utc>) -> io::Result<()> {
        let identity = &plan.context.identity;
        let Some(version) = identity.version.clone() else { return Ok(()) };
        let good = KnownGood { version, release: plan.guard.release.clone(), schema: self.schema() };
        self.ledger.append(now, &identity.deployment, EntryKind::Good(good))
    }

    fn ask(&self, plan: &Plan, now: DateTime<Utc>) -> Result<Option<KnownGood>, Stop> {
        let request = Request {
            deployment: &plan.context.identity.deployment,
            failed: plan.context.identity.version.as_ref(),
            target: plan.guard.target.as_ref(),
            facts: &self.facts,
        };
        safeguards::ask(&self.history, &request, &plan.guard.limits, now)
    }

    fn dry_run(&self, plan: &Plan, clock: &dyn Clock) -> ActionOutcome {
        let told = match self.ask(plan, clock.now()) {
            Ok(target) => {
                let to = target.map_or_else(String::new, |good| format!(", to go back to {}", good.version));
                plan.action
                    .as_ref()
                    .map_or_else(String::new, |action| format!("; it would run{to}: {}", shown(action)))
            }
            Err(Stop::Refused(Refusal { why, .. })) => format!("; it would be refused: {why}"),
            Err(Stop::Done { told, .. }) => format!("; {told}"),
        };
        ActionOutcome::nothing(Exit::RollbackNotDone, format!("dry run: nothing was rolled back{told}"))
    }

    fn roll_back(
        mut self,
        verdict: &Verdict,
        action: &Action,
        plan: &Plan,
        report: &mut Report,
        clock: &dyn Clock,
    ) -> Result<ActionOutcome, Stop> {
        let (_lock, target) = self.begin(plan, clock.now())?;
        match &target {
            Some(good) => report.say(&format!("rolling back to {}", good.version)),
            None => report.say(
                "rolling back to what the command takes for good: no version is known to be, until one is kept (or --target)",
            ),
        }
        let variables = variables(verdict, target.as_ref());
        let (result, mut told) = act::roll_back(action, &plan.context, variables, clock);
        let deployment = &plan.context.identity.deployment;
        if let Err(error) = self.ledger.append(clock.now(), deployment, EntryKind::Outcome { result }) {
            told = format!("{told}. The ledger cannot be written: {error}");
        }
        Ok(ActionOutcome {
            exit: exit_of(result),
            result: Some(result),
            target: target.map(|good| good.version),
            heals: self.history.failed_last().filter(|_| result == RollbackResult::Verified),
            told,
        })
    }

    /// Everything before the command: afterwards it may be started, for as long as the lock is held.
    fn begin(&mut self, plan: &Plan, now: DateTime<Utc>) -> Result<(Lock, Option<KnownGood>), Stop> {
        let identity = &plan.context.identity;
        let path = self.ledger.path();
        let lock = self
            .ledger
            .try_lock()
            .map_err(|error| not_done(format!("cannot lock {}: {error}", path.display())))?
            .ok_or_else(|| Refusal {
                why: format!(
                    "another rollback of {} in {} is under way",
                    identity.service, identity.environment
                ),
                exit: Exit::TryLater,
            })?;
        // Another run may have ended between the look and the lock.
        self.history = history_of(&self.ledger).map_err(not_done)?;
        let target = self.ask(plan, now)?;
        let intent = Intent {
            failed: identity.version.clone(),
            target: target.as_ref().map(|good| good.version.clone()),
            schema: self.schema(),
            pid: std::process::id(),
        };
        let written = self.ledger.append(now, &identity.deployment, EntryKind::Intent(intent));
        written.map_err(|error| {
            not_done(format!("the intent cannot be written to {}: {error}", path.display()))
        })?;
        Ok((lock, target))
    }
}

/// What the ledger says; an error is for people.
pub(crate) fn history_of(ledger: &Ledger) -> Result<History, String> {
    let path = ledger.path();
    ledger.read().map(History).map_err(|error| format!("cannot read the ledger {}: {error}", path.display()))
}

fn exit_of(result: RollbackResult) -> Exit {
    match result {
        RollbackResult::Verified => Exit::RolledBack,
        RollbackResult::Unverified | RollbackResult::Failed => Exit::RollbackFailed,
    }
}

/// What the command is told beside the deployment's own variables.
fn variables(verdict: &Verdict, target: Option<&KnownGood>) -> Vec<(&'static str, String)> {
    let mut reason = verdict.why.replace(char::is_control, " ");
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    let mut variables = vec![("DM_ROLLBACK_REASON", reason)];
    if let Some(good) = target {
        variables.push(("DM_ROLLBACK_TARGET", good.version.to_string()));
        variables.extend(good.release.as_ref().map(|release| ("DM_ROLLBACK_RELEASE", release.to_string())));
    }
    variables
}

/// The command as one would type it, without secrets.
fn shown(action: &Action) -> String {
    let words = action.argv.iter().map(|word| word.to_string_lossy().into_owned());
    Redactor::default().with_environment().redact(&shell_words::join(words))
}
