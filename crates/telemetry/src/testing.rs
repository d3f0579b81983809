//! Fixtures that several unit tests share.

use chrono::DateTime;

use common::event::{ChildUse, Detail, Event, EventId, FORMAT, Status};
use common::identity::{Identity, Trace};

use crate::pushgateway::{GroupKey, GroupOutbox, Outbox};

/// A finished, successful stage of 12.4 s.
pub(crate) fn stage_event(stage: &str) -> Event {
    Event {
        v: FORMAT,
        detail: Detail::Stage(ChildUse {
            exit_code: Some(0),
            signal: None,
            cpu_s: Some(40.1),
            max_rss_bytes: Some(123_456),
            ..ChildUse::default()
        }),
        id: EventId::random(),
        ts: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
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
        status: Status::Success,
        duration_s: Some(12.4),
        lead_time_s: None,
        restored_s: None,
        failing_since_s: None,
        cost_dollars: None,
        error_type: None,
        cause: None,
    }
}

/// The outbox of the counters group of [`stage_event`]'s stage `build`.
pub(crate) fn build_outbox(outbox: &Outbox) -> GroupOutbox {
    let event = stage_event("build");
    outbox.group(&GroupKey::counters(&event.identity, &event.stage))
}
