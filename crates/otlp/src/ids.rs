//! Ids and times in the form of the protocol.

use chrono::{DateTime, Utc};
use common::event::Event;

/// The bytes of hexadecimal digits; none if they are not.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect::<Option<Vec<u8>>>().unwrap_or_default()
}

/// Nanoseconds since the epoch.
pub(crate) fn nanoseconds(time: DateTime<Utc>) -> u64 {
    time.timestamp_nanos_opt().and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).unwrap_or_default()
}

/// The id of the trace that the event belongs to.
pub(crate) fn trace_id(event: &Event) -> Vec<u8> {
    bytes(&event.identity.trace.trace_id)
}

/// The id of the event's own span.
pub(crate) fn span_id(event: &Event) -> Vec<u8> {
    bytes(event.id.as_str())
}
