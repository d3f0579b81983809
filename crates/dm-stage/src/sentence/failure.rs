//! Which stage failed, and why.

use std::fmt::{self, Display, Formatter};

use common::event::{Condition, Detail, Event, Status};
use common::label::Stage;

use super::describe::{cause, display};

/// Why a deployment failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// A verdict was inconclusive, for this reason.
    Inconclusive(String),
    /// A stage failed.
    Stage { name: String, services: Vec<String>, cause: String },
    /// The deployment failed, and no stage of it is known to have failed: its own cause, and the stage that was running.
    Whole { during: Option<String>, cause: String },
}

impl Failure {
    /// The failure that ended the deployment.
    pub(super) fn of(events: &[&Event], whole: Option<&Event>) -> Self {
        let acting = events.iter().find_map(|event| {
            let verdict = verdict_of(event).filter(|verdict| verdict.decision == "rollback")?;
            Some((*event, verdict))
        });
        let put_back = events.iter().find(|event| event.stage == Stage::rollback() && is_command(event));
        // What began after the rollback is not the cause. A check may be recorded a moment after the verdict on it.
        let judge = acting.as_ref().map(|(judge, _)| judge);
        let until = [judge, put_back].into_iter().flatten().filter_map(|event| event.started_at()).min();
        let mut failed = leaves(events, Status::is_failed);
        failed.retain(|event| {
            let began = event.started_at().unwrap_or(event.ts);
            until.is_none_or(|until| began <= until)
        });
        if let Some((judge, verdict)) = acting {
            return Self::from_verdict(judge, &verdict, &failed, events);
        }
        let verdicts = events.iter().filter(|event| verdict_of(event).is_some());
        let unproven = verdicts.clone().rfind(|event| {
            let is_last_of_service =
                verdicts.clone().rfind(|it| it.identity.service == event.identity.service) == Some(event);
            is_last_of_service && verdict_of(event).is_some_and(|it| it.decision == "inconclusive")
        });
        if let Some(event) = unproven
            && failed.last().is_none_or(|failed| failed.ts <= event.ts)
        {
            return Self::Inconclusive(verdict_of(event).map(|it| it.why.to_owned()).unwrap_or_default());
        }
        match failed.last() {
            Some(last) => Self::from_stage(last, &failed, events),
            None => Self::Whole { during: during(events), cause: whole.map(cause).unwrap_or_default() },
        }
    }

    /// The stage that failed, with its services.
    pub(super) fn stage(&self) -> Option<String> {
        match self {
            Self::Stage { name, services, .. } if services.is_empty() => Some(name.clone()),
            Self::Stage { name, services, .. } => Some(format!("{name} ({})", services.join(", "))),
            Self::Whole { during, .. } => during.clone(),
            Self::Inconclusive(_) => None,
        }
    }

    pub(super) fn cause(&self) -> &str {
        match self {
            Self::Inconclusive(cause) | Self::Stage { cause, .. } | Self::Whole { cause, .. } => cause,
        }
    }

    fn from_verdict(judge: &Event, verdict: &Verdict<'_>, failed: &[&Event], events: &[&Event]) -> Self {
        let Verdict { condition, why, .. } = *verdict;
        let is_its = |event: &&&Event| match condition {
            Some(Condition::HealthFails) => {
                matches!(event.detail, Detail::Health { .. })
                    && event.identity.service == judge.identity.service
            }
            Some(Condition::SmokeFails) => matches!(event.detail, Detail::Smoke { .. }),
            Some(Condition::ErrorRate | Condition::Latency | Condition::Alert) => false,
            // A script reported the stage that failed.
            Some(Condition::Reported) | None => true,
        };
        if let Some(stage) = failed.iter().rfind(is_its) {
            return Self::from_stage(stage, failed, events);
        }
        // A service that was healthy before failed while it was watched.
        let was_healthy = events.iter().filter(|event| event.status == Status::Success).any(|event| {
            matches!(event.detail, Detail::Health { .. }) && event.identity.service == judge.identity.service
        });
        let name = match condition {
            Some(Condition::HealthFails) if was_healthy => "watch",
            Some(Condition::HealthFails) => "health check",
            Some(Condition::SmokeFails) => "smoke test",
            Some(Condition::ErrorRate | Condition::Latency) => "watch",
            Some(Condition::Alert) => "alert",
            Some(Condition::Reported) | None => {
                return Self::Whole { during: None, cause: why.to_owned() };
            }
        };
        let is_alone = events
            .iter()
            .filter(|event| verdict_of(event).is_some())
            .all(|event| event.identity.service == judge.identity.service);
        let services = if is_alone { Vec::new() } else { vec![judge.identity.service.to_string()] };
        Self::Stage { name: name.to_owned(), services, cause: why.to_owned() }
    }

