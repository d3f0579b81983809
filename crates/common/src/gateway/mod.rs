//! The Pushgateway: three kinds of group with three lives, never mixed.
//!
//! | group | how | holds |
//! | --- | --- | --- |
//! | state | POST, absolute values, no read | gauges and times: safe to repeat |
//! | counters | read, add, PUT, under a lock | counters and histograms |
//! | run | PUT, heartbeat, DELETE | a deployment in progress |
//!
//! A Pushgateway does not count: it keeps what was pushed last. So counters are read, added to and put back, by one
//! writer at a time on one machine. If the read fails, no counters are written: a wrong base would look like a reset
//! and count everything again.

mod client;
mod down;
mod key;
mod session;

pub use client::GatewayClient;
pub use down::Down;
pub use key::Key;
pub use session::Session;
