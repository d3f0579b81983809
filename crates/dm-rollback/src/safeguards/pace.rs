//! How often a service is rolled back: the budget and the cool-down. Pure; the tests of [`super::check`] cover it.

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;
use common::exit::Exit;

use crate::ledger::history::History;
use crate::ledger::stamps::display_time;
use crate::safeguards::refusal::{Limits, Refusal, Request};

pub(super) fn daily_limit(history: &History, limits: &Limits, now: DateTime<Utc>) -> Option<Refusal> {
    let limit = limits.max_per_day;
    let count = history.rollbacks().filter(|rollback| now - rollback.ts < TimeDelta::hours(24)).count();
    (count >= limit as usize).then_some(())?;
    Some(Refusal::not_done(format!(
        "{count} rollbacks in 24 hours, and {limit} are allowed (--max-rollbacks-per-day): stop deploying this service \
         until a person has found the cause"
    )))
}

/// A version that comes back after its rollback must not be rolled back again and again: something else deploys it.
/// Another version is a new fault.
pub(super) fn cool_down(
    history: &History,
    request: &Request<'_>,
    limits: &Limits,
    now: DateTime<Utc>,
) -> Option<Refusal> {
    let last = history.rollbacks().next()?;
    let ended = last.outcome.map_or(last.ts, |(ts, _)| ts);
    let is_other = match (last.intent.failed(), request.failed) {
        (Some(before), Some(failed)) => !before.may_be(failed),
        _ => false,
    };
    if is_other && request.facts.began.is_some_and(|began| began > ended) {
        return None;
    }
    // A clock that was set back gives a negative duration, which counts as zero.
    let passed = (now - ended).to_std().unwrap_or_default();
    let remaining = limits.cool_down.checked_sub(passed).filter(|remaining| !remaining.is_zero())?;
    Some(Refusal {
        reason: format!(
            "the new version is still live. Cool-down after the rollback of {} ({}) lasts another {}; override with \
             --cool-down 0s",
            last.entry.deployment,
            display_time(ended),
            format_duration(remaining)
        ),
        exit: Exit::TryLater,
    })
}