    /// Names the services if the stage was run for several.
    fn from_stage(last: &Event, failed: &[&Event], events: &[&Event]) -> Self {
        let of_stage = |event: &&&Event| event.stage == last.stage && verdict_of(event).is_none();
        let is_alone =
            events.iter().filter(of_stage).all(|event| event.identity.service == last.identity.service);
        let mut services: Vec<String> = if is_alone {
            Vec::new()
        } else {
            failed.iter().filter(of_stage).map(|event| event.identity.service.to_string()).collect()
        };
        services.sort_unstable();
        services.dedup();
        Self::Stage { name: display(&last.stage), services, cause: cause(last) }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inconclusive(why) => write!(f, "INCONCLUSIVE: {why}"),
            Self::Stage { cause, .. } => write!(f, "FAILED at {}: {cause}", self.stage().unwrap_or_default()),
            Self::Whole { during: Some(stage), cause } => write!(f, "FAILED during {stage}: {cause}"),
            Self::Whole { during: None, cause } => write!(f, "FAILED: {cause}"),
        }
    }
}

/// The stage that was stopped with the deployment.
pub(super) fn during(events: &[&Event]) -> Option<String> {
    let stopped = leaves(events, |status| status == Status::Cancelled);
    stopped.last().map(|event| display(&event.stage))
}

/// The stages that failed and did not succeed later.
pub(super) fn unrepaired(events: &[&Event]) -> Vec<String> {
    let failed = leaves(events, Status::is_failed);
    let is_repaired = |event: &&&Event| {
        events.iter().any(|later| {
            later.ts >= event.ts
                && later.status == Status::Success
                && (&later.stage, &later.identity.service) == (&event.stage, &event.identity.service)
        })
    };
    let mut names: Vec<String> =
        failed.iter().filter(|event| !is_repaired(event)).map(|event| display(&event.stage)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The stages with such a status that contain no other stage with such a status.
fn leaves<'a>(events: &[&'a Event], is_meant: impl Fn(Status) -> bool) -> Vec<&'a Event> {
    let meant = |event: &&&Event| is_meant(event.status) && verdict_of(event).is_none();
    let contains = |outer: &Event, inner: &Event| {
        inner.id != outer.id && inner.identity.trace.parent_span_id.as_deref() == Some(outer.id.as_str())
    };
    let all: Vec<&Event> = events.iter().filter(meant).copied().collect();
    all.iter().filter(|outer| !all.iter().any(|inner| contains(outer, inner))).copied().collect()
}

fn is_command(event: &Event) -> bool {
    matches!(event.detail, Detail::Stage(_))
}

/// What a verdict says.
#[derive(Debug)]
struct Verdict<'a> {
    decision: &'a str,
    condition: Option<Condition>,
    why: &'a str,
}

fn verdict_of(event: &Event) -> Option<Verdict<'_>> {
    match &event.detail {
        Detail::Rollback { verdict, condition, why, .. } => Some(Verdict {
            decision: verdict,
            condition: *condition,
            why: why.as_deref().unwrap_or("no reason is on record"),
        }),
        _ => None,
    }
}
