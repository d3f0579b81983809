//! How a deployment ended, and that in one sentence, from its events. Pure. It says no more than they show: without a
//! verdict there is no "kept", and what may be live is called that.

mod describe;
mod failure;
mod live;
#[cfg(test)]
mod tests;

use std::time::Duration;

use common::duration::format_duration;
use common::event::{Event, SourceCount, Status};
use common::label::Label;
use common::term::text::short_line;

use crate::deployment::{Deployment, Ending, Row};
use failure::Failure;
use live::Live;
pub(crate) use live::LiveState;

/// The longest sentence, in bytes.
const MAX_BYTES: usize = 1500;

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conclusion {
    pub(crate) outcome: Outcome,
    /// The stage that failed, or that was cut off.
    pub(crate) failed_stage: Option<String>,
    /// Why it failed.
    pub(crate) cause: Option<String>,
    /// What is live after it.
    pub(crate) live: LiveState,
    /// Whether a rollback failed, or is not known to have worked.
    pub(crate) is_rollback_failed: bool,
    /// All of that in a sentence, which is one bounded line.
    pub(crate) sentence: String,
}

/// The outcome of a deployment in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Deployed,
    /// It succeeded, and is not known to have deployed anything.
    Ended,
    Failed,
    Inconclusive,
    Cancelled,
    Interrupted,
    Skipped,
    Running,
    /// Its end is not on record.
    Unknown,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Skipped => "skipped",
            Self::Running => "running",
            Self::Unknown => "unknown",
        }
    }
}

impl Conclusion {
    /// The conclusion about a deployment.
    pub(crate) fn of(deployment: &Deployment<'_>) -> Self {
        let events = deployment.events();
        let version = deployment.identity.version.as_ref();
        let live = Live::of(&events);
        let open: Vec<&str> = deployment.open_stages().iter().map(|row| row.stage).collect();
        let conclusion = match deployment.ending {
            Ending::Ended(whole) => Self::ended(&events, &open, whole, &live),
            Ending::Running => {
                Self::new(Outcome::Running, &running(deployment), listed(&open), LiveState::Unknown)
            }
            Ending::Interrupted => {
                // A stage that outlived the others for a moment has recorded that it was stopped.
                let stage = listed(&open).or_else(|| failure::during(&events));
                let during = stage.as_ref().map(|stage| format!(" during {stage}")).unwrap_or_default();
                let result = format!("INTERRUPTED{during}: its processes were killed");
                let sentence = joined(result, live.clauses(version, true, true));
                Self::new(Outcome::Interrupted, &sentence, stage, live.state(true))
            }
            Ending::Unknown => Self::unfinished(&events, version, &live),
        };
        Self { is_rollback_failed: live.is_rollback_failed(), ..conclusion }
    }

    fn ended(events: &[&Event], open: &[&str], whole: &Event, live: &Live<'_>) -> Self {
        let version = whole.identity.version.as_ref();
        let is_cancelled = whole.status == Status::Cancelled;
        let after = |is_explained| live.clauses(version, is_cancelled, is_explained);
        match whole.status {
            Status::Success => {
                let is_good = live.is_undisturbed();
                let clauses = if is_good { Vec::new() } else { after(true) };
                let is_deployed = is_good && !live.is_undeployed();
                let (outcome, state) = if is_deployed {
                    (Outcome::Deployed, LiveState::Live)
                } else {
                    (Outcome::Ended, live.state(false))
                };
                Self::new(outcome, &joined(success(events, whole, live), clauses), None, state)
            }
            Status::Skipped => Self::new(
                Outcome::Skipped,
                &joined("skipped".to_owned(), after(true)),
                None,
                live.state(false),
            ),
            Status::Cancelled => {
                // A stage that is being stopped may not be on record yet.
                let stage = failure::during(events).or_else(|| listed(open));
                let during = stage.as_ref().map(|stage| format!(" during {stage}")).unwrap_or_default();
                let sentence = joined(format!("CANCELLED{during}"), after(true));
                Self::new(Outcome::Cancelled, &sentence, stage, live.state(true))
            }
            Status::Failure | Status::Error | Status::Timeout => {
                let failure = Failure::of(events, Some(whole));
                let is_explained = !matches!(failure, Failure::Whole { .. });
                Self::failed(&failure, after(is_explained), live)
            }
        }
    }

    fn failed(failure: &Failure, clauses: Vec<String>, live: &Live<'_>) -> Self {
        let outcome = match failure {
            Failure::Inconclusive(_) => Outcome::Inconclusive,
            Failure::Stage { .. } | Failure::Whole { .. } => Outcome::Failed,
        };
        let sentence = joined(failure.to_string(), clauses);
        let cause = Some(short_line(failure.cause(), MAX_BYTES));
        Self { cause, ..Self::new(outcome, &sentence, failure.stage(), live.state(false)) }
    }

    /// A deployment whose end is not on record: what is known of its stages.
    fn unfinished(events: &[&Event], version: Option<&Label>, live: &Live<'_>) -> Self {
        let failure = Failure::of(events, None);
        if !matches!(failure, Failure::Whole { .. }) {
            return Self::failed(&failure, live.clauses(version, false, true), live);
        }
        let sentence = "NOT FINISHED: the end of the deployment is not on record".to_owned();
        let sentence = joined(sentence, live.clauses(version, false, true));
        Self::new(Outcome::Unknown, &sentence, None, live.state(false))
    }

    fn new(outcome: Outcome, sentence: &str, failed_stage: Option<String>, live: LiveState) -> Self {
        let failed_stage = failed_stage.map(|stage| short_line(&stage, MAX_BYTES));
        Self {
            outcome,
            failed_stage,
            cause: None,
            live,
            is_rollback_failed: false,
            sentence: short_line(sentence, MAX_BYTES),
        }
    }
}

fn joined(result: String, clauses: Vec<String>) -> String {
    [vec![result], clauses].concat().join("; ")
}

/// `deploy, smoke test`; `None` if there are none.
fn listed(stages: &[&str]) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for name in stages.iter().map(|stage| stage.replace('_', " ")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// `RUNNING for 12s: deploy (api) for 3.1s`
fn running(deployment: &Deployment<'_>) -> String {
    let took = |row: &Row<'_>| row.duration.map(format_duration).unwrap_or_default();
    let stages = deployment.open_stages();
    let stages: Vec<String> = stages
        .iter()
        .filter(|row| row.duration.is_some())
        .map(|row| format!("{} ({}) for {}", row.stage.replace('_', " "), row.service, took(row)))
        .collect();
    let whole = format_duration((deployment.until - deployment.began).to_std().unwrap_or_default());
    let at = if stages.is_empty() { String::new() } else { format!(": {}", stages.join(", ")) };
    format!("RUNNING for {whole}{at}")
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
