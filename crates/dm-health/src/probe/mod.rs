//! Probes: one request each on a new connection to one address, with timed phases; or one run of a program.
//!
//! A common HTTP client reuses connections, tries several addresses and follows redirects. All three would hide what a
//! probe is meant to detect.

mod connect;
mod dns;
mod endpoint;
mod exec;
mod failures;
mod grpc;
mod http;
mod mysql;
mod outcome;
mod phase_timer;
mod postgres;
mod prober;
mod redis;
mod request;
mod target;
mod tls;
mod tunnel;
mod udp;

pub(crate) use outcome::{FinishedProbe, ProbeOutcome, ProbeResponse};
pub(crate) use phase_timer::milliseconds;
pub(crate) use prober::{ProbeOptions, Prober};
pub(crate) use target::{Target, without_control};
