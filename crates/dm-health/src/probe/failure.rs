//! Why a probe failed: a class for machines, and a sentence for people that holds no secret.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use common::duration::show;
use common::event::Reason;

use super::timeline::Phase;

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

impl Failure {
    pub(super) fn timed_out(phase: Phase, limit: Duration) -> Self {
        let limit = show(limit);
        let (reason, message) = match phase {
            Phase::Resolve => (Reason::Dns, format!("the name did not resolve within {limit}")),
            Phase::Connect => (Reason::ConnectTimeout, format!("no connection within {limit}")),
            Phase::Tls => (Reason::ConnectTimeout, format!("no TLS connection within {limit}")),
            Phase::Wait => (Reason::ReadTimeout, format!("no answer within {limit}")),
            Phase::Transfer => (Reason::ReadTimeout, format!("no whole answer within {limit}")),
        };
        Self { reason, message }
    }

    pub(super) fn not_ended(limit: Duration) -> Self {
        Self {
            reason: Reason::Timeout,
            message: format!("it had not ended after {}, and was killed", show(limit)),
        }
    }

    pub(super) fn unresolved(error: &io::Error) -> Self {
        Self { reason: Reason::Dns, message: format!("the name did not resolve: {error}") }
    }

    pub(super) fn unconnected(error: &io::Error, address: SocketAddr) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                Self { reason: Reason::Refused, message: format!("connection refused by {address}") }
            }
            ErrorKind::TimedOut => {
                Self { reason: Reason::ConnectTimeout, message: format!("no connection to {address}") }
            }
            _ => Self { reason: Reason::Other, message: format!("no connection to {address}: {error}") },
        }
    }

    pub(super) fn no_tls(error: &io::Error) -> Self {
        Self { reason: Reason::Tls, message: format!("no TLS connection: {error}") }
    }

    pub(super) fn no_answer(error: &hyper::Error) -> Self {
        let message = if error.is_incomplete_message() {
            "the connection was closed before a whole answer came".to_owned()
        } else if error.is_parse() {
            format!("not an HTTP answer: {error}")
        } else {
            format!("no whole answer: {}", innermost(error))
        };
        Self { reason: Reason::Other, message }
    }
}

fn innermost(error: &hyper::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
