//! A deployment in one sentence, from its events. Pure. It says no more than they show: without a verdict there is no
//! "kept", and what may be live is called that.

mod describe;
mod failure;
mod live;
#[cfg(test)]
mod tests;

use std::time::Duration;

use common::duration::format_duration;
use common::event::{Event, SourceCount, Status};
use common::term::text::short_line;

use failure::Failure;
use live::Live;

/// The longest sentence, in bytes.
const MAX_BYTES: usize = 1500;

/// The sentence about the deployment that ended with the event `whole`. `events` are those of its stages, oldest first.
pub(crate) fn sentence(events: &[Event], whole: &Event) -> String {
    // A CI run that is started again has the same id.
    let began = whole.started_at().unwrap_or_default();
    let events: Vec<&Event> =
        events.iter().filter(|event| event.ts >= began && !event.stage.is_deployment()).collect();
    let live = Live::of(&events);
    let mut is_explained = true;
    let result = match whole.status {
        Status::Success => success(&events, whole, &live),
        Status::Skipped => "skipped".to_owned(),
        Status::Cancelled => format!("CANCELLED{}", failure::during(&events)),
        Status::Failure | Status::Error | Status::Timeout => {
            let failure = Failure::of(&events, whole);
            is_explained = !matches!(failure, Failure::Whole { .. });
            failure.to_string()
        }
    };
    let is_good = whole.status == Status::Success && live.is_undisturbed();
    let consequences = if is_good { Vec::new() } else { live.clauses(whole, is_explained) };
    short_line(&[vec![result], consequences].concat().join("; "), MAX_BYTES)
}

/// What a deployment that has ended leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stakes {
    /// Nothing that was bad went live.
    None,
    /// What was bad was rolled back, and the rollback verified.
    Restored,
    /// What was bad may be live.
    InDoubt,
}

/// What the deployment that ended with the event `whole` leaves, by the same rules as [`sentence`].
pub(crate) fn stakes(events: &[Event], whole: &Event) -> Stakes {
    let began = whole.started_at().unwrap_or_default();
    let events: Vec<&Event> =
        events.iter().filter(|event| event.ts >= began && !event.stage.is_deployment()).collect();
    let live = Live::of(&events);
    match whole.status {
        Status::Success if live.is_undisturbed() => Stakes::None,
        // A command without stages may have deployed anything.
        _ if live.is_in_doubt(whole) || events.is_empty() => Stakes::InDoubt,
        _ if live.is_restored() => Stakes::Restored,
        _ => Stakes::None,
    }
}

fn success(events: &[&Event], whole: &Event, live: &Live<'_>) -> String {
    let duration = whole
        .duration_s
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(|duration| format!(" in {}", format_duration(duration)))
        .unwrap_or_default();
    let although = match failure::unrepaired(events).as_slice() {
        [] => String::new(),
        failed => format!(", although {} failed", failed.join(", ")),
    };
    if live.is_undeployed() || !live.is_undisturbed() {
        return format!("ended{duration}{although}");
    }
    let version = whole.identity.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    format!("deployed{version}{duration}{}{although}", verdict(live))
}

/// What the verdicts say about a version that stays: `, kept: 0 of 90 requests failed`. Empty if there is none.
fn verdict(live: &Live<'_>) -> String {
    let judged = live.verdicts();
    if judged.is_empty() {
        return String::new();
    }
    let unproven = judged.iter().find(|judged| judged.verdict != "keep");
    if let Some(judged) = unproven {
        return format!(", NOT proven good: {}", judged.why);
    }
    let (mut total, mut errors) = (0, 0);
    for judged in &judged {
        // Several sources count the same requests.
        if let Some(SourceCount { total: its, errors: failed, .. }) =
            judged.evidence.iter().max_by_key(|count| count.total)
        {
            total += its;
            errors += failed;
        }
    }
    let proof = if total > 0 {
        format!("{errors} of {total} requests failed")
    } else {
        judged.last().map(|judged| judged.why.to_owned()).unwrap_or_default()
    };
    let others = live.not_judged();
    let others =
        if others.is_empty() { String::new() } else { format!("; not judged: {}", others.join(", ")) };
    format!(", kept: {proof}{others}")
}
