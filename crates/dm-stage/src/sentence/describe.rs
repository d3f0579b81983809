//! Words for what an event holds.

use common::event::{Detail, Event};
use common::label::Stage;

/// The name of a stage in a sentence.
pub(super) fn display(stage: &Stage) -> String {
    stage.as_str().replace('_', " ")
}

/// What went wrong in the work of this event.
pub(super) fn cause(event: &Event) -> String {
    let described = || match &event.detail {
        Detail::Stage(child) | Detail::Migration { child, .. } => match (child.exit_code, child.signal) {
            (Some(code), _) => Some(format!("exit code {code}")),
            (None, Some(signal)) => Some(format!("killed by signal {signal}")),
            (None, None) => None,
        },
        _ => None,
    };
    let reason = || event.error_type.map_or_else(|| event.status.to_string(), |reason| reason.to_string());
    event.cause.clone().or_else(described).unwrap_or_else(reason)
}
