//! The export to OpenTelemetry: events wait in the state directory until a collector has them, each signal apart.
//!
//! | module | owns |
//! | --- | --- |
//! | `queue` | the events that wait |
//! | `sender` | sending those of one signal, in the foreground or by an exporter |
//! | `report` | what is said about it |
//! | `progress` | how far a request is |

mod progress;
mod queue;
mod report;
mod sender;

pub(crate) use queue::enqueue;
pub(crate) use sender::Sender;
pub use sender::send_waiting;
