//! An event for unit tests.

use chrono::{DateTime, TimeDelta};
use common::event::{Detail, Event, EventId, FORMAT, Reason, Status};
use common::identity::{Identity, Trace};

/// A stage from and to these seconds.
pub(crate) fn event(stage: &str, (start_s, end_s): (i64, i64), status: Status, detail: Detail) -> Event {
    let error_type = status.is_failed().then_some(Reason::ExitCode);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let duration_s = Some((end_s - start_s) as f64);
    Event {
        v: FORMAT,
        detail,
        id: EventId::random(),
        ts: DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::seconds(end_s),
        tool: "dm-stage".to_owned(),
        identity: Identity {
            deployment: "d-42".parse().unwrap(),
            service: "api".parse().unwrap(),
            environment: "production".parse().unwrap(),
            version: Some("2.0".parse().unwrap()),
            commit: None,
            branch: None,
            actor: None,
            run_url: None,
            trace: Trace { trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(), parent_span_id: None },
        },
        stage: stage.parse().unwrap(),
        parent: None,
        status,
        duration_s,
        lead_time_s: None,
        restored_s: None,
        failing_since_s: None,
        cost_dollars: None,
        error_type,
        cause: None,
    }
}
