//! The export to OpenTelemetry: events wait in the state directory until a collector has them, each signal apart.
//!
//! | module | owns |
//! | --- | --- |
//! | `queue` | the events that wait |
//! | `sender` | sending those of one signal, in the foreground or by an exporter |
//! | `metric_store` | what was counted of each stage |
//! | `counted` | what is kept of one of them |
//! | `metric_set` | metric families in the form of the protocol |
//! | `report` | what is said about it |
//! | `progress` | how far a request is |

mod counted;
mod metric_set;
mod metric_store;
mod progress;
mod queue;
mod report;
mod sender;

pub(crate) use queue::{enqueue, enqueue_span};
pub(crate) use sender::Sender;
pub use sender::send_waiting;
