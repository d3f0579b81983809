//! The Pushgateway: three kinds of groups with different lifetimes, never mixed.
//!
//! | group | request | content |
//! | --- | --- | --- |
//! | state | POST, absolute values, no read | gauges and times: safe to repeat |
//! | counters | read, add, PUT, under a lock | counters and histograms, and the recent tokens |
//! | run | PUT, heartbeat, DELETE | a deployment in progress |
//!
//! A Pushgateway does not add: it keeps the value that was pushed last. So one writer per machine reads the counters, adds
//! to them and puts them back. Every event leaves a token in its group. The token proves that the event was counted; its
//! absence proves that a writer on another machine has overwritten it.
//!
//! | module | owns |
//! | --- | --- |
//! | `endpoint` | the URL and the credentials |
//! | `group_key` | the labels and the path of a group |
//! | `client` | the four requests, and [`PushError`] |
//! | `snapshot` | one read of all metrics |
//! | `dedup` | the tokens of the recent events |
//! | `outbox` | events to be sent, in the state directory |
//! | `enqueue` | journal and outbox as one step |
//! | `handover` | events of a machine that gets a shared state |
//! | `ended_runs` | groups to be deleted |
//! | `push` | the events of one group, each counted once |
//! | `retire` | the end of a service |
//! | `session` | the conversation of one tool |
//! | `waiting` | how much waits |
//! | `circuit_breaker` | no retry for a while after an outage |

mod circuit_breaker;
mod client;
mod dedup;
mod ended_runs;
mod endpoint;
mod enqueue;
mod error;
mod folder_name;
mod group_key;
mod handover;
mod outbox;
mod push;
mod retire;
mod session;
mod snapshot;
mod waiting;

pub(crate) use circuit_breaker::CircuitBreaker;
pub(crate) use client::Answered;
pub use client::GatewayClient;
pub use endpoint::Endpoint;
pub(crate) use endpoint::PortableEndpoint;
pub(crate) use enqueue::{complete_interrupted, journal_and_enqueue};
pub(crate) use error::PushError;
pub(crate) use group_key::{GroupKey, joined};
pub(crate) use handover::hand_over;
pub use outbox::Outbox;
pub(crate) use outbox::{GroupOutbox, MAX_EVENT_BYTES, with_state};
pub(crate) use push::{combined_state, is_outdated, push_group};
pub use retire::{Retired, retire};
pub use session::settle;
pub(crate) use session::{PushSession, TOO_SHORT_TO_ANNOUNCE, run_of};
pub(crate) use snapshot::Snapshot;
pub use waiting::waiting;
