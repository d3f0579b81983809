//! Once per deployment: an attempt at a deployment is rolled back once. Pure.

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::exit::Exit;
use common::label::Label;

use crate::ledger::history::History;
use crate::ledger::stamps::display_time;
use crate::ledger::{Attempt, is_unknown};
use crate::safeguards::caller::Caller;
use crate::safeguards::facts::Facts;
use crate::safeguards::refusal::{Refusal, Rejection, Request};

/// The last rollback of a deployment that is on record.
struct Past<'a> {
    attempt: u32,
    /// The entry of the ledger; `None` if only the journal knows of the rollback.
    ledger: Option<Origin<'a>>,
    outcome: Option<(DateTime<Utc>, RollbackResult)>,
}

struct Origin<'a> {
    began: DateTime<Utc>,
    /// `None` if the entry is lost or cut off.
    pid: Option<u32>,
    job: Option<&'a Label>,
    job_name: Option<&'a Label>,
    caller: Option<&'a Label>,
}

impl<'a> Past<'a> {
    /// The ledger knows more than the journal; it may be lost, though.
    fn find(history: &'a History, facts: &Facts, deployment: &Label) -> Option<Self> {
        let Some(last) = history.rollback_of(deployment) else {
            let (attempt, ts, result) = facts.rolled_back?;
            return Some(Self { attempt, ledger: None, outcome: Some((ts, result)) });
        };
        let entry = last.entry;
        let origin = Origin {
            began: last.ts,
            pid: (!is_unknown(last.intent)).then_some(last.intent.pid),
            job: entry.job.as_ref(),
            job_name: entry.job_name.as_ref(),
            caller: entry.caller.as_ref(),
        };
        Some(Self { attempt: entry.attempt, ledger: Some(origin), outcome: last.outcome })
    }
}

/// The attempt at the deployment that is judged now. The starts in the journal tell; without one, a CI job that is run
/// again does.
pub(crate) fn current_attempt(
    history: &History,
    facts: &Facts,
    caller: &Caller,
    deployment: &Label,
) -> Attempt {
    let past = Past::find(history, facts, deployment);
    let number = match &past {
        None => facts.starts.max(1),
        Some(past) if facts.starts > past.attempt => facts.starts,
        Some(past) if facts.starts == past.attempt && !facts.misses_starts => facts.starts,
        // The journal knows of no start, or not of every one.
        Some(past) => {
            let is_other_job = past.ledger.as_ref().is_some_and(|origin| {
                caller.job.is_some()
                    && origin.job != caller.job.as_ref()
                    && (origin.job_name == caller.job_name.as_ref() || origin.job_name.is_none())
            });
            past.attempt.saturating_add(u32::from(is_other_job))
        }
    };
    Attempt {
        deployment: deployment.clone(),
        number,
        job: caller.job.clone(),
        job_name: caller.job_name.clone(),
        caller: caller.hash.clone(),
    }
}

/// The answer if this attempt was rolled back before: after that the recorded result is the answer. If the first rollback
/// was killed, its effect is unknown, and a person has to check.
pub(crate) fn rolled_back_before(history: &History, request: &Request<'_>) -> Option<Rejection> {
    let Request { attempt, caller, facts, .. } = request;
    let deployment = &attempt.deployment;
    let past = Past::find(history, facts, deployment).filter(|past| past.attempt >= attempt.number)?;
    let is_other_caller = |origin: &Origin<'_>| {
        caller.is_service_derived && origin.caller.is_some() && origin.caller != caller.hash.as_ref()
    };
    if past.ledger.as_ref().is_some_and(is_other_caller) {
        return Some(refused(format!(
            "deployment {deployment} was rolled back before, by another job, folder or command. The service is only named \
             after the repository, so this may be another service of it: set DM_SERVICE to a name of its own for each"
        )));
    }
    let number = attempt.number;
    let which = if number > 1 { format!(" (attempt {number})") } else { String::new() };
    match (past.outcome, past.ledger) {
        (Some(_), None) if facts.starts == 0 && caller.job.is_some() => Some(refused(format!(
            "the journal records a rollback of deployment {deployment} that the ledger does not have, and not whether this \
             CI job has deployed since: check which version is live, and act by hand; put `dm-stage deploy --` before the \
             deploy command, so that each start is recorded"
        ))),
        (Some((ts, result)), _) => Some(Rejection::AlreadyRolledBack {
            result,
            message: format!(
                "deployment {deployment}{which} was rolled back before, {result} at {}: nothing is run again",
                display_time(ts)
            ),
        }),
        (None, Some(Origin { pid: Some(pid), began, .. })) => Some(interrupted(&format!(
            "process {pid} began a rollback of deployment {deployment}{which} at {}, and its end was not recorded: it was \
             killed, or still runs",
            display_time(began)
        ))),
        (None, _) => Some(interrupted(&format!(
            "the ledger's entry about a rollback of deployment {deployment}{which} is cut off, so it is unknown what was \
             done"
        ))),
    }
}

fn refused(reason: String) -> Rejection {
    Refusal::not_done(reason).into()
}

fn interrupted(reason: &str) -> Rejection {
    let reason = format!("{reason}. Nothing is run again: check which version is live, and act by hand");
    Refusal { reason, exit: Exit::RollbackFailed }.into()
}
