//! The export to OpenTelemetry: events wait in the state directory until a collector has them, traces and logs apart.
//!
//! | module | owns |
//! | --- | --- |
//! | `queue` | the events that wait |
//! | `send` | sending them, in the foreground or by an exporter |

mod queue;
mod send;

pub(crate) use queue::enqueue;
pub(crate) use send::Sender;
pub use send::send_waiting;
