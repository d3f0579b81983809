//! Decides whether a rollback that is needed may be done. Pure: facts in, an answer out.
//!
//! Each safeguard exists because a tool without it rolled back the wrong deployment, or the right one twice.

pub(crate) mod args;
pub(crate) mod caller;
mod deploy_starts;
pub(crate) mod facts;
pub(crate) mod once;
mod pace;
pub(crate) mod refusal;
mod target;

use chrono::{DateTime, Utc};

use crate::ledger::KnownGood;
use crate::ledger::history::History;
use crate::ledger::stamps::display_time;
use facts::Facts;
use refusal::{Limits, Refusal, Rejection, Request};

/// Checks every safeguard, and chooses the version to roll back to; `None` if no version is known to be good, so that
/// the command has to choose. The first refusal is returned; those that no later attempt can satisfy come first.
pub(crate) fn check(
    history: &History,
    request: &Request<'_>,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Option<KnownGood>, Rejection> {
    if let Some(before) = once::rolled_back_before(history, request) {
        return Err(before);
    }
    if let Some(nothing) = nothing_went_live(request) {
        return Err(nothing);
    }
    let refusals = [
        kill_switch(request.facts),
        inside_rollback(request.facts),
        no_memory(history, request, limits),
        unknown_tail(history),
        newer_deployment(request),
        unreadable_journal(request),
        rollback_of_a_rollback(history, request),
        pace::daily_limit(history, limits, now),
        pace::cool_down(history, request, limits, now),
    ];
    if let Some(refusal) = refusals.into_iter().flatten().next() {
        return Err(refusal.into());
    }
    Ok(target::choose(history, request, limits)?)
}

/// What an operator should know before a rollback to `target`: about the records that it depends on, and the target.
pub(crate) fn notes(history: &History, request: &Request<'_>, target: Option<&KnownGood>) -> Vec<String> {
    let about_target = target.map(|target| target::notes(history, request, target)).unwrap_or_default();
    history.notes.iter().chain(&request.facts.notes).cloned().chain(about_target).collect()
}

/// A deploy command that failed before it changed what is live has left nothing to undo.
fn nothing_went_live(request: &Request<'_>) -> Option<Rejection> {
    let now = request.release?;
    (request.release_before == Some(now)).then(|| {
        Rejection::NothingLive(format!(
            "nothing to roll back: release {now} is live, as before the deployment, so nothing went live"
        ))
    })
}

fn kill_switch(facts: &Facts) -> Option<Refusal> {
    let switch = facts.disabled.as_ref()?;
    Some(Refusal::not_done(format!("rollbacks are switched off by {switch}")))
}

fn inside_rollback(facts: &Facts) -> Option<Refusal> {
    facts.is_inside_rollback.then_some(())?;
    Some(Refusal::not_done(
        "this runs inside a rollback (DM_PARENT_STAGE), and a rollback is never rolled back".to_owned(),
    ))
}

/// A runner that was made for this job remembers no other job.
fn no_memory(history: &History, request: &Request<'_>, limits: &Limits) -> Option<Refusal> {
    let is_new = request.facts.may_be_thrown_away && history.is_empty();
    (is_new && request.target.is_none() && !limits.act_without_state).then_some(())?;
    Some(Refusal::not_done(
        "this CI job's machine has no ledger, so these safeguards are not in force: once per deployment, the cool-down, \
         the daily limit, no version that was rolled back before, the last known-good version as the target. Set \
         DM_STATE_URL, so that all runners share the ledger; or name the --target; or give --act-without-state"
            .to_owned(),
    ))
}

/// The last line of the ledger may record a rollback of this deployment.
fn unknown_tail(history: &History) -> Option<Refusal> {
    history.is_tail_unknown.then_some(())?;
    Some(Refusal::not_done(
        "the last line of the ledger is cut off, and may record a rollback: check which version is live; then remove that \
         line, and run this again if the bad version is live"
            .to_owned(),
    ))
}

