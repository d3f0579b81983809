//! What people are notified of a deployment: its start, and its end in the sentence that the tool prints.

use chrono::{DateTime, Utc};
use common::cli::warn;
use common::event::Event;
use notify::{Notification, Notifiers, NotifyArgs, Surroundings};
use telemetry::Context;

use crate::deployment::at_end;
use crate::sentence::{Conclusion, LiveState, Outcome};

/// Those who are notified. What is wrong with the settings is a warning.
pub(crate) fn notifiers(args: &NotifyArgs, context: &Context) -> Notifiers {
    let surroundings = Surroundings {
        identity: &context.identity,
        state_dir: context.sinks.state_dir.clone(),
        state_url: context.sinks.state_url.clone(),
        budget: context.sinks.budget,
        has_alertmanager: false,
    };
    let (notifiers, problems) = Notifiers::resolve(args, surroundings);
    warn(context.tool, &problems);
    notifiers
}

/// The start of a deployment.
pub(crate) fn started(context: &Context, began: DateTime<Utc>) -> Notification {
    let by = context.identity.actor.as_ref().map(|actor| format!(", by {actor}")).unwrap_or_default();
    Notification::new(&context.identity, notify::Event::Started, &format!("started{by}"), (began, began))
}

/// The end of a deployment, which this event is about. Reads the journal.
pub(crate) fn ended(context: &Context, whole: &Event) -> Notification {
    let records = at_end(context, whole);
    let conclusion = records
        .deployment(&whole.identity.deployment, whole.ts)
        .map(|deployment| Conclusion::of(&deployment));
    let began = whole.started_at().unwrap_or(whole.ts);
    let notification =
        |event, sentence: &str| Notification::new(&context.identity, event, sentence, (began, whole.ts));
    match &conclusion {
        Some(conclusion) if is_in_doubt(conclusion) => {
            notification(event_of(conclusion), &conclusion.sentence)
        }
        Some(conclusion) => notification(event_of(conclusion), &conclusion.sentence).without_doubt(),
        // An event without a place in the records says at least its status.
        None => notification(notify::Event::Failed, whole.status.as_str()),
    }
}

fn event_of(conclusion: &Conclusion) -> notify::Event {
    let is_disturbed = matches!(conclusion.live, LiveState::RolledBack(_) | LiveState::MayBeLive);
    match conclusion.outcome {
        Outcome::Skipped => notify::Event::Skipped,
        Outcome::Deployed => notify::Event::Succeeded,
        Outcome::Ended if !is_disturbed => notify::Event::Succeeded,
        _ if matches!(conclusion.live, LiveState::RolledBack(_)) => notify::Event::RolledBack,
        _ => notify::Event::Failed,
    }
}

/// Whether what was bad may be live.
fn is_in_doubt(conclusion: &Conclusion) -> bool {
    match conclusion.live {
        LiveState::MayBeLive => true,
        // A command without stages may have deployed anything.
        LiveState::Unknown => conclusion.failed_stage.is_none() && conclusion.outcome != Outcome::Ended,
        LiveState::Live | LiveState::RolledBack(_) | LiveState::NotDeployed => false,
    }
}
