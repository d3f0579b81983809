//! Whether a rollback that is wanted may be done. Pure: what is known in, an answer out.
//!
//! Each safeguard is there because a tool without it rolled back the wrong thing, or the right thing twice.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;
use common::event::RollbackResult;
use common::exit::Exit;
use common::label::Label;

use crate::facts::Facts;
use crate::history::{History, Rollback};
use crate::ledger::KnownGood;
use crate::way_back;

/// What the operator allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// So many rollbacks of a service are done in 24 hours.
    pub max_a_day: u32,
    /// The time between two rollbacks of a service.
    pub cool_down: Duration,
    /// A version that was rolled back from may be gone back to.
    pub allow_refused: bool,
    /// The version that is gone back to works with the schema as it is now.
    pub schema_compatible: bool,
    /// Without a version that is known to be good nothing is done, the first time too.
    pub require_target: bool,
}

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// The deployment that is to be undone.
    pub deployment: &'a Label,
    /// Its version, where it is known.
    pub failed: Option<&'a Label>,
    /// The version to go back to, where the operator named it.
    pub target: Option<&'a Label>,
    /// What the journal and the environment say.
    pub facts: &'a Facts,
}

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// This deployment was rolled back before, and this came of it.
    Done {
        /// What came of it.
        result: RollbackResult,
        /// The same for people.
        told: String,
    },
    /// A safeguard objects.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Why not, what to do, and how to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For people.
    pub why: String,
    /// How the tool ends.
    pub exit: Exit,
}

/// Asks every safeguard, and gives the version to go back to; `None` where none is known, and the command has to know by
/// itself. The first that objects is told of; those that no later try can satisfy come first.
pub fn ask(
    history: &History,
    request: &Request<'_>,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Result<Option<KnownGood>, Stop> {
    if let Some(before) = history.rollback_of(request.deployment) {
        return Err(once_a_deployment(&before));
    }
    let objections = [
        kill_switch(request.facts),
        within_a_rollback(request.facts),
        freshness(request),
        rollback_of_a_rollback(history, request),
        budget(history, limits, now),
        cool_down(history, limits, now),
    ];
    if let Some(refusal) = objections.into_iter().flatten().next() {
        return Err(refusal.into());
    }
    Ok(way_back::find(history, request, limits)?)
}

/// The second time the recorded result is the answer. Where the first was killed, nobody knows what it did: a person has
/// to look.
pub fn once_a_deployment(before: &Rollback<'_>) -> Stop {
    let deployment = before.deployment;
    match before.outcome {
        Some((ts, result)) => Stop::Done {
            result,
            told: format!(
                "deployment {deployment} was rolled back before, {result} at {}: nothing is run again",
                shown(ts)
            ),
        },
        None => Stop::Refused(Refusal {
            why: format!(
                "a rollback of deployment {deployment} was begun at {} by process {}, and its end was not recorded: it was \
                 killed, or still runs. Nothing is run again: look which version is live, and act by hand",
                shown(before.ts),
                before.intent.pid
            ),
            exit: Exit::RollbackFailed,
        }),
    }
}

fn kill_switch(facts: &Facts) -> Option<Refusal> {
    let by = facts.disabled.as_ref()?;
    Some(not_done(format!("rollbacks are switched off by {by}")))
}

fn within_a_rollback(facts: &Facts) -> Option<Refusal> {
    facts.within_rollback.then_some(())?;
    Some(not_done(
        "this runs inside of a rollback (DM_PARENT_STAGE), and a rollback is never rolled back".to_owned(),
    ))
}

fn freshness(request: &Request<'_>) -> Option<Refusal> {
    let (newer, ts) = request.facts.newer.as_ref()?;
    let deployment = request.deployment;
    Some(not_done(format!(
        "deployment {newer} was begun at {}, after {deployment}: what is live now is not what was judged",
        shown(*ts)
    )))
}

fn rollback_of_a_rollback(history: &History, request: &Request<'_>) -> Option<Refusal> {
    let failed = request.failed?;
    let before = history.put_back(failed)?;
    Some(not_done(format!(
        "version {failed} was put back by the rollback of {} at {}, and a rollback is never rolled back: the trouble may \
         not be the version's. A person has to look",
        before.deployment,
        shown(before.ts)
    )))
}

fn budget(history: &History, limits: &Limits, now: DateTime<Utc>) -> Option<Refusal> {
    let limit = limits.max_a_day;
    let spent = history.rollbacks().filter(|rollback| now - rollback.ts < TimeDelta::hours(24)).count();
    (spent >= limit as usize).then_some(())?;
    Some(not_done(format!(
        "{spent} rollbacks in 24 hours, and {limit} are allowed (--max-rollbacks-per-day): deployments of this service have \
         to stop until a person has looked"
    )))
}