/// A line that cannot be read may record a later deployment. A line that is merely incomplete is not reported: its writer
/// was killed.
fn unreadable_journal(request: &Request<'_>) -> Option<Refusal> {
    let place = request.facts.unreadable.as_ref()?;
    let deployment = &request.attempt.deployment;
    Some(Refusal::not_done(format!(
        "{place} is damaged, or of another version of these tools, and may record a deployment after {deployment}: check \
         which version is live; if it is that of {deployment}, remove the line and run this again"
    )))
}

fn newer_deployment(request: &Request<'_>) -> Option<Refusal> {
    let (newer, ts) = request.facts.newer.as_ref()?;
    let deployment = &request.attempt.deployment;
    Some(Refusal::not_done(format!(
        "deployment {newer} began at {}, after {deployment}: the live version is not the one that was judged",
        display_time(*ts)
    )))
}

fn rollback_of_a_rollback(history: &History, request: &Request<'_>) -> Option<Refusal> {
    let failed = request.failed?;
    let before = history.restored_by(failed)?;
    Some(Refusal::not_done(format!(
        "the rollback of {} at {} restored version {}, and a rollback is never rolled back: the cause may not be \
         the version. A person has to check",
        before.entry.deployment,
        display_time(before.ts),
        failed.version
    )))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::event::RollbackResult;

    use super::caller::Caller;
    use super::once::current_attempt;
    use super::*;
    use crate::ledger::EntryKind;
    use crate::ledger::artifact::Artifact;
    use crate::ledger::history::tests::{at, history};
    use crate::ledger::tests::{good, intent, label};

    const LIMITS: Limits = Limits {
        max_per_day: 2,
        cool_down: Duration::from_mins(15),
        allow_refused: false,
        schema_compatible: false,
        require_target: false,
        act_without_state: false,
    };

    const VERIFIED: EntryKind = EntryKind::Outcome { result: RollbackResult::Verified };

    type Answer = Result<Option<KnownGood>, Rejection>;

    /// The answer if version 2 of deployment d-2 failed in minute 100.
    fn answer(entries: &[(u32, &str, EntryKind)], facts: &Facts, limits: &Limits) -> Answer {
        answer_for_target(entries, facts, limits, None)
    }

    fn answer_for_target(
        entries: &[(u32, &str, EntryKind)],
        facts: &Facts,
        limits: &Limits,
        target: Option<&str>,
    ) -> Answer {
        let (failed, target) = (label("2"), target.map(label));
        let (history, caller) = (history(entries), Caller::default());
        let attempt = current_attempt(&history, facts, &caller, &label("d-2"));
        let request = Request {
            attempt: &attempt,
            caller: &caller,
            failed: Some(Artifact { version: &failed, release: None }),
            release: None,
            release_before: None,
            target: target.as_ref(),
            facts,
        };
        check(&history, &request, limits, at(100))
    }

    fn refused(answer: Answer) -> (u8, String) {
        match answer {
            Err(Rejection::Refused(refusal)) => (refusal.exit.code(), refusal.reason),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn allowed(answer: Answer) -> Option<String> {
        match answer {
            Ok(target) => target.map(|good| good.version.to_string()),
            other => panic!("not allowed: {other:?}"),
        }
    }

    #[test]
    fn the_target_is_the_last_known_good_version_not_the_previous_one() {
        let entries = [(0, "d-0", good("0")), (1, "d-1", good("1")), (2, "d-2", good("2"))];
        assert_eq!(allowed(answer(&entries, &Facts::default(), &LIMITS)).as_deref(), Some("1"));
    }

    #[test]
    fn the_first_time_the_command_chooses_unless_a_target_is_required() {
        assert_eq!(allowed(answer(&[], &Facts::default(), &LIMITS)), None);
        let strict = Limits { require_target: true, ..LIMITS };
        let (code, why) = refused(answer(&[], &Facts::default(), &strict));
        assert!(code == 11 && why.contains("no other version is known to be good"), "{why}");
        let only_this = [(0, "d-1", good("2"))];
        assert_eq!(allowed(answer(&only_this, &Facts::default(), &LIMITS)), None);
        // The command might choose the version that was rolled back.
        let only_bad = [(0, "d-1", good("1")), (1, "d-1", intent("1", None)), (1, "d-1", VERIFIED)];
        assert_eq!(refused(answer(&only_bad, &Facts::default(), &LIMITS)).0, 11);
    }

    #[test]
    fn a_rolled_back_version_is_no_target_unless_allowed() {
        let entries = [(0, "d-0", good("1")), (1, "d-1", intent("1", None)), (1, "d-1", VERIFIED)];
        let (code, why) = refused(answer_for_target(&entries, &Facts::default(), &LIMITS, Some("1")));
        assert!(code == 11 && why.contains("version 1 was rolled back at"), "{why}");
        let lax = Limits { allow_refused: true, ..LIMITS };
        assert_eq!(
            allowed(answer_for_target(&entries, &Facts::default(), &lax, Some("1"))).as_deref(),
            Some("1")
        );
        assert_eq!(refused(answer(&entries, &Facts::default(), &lax)).0, 11, "it is not chosen by default");
        let same = refused(answer_for_target(&[], &Facts::default(), &lax, Some("2")));
        assert!(same.1.contains("is the version that failed"), "{same:?}");
    }

    #[test]
    fn a_deployment_is_rolled_back_once_and_a_killed_one_needs_a_person() {
        let mut entries = vec![(0, "d-1", good("1")), (1, "d-2", intent("2", Some("1")))];
        let (code, why) = refused(answer(&entries, &Facts::default(), &LIMITS));
        assert!(code == 12 && why.contains("process 4242 began a rollback of deployment d-2"), "{why}");
        entries.push((2, "d-2", VERIFIED));
        let Err(Rejection::AlreadyRolledBack { result, message }) =
            answer(&entries, &Facts::default(), &LIMITS)
        else {
            panic!("done twice")
        };
        assert!(
            result == RollbackResult::Verified && message.contains("verified at 1970-01-01 00:02:00Z"),
            "{message}"
        );
    }

    #[test]
    fn two_rollbacks_a_day_and_fifteen_minutes_between_two_of_one_version() {
        let one = [(0, "d-0", good("0")), (84, "d-1", intent("2", Some("0"))), (86, "d-1", VERIFIED)];
        let began = |minute| Facts { began: Some(at(minute)), ..Facts::default() };
        let (code, why) = refused(answer(&one, &began(90), &LIMITS));
        assert!(code == 75 && why.contains("lasts another 1m00s"), "{why}");
        let another = [(0, "d-0", good("0")), (84, "d-1", intent("1", Some("0"))), (86, "d-1", VERIFIED)];
        assert_eq!(allowed(answer(&another, &began(87), &LIMITS)).as_deref(), Some("0"));
        // What was live before the rollback, or may have been, is not judged by what came after it.
        for facts in [began(85), Facts::default()] {
            assert_eq!(refused(answer(&another, &facts, &LIMITS)).0, 75, "{facts:?}");
        }
        let earlier = [(0, "d-0", good("0")), (70, "d-1", intent("1", Some("0"))), (85, "d-1", VERIFIED)];
        assert_eq!(allowed(answer(&earlier, &Facts::default(), &LIMITS)).as_deref(), Some("0"));
        let two = [(0, "d-0", good("0")), (1, "d-a", intent("a", None)), (99, "d-b", intent("b", None))];
        let (code, why) = refused(answer(&two, &Facts::default(), &LIMITS));
        assert!(code == 11 && why.contains("2 rollbacks in 24 hours"), "{why}");
        let more = Limits { max_per_day: 3, cool_down: Duration::ZERO, ..LIMITS };
        assert_eq!(allowed(answer(&two, &Facts::default(), &more)).as_deref(), Some("0"));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_end_the_cool_down() {
        let future = [(0, "d-0", good("0")), (200, "d-1", intent("1", Some("0")))];
        assert_eq!(refused(answer(&future, &Facts::default(), &LIMITS)).0, 75);
    }

    #[test]
    fn a_rollback_is_never_rolled_back() {
        let entries = [(0, "d-0", good("0")), (1, "d-1", good("2")), (50, "d-3", intent("3", Some("2")))];
        let (code, why) = refused(answer(&entries, &Facts::default(), &LIMITS));
        assert!(code == 11 && why.contains("restored version 2"), "{why}");
        let inside = Facts { is_inside_rollback: true, ..Facts::default() };
        assert!(refused(answer(&[], &inside, &LIMITS)).1.contains("inside a rollback"));
    }

    #[test]
    fn a_deployment_that_is_no_longer_live_is_not_rolled_back() {
        let newer = Facts { newer: Some((label("d-9"), at(99))), ..Facts::default() };
        let (code, why) = refused(answer(&[], &newer, &LIMITS));
        assert!(code == 11 && why.contains("d-9 began at 1970-01-01 01:39:00Z, after d-2"), "{why}");
    }

    #[test]
    fn the_kill_switch_stops_rollbacks_but_reports_a_past_one() {
        let off = Facts { disabled: Some("the file /s/rollback.disabled".to_owned()), ..Facts::default() };
        let (code, why) = refused(answer(&[], &off, &LIMITS));
        assert!(code == 11 && why.ends_with("switched off by the file /s/rollback.disabled"), "{why}");
        let done = [(1, "d-2", intent("2", None)), (2, "d-2", VERIFIED)];
        assert!(matches!(answer(&done, &off, &LIMITS), Err(Rejection::AlreadyRolledBack { .. })));
    }

    #[test]
    fn a_moved_schema_refuses_unless_the_versions_are_compatible() {
        let with_schema = |schema| {
            EntryKind::Good(KnownGood {
                version: label("1"),
                release: None,
                schema: Some(label(schema)),
                assumed: false,
            })
        };
        let compatible = Limits { schema_compatible: true, ..LIMITS };
        let now = Facts { schema: Some(label("8")), ..Facts::default() };
        let moved = Facts { has_schema_moved: true, ..Facts::default() };
        let dirty = Facts { is_schema_dirty: true, ..Facts::default() };
        for (then, facts, why) in [
            (with_schema("7"), &now, "has moved from 7 to 8"),
            (good("1"), &moved, "migration has moved the schema"),
            (with_schema("8"), &dirty, "half done"),
        ] {
            let entries = [(0, "d-1", then)];
            let (code, message) = refused(answer(&entries, facts, &LIMITS));
            assert!(code == 11 && message.contains(why), "{message}");
            assert_eq!(allowed(answer(&entries, facts, &compatible)).as_deref(), Some("1"));
        }
        let same = [(0, "d-1", with_schema("8"))];
        assert_eq!(allowed(answer(&same, &now, &LIMITS)).as_deref(), Some("1"));
        assert_eq!(
            allowed(answer(&same, &moved, &LIMITS)).as_deref(),
            Some("1"),
            "the new schema is unknown"
        );
    }

    #[test]
    fn a_schema_that_another_deployment_moved_is_remembered() {
        let seven = EntryKind::Good(KnownGood {
            version: label("1"),
            release: None,
            schema: Some(label("7")),
            assumed: false,
        });
        let moved = EntryKind::Intent(crate::ledger::Intent {
            failed: Some(label("x")),
            failed_release: None,
            target: Some(label("1")),
            target_release: None,
            fence: None,
            schema: Some(label("8")),
            why: None,
            pid: 1,
        });
        let (_, why) = refused(answer(&[(0, "d-1", seven), (9, "d-x", moved)], &Facts::default(), &LIMITS));
        assert!(why.contains("has moved from 7 to 8"), "{why}");
    }
}
