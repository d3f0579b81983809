//! What people are notified of a deployment: its start, and its end in the sentence that the tool prints.

use chrono::{DateTime, Utc};
use common::cli::warn;
use common::event::{Event, Status};
use notify::{Notification, Notifiers, NotifyArgs, Surroundings};
use telemetry::{Context, deployment_events};

use crate::sentence::{Stakes, sentence, stakes};

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
    // Recording warns of what cannot be read, if it could not be written either.
    let events = deployment_events(&context.sinks, &context.identity).unwrap_or_default();
    let stakes = stakes(&events, whole);
    let event = match (whole.status, stakes) {
        (Status::Success, Stakes::None) => notify::Event::Succeeded,
        (Status::Skipped, _) => notify::Event::Skipped,
        (_, Stakes::Restored) => notify::Event::RolledBack,
        _ => notify::Event::Failed,
    };
    let began = whole.started_at().unwrap_or(whole.ts);
    let notification =
        Notification::new(&context.identity, event, &sentence(&events, whole), (began, whole.ts));
    if stakes == Stakes::InDoubt { notification } else { notification.without_doubt() }
}
