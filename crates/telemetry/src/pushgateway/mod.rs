//! The Pushgateway: three kinds of group with three lives, never mixed.
//!
//! | group | how | holds |
//! | --- | --- | --- |
//! | state | POST, absolute values, no read | gauges and times: safe to repeat |
//! | counters | read, add, PUT, under a lock | counters and histograms, and the ring of tokens |
//! | run | PUT, heartbeat, DELETE | a deployment in progress |
//!
//! A Pushgateway does not count: it keeps what was pushed last. So counters are read, added to and put back, by one
//! writer at a time on one machine; and every event leaves a token in its group, by which it is known to have been
//! counted, or to have been lost to a writer on another machine.
//!
//! | module | owns |
//! | --- | --- |
//! | `endpoint` | where it is, and how to be let in |
//! | `key` | which group, as labels and as a path |
//! | `client` | the four requests |
//! | `store` | one reading of all that it holds |
//! | `ring` | the tokens of the last events |
//! | `outbox` | events on their way, in the state directory |
//! | `deliver` | the events of one group, each counted once |
//! | `session` | one tool's conversation |
//! | `down` | a gateway that did not answer is left alone for a while |

mod circuit_breaker;
mod client;
mod dedup;
mod endpoint;
mod group_key;
mod outbox;
mod push;
mod session;
mod snapshot;

pub use circuit_breaker::CircuitBreaker;
pub use client::{GatewayClient, Rejected};
pub use endpoint::Endpoint;
pub use group_key::GroupKey;
pub use outbox::Outbox;
pub use session::{Left, Session, settle};