fn cool_down(history: &History, limits: &Limits, now: DateTime<Utc>) -> Option<Refusal> {
    let last = history.rollbacks().next()?;
    let ended = last.outcome.map_or(last.ts, |(ts, _)| ts);
    // A clock that was set back gives a negative time, which is no time at all.
    let passed = (now - ended).to_std().unwrap_or_default();
    let left = limits.cool_down.checked_sub(passed).filter(|left| !left.is_zero())?;
    Some(Refusal {
        why: format!(
            "the last rollback was that of {} at {}: for another {} there is none (--cool-down)",
            last.deployment,
            shown(ended),
            format_duration(left)
        ),
        exit: Exit::TryLater,
    })
}

/// A rollback that is wanted and not done.
pub(crate) fn not_done(why: String) -> Refusal {
    Refusal { why, exit: Exit::RollbackNotDone }
}

pub(crate) fn shown(ts: DateTime<Utc>) -> String {
    ts.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::{at, history};
    use crate::ledger::EntryKind;
    use crate::ledger::tests::{good, intent, label};

    const LIMITS: Limits = Limits {
        max_a_day: 2,
        cool_down: Duration::from_mins(15),
        allow_refused: false,
        schema_compatible: false,
        require_target: false,
    };

    const VERIFIED: EntryKind = EntryKind::Outcome { result: RollbackResult::Verified };

    type Decision = Result<Option<KnownGood>, Stop>;

    /// What is answered where version 2 of deployment d-2 failed, in minute 100.
    fn answer(entries: &[(u32, &str, EntryKind)], facts: &Facts, limits: &Limits) -> Decision {
        asked(entries, facts, limits, None)
    }

    fn asked(
        entries: &[(u32, &str, EntryKind)],
        facts: &Facts,
        limits: &Limits,
        target: Option<&str>,
    ) -> Decision {
        let (deployment, failed, target) = (label("d-2"), label("2"), target.map(label));
        let request =
            Request { deployment: &deployment, failed: Some(&failed), target: target.as_ref(), facts };
        ask(&history(entries), &request, limits, at(100))
    }

    fn refused(answer: Decision) -> (u8, String) {
        match answer {
            Err(Stop::Refused(refusal)) => (refusal.exit.code(), refusal.why),
            other => panic!("not refused: {other:?}"),
        }
    }

    fn allowed(answer: Decision) -> Option<String> {
        match answer {
            Ok(target) => target.map(|good| good.version.to_string()),
            other => panic!("not allowed: {other:?}"),
        }
    }

    #[test]
    fn it_goes_back_to_what_proved_good_last_and_never_merely_to_the_one_before() {
        let entries = [(0, "d-0", good("0")), (1, "d-1", good("1")), (2, "d-2", good("2"))];
        assert_eq!(allowed(answer(&entries, &Facts::default(), &LIMITS)).as_deref(), Some("1"));
    }

    #[test]
    fn the_first_time_the_command_has_to_know_where_to_unless_a_target_is_required() {
        assert_eq!(allowed(answer(&[], &Facts::default(), &LIMITS)), None);
        let strict = Limits { require_target: true, ..LIMITS };
        let (code, why) = refused(answer(&[], &Facts::default(), &strict));
        assert!(code == 11 && why.contains("no other version is known to be good"), "{why}");
        let only_this = [(0, "d-1", good("2"))];
        assert_eq!(allowed(answer(&only_this, &Facts::default(), &LIMITS)), None);
        // What it would go back to by itself may be the one that was rolled back from.
        let only_bad = [(0, "d-1", good("1")), (1, "d-1", intent("1", None)), (1, "d-1", VERIFIED)];
        assert_eq!(refused(answer(&only_bad, &Facts::default(), &LIMITS)).0, 11);
    }

    #[test]
    fn a_version_that_was_rolled_back_from_is_no_target_unless_that_is_allowed() {
        let entries = [(0, "d-0", good("1")), (1, "d-1", intent("1", None)), (1, "d-1", VERIFIED)];
        let (code, why) = refused(asked(&entries, &Facts::default(), &LIMITS, Some("1")));
        assert!(code == 11 && why.contains("version 1 was rolled back from"), "{why}");
        let lax = Limits { allow_refused: true, ..LIMITS };
        assert_eq!(allowed(asked(&entries, &Facts::default(), &lax, Some("1"))).as_deref(), Some("1"));
        assert_eq!(refused(answer(&entries, &Facts::default(), &lax)).0, 11, "it is not chosen by itself");
        let same = refused(asked(&[], &Facts::default(), &lax, Some("2")));
        assert!(same.1.contains("is the version that failed"), "{same:?}");
    }

    #[test]
    fn a_deployment_is_rolled_back_once_and_a_killed_rollback_is_for_a_person() {
        let mut entries = vec![(0, "d-1", good("1")), (1, "d-2", intent("2", Some("1")))];
        let (code, why) = refused(answer(&entries, &Facts::default(), &LIMITS));
        assert!(code == 12 && why.contains("by process 4242, and its end was not recorded"), "{why}");
        entries.push((2, "d-2", VERIFIED));
        let Err(Stop::Done { result, told }) = answer(&entries, &Facts::default(), &LIMITS) else {
            panic!("done twice")
        };
        assert!(
            result == RollbackResult::Verified && told.contains("verified at 1970-01-01 00:02:00Z"),
            "{told}"
        );
    }

    #[test]
    fn two_rollbacks_a_day_and_fifteen_minutes_between_them() {
        let one = [(0, "d-0", good("0")), (84, "d-1", intent("1", Some("0"))), (86, "d-1", VERIFIED)];
        let (code, why) = refused(answer(&one, &Facts::default(), &LIMITS));
        assert!(code == 75 && why.contains("for another 1m00s"), "{why}");
        let earlier = [(0, "d-0", good("0")), (70, "d-1", intent("1", Some("0"))), (85, "d-1", VERIFIED)];
        assert_eq!(allowed(answer(&earlier, &Facts::default(), &LIMITS)).as_deref(), Some("0"));
        let two = [(0, "d-0", good("0")), (1, "d-a", intent("a", None)), (99, "d-b", intent("b", None))];
        let (code, why) = refused(answer(&two, &Facts::default(), &LIMITS));
        assert!(code == 11 && why.contains("2 rollbacks in 24 hours"), "{why}");
        let more = Limits { max_a_day: 3, cool_down: Duration::ZERO, ..LIMITS };
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
        assert!(code == 11 && why.contains("version 2 was put back by the rollback of d-3"), "{why}");
        let inside = Facts { within_rollback: true, ..Facts::default() };
        assert!(refused(answer(&[], &inside, &LIMITS)).1.contains("inside of a rollback"));
    }

    #[test]
    fn what_is_not_live_any_more_is_not_rolled_back() {
        let newer = Facts { newer: Some((label("d-9"), at(99))), ..Facts::default() };
        let (code, why) = refused(answer(&[], &newer, &LIMITS));
        assert!(code == 11 && why.contains("d-9 was begun at 1970-01-01 01:39:00Z, after d-2"), "{why}");
    }

    #[test]
    fn the_kill_switch_stops_all_but_what_was_done_already() {
        let off = Facts { disabled: Some("the file /s/rollback.disabled".to_owned()), ..Facts::default() };
        let (code, why) = refused(answer(&[], &off, &LIMITS));
        assert!(code == 11 && why.ends_with("switched off by the file /s/rollback.disabled"), "{why}");
        let done = [(1, "d-2", intent("2", None)), (2, "d-2", VERIFIED)];
        assert!(matches!(answer(&done, &off, &LIMITS), Err(Stop::Done { .. })));
    }

    #[test]
    fn a_schema_that_moved_is_no_way_back_unless_the_versions_are_compatible() {
        let with_schema =
            |schema| EntryKind::Good(KnownGood { version: label("1"), release: None, schema: Some(label(schema)) });
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
            let (code, told) = refused(answer(&entries, facts, &LIMITS));
            assert!(code == 11 && told.contains(why), "{told}");
            assert_eq!(allowed(answer(&entries, facts, &compatible)).as_deref(), Some("1"));
        }
        let same = [(0, "d-1", with_schema("8"))];
        assert_eq!(allowed(answer(&same, &now, &LIMITS)).as_deref(), Some("1"));
        assert_eq!(allowed(answer(&same, &moved, &LIMITS)).as_deref(), Some("1"), "nobody knows to what");
    }

    #[test]
    fn a_schema_that_another_deployment_moved_is_remembered() {
        let seven = EntryKind::Good(KnownGood { version: label("1"), release: None, schema: Some(label("7")) });
        let moved = EntryKind::Intent(crate::ledger::Intent {
            failed: Some(label("x")),
            target: Some(label("1")),
            schema: Some(label("8")),
            pid: 1,
        });
        let (_, why) = refused(answer(&[(0, "d-1", seven), (9, "d-x", moved)], &Facts::default(), &LIMITS));
        assert!(why.contains("has moved from 7 to 8"), "{why}");
    }
}
