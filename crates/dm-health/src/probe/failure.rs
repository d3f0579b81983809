//! Why a probe failed: a class for machines, and a sentence for people that holds no secret.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use common::duration::format_duration;
use common::event::Reason;
use dns_lookup::{LookupError, LookupErrorKind};
use nix::errno::Errno;

use super::timeline::Phase;

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
    /// Whether this machine is at fault, so that it says nothing about the service.
    pub is_local: bool,
}

/// Connections that this machine could not even try: no way there, or nothing left to try with. "Host unreachable" is
/// none of them: that is what a host next door says when it is down.
const LOCAL: [Errno; 9] = [
    Errno::ENETUNREACH,
    Errno::ENETDOWN,
    Errno::EADDRNOTAVAIL,
    Errno::EMFILE,
    Errno::ENFILE,
    Errno::ENOBUFS,
    Errno::ENOMEM,
    Errno::EPERM,
    Errno::EACCES,
];

impl Failure {
    /// The service's own.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), is_local: false }
    }

    /// This machine's.
    pub(super) fn local(reason: Reason, message: impl Into<String>) -> Self {
        Self { is_local: true, ..Self::new(reason, message) }
    }

    pub(super) fn timed_out(phase: Phase, limit: Duration) -> Self {
        let limit = format_duration(limit);
        let (reason, message) = match phase {
            Phase::Resolve => {
                return Self::local(Reason::Dns, format!("no resolver answered within {limit}"));
            }
            Phase::Connect => (Reason::ConnectTimeout, format!("no connection within {limit}")),
            Phase::Tls => (Reason::ConnectTimeout, format!("no TLS connection within {limit}")),
            Phase::Wait => (Reason::ReadTimeout, format!("no answer within {limit}")),
            Phase::Transfer => (Reason::ReadTimeout, format!("no whole answer within {limit}")),
        };
        Self::new(reason, message)
    }

    pub(super) fn not_ended(limit: Duration) -> Self {
        Self::new(
            Reason::Timeout,
            format!("it had not ended after {}, and was killed", format_duration(limit)),
        )
    }

    /// The answer that there is no such name is the service's trouble; no answer is ours.
    pub(super) fn unresolved(error: LookupError) -> Self {
        let is_local = !matches!(error.kind(), LookupErrorKind::NoName | LookupErrorKind::NoData);
        let error = io::Error::from(error).to_string();
        let why = error.strip_prefix("failed to lookup address information: ").unwrap_or(&error);
        Self { is_local, ..Self::new(Reason::Dns, format!("the name did not resolve: {why}")) }
    }

    pub(super) fn unconnected(error: &io::Error, address: SocketAddr) -> Self {
        let is_local = error.raw_os_error().is_some_and(|raw| LOCAL.contains(&Errno::from_raw(raw)));
        let failure = match error.kind() {
            ErrorKind::ConnectionRefused => {
                Self::new(Reason::Refused, format!("connection refused by {address}"))
            }
            ErrorKind::TimedOut => Self::new(Reason::ConnectTimeout, format!("no connection to {address}")),
            _ => Self::new(Reason::Other, format!("no connection to {address}: {error}")),
        };
        Self { is_local, ..failure }
    }

    pub(super) fn no_tls(error: &io::Error) -> Self {
        Self::new(Reason::Tls, format!("no TLS connection: {error}"))
    }

    pub(super) fn no_answer(error: &hyper::Error) -> Self {
        let message = if error.is_incomplete_message() {
            "the connection was closed before a whole answer came".to_owned()
        } else if error.is_parse() {
            format!("not an HTTP answer: {error}")
        } else {
            format!("no whole answer: {}", innermost(error))
        };
        Self::new(Reason::Other, message)
    }
}

fn innermost(error: &hyper::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_cannot_do_is_not_the_service_s_fault() {
        let address = "192.0.2.1:80".parse().unwrap();
        let is_local = |errno: Errno| Failure::unconnected(&errno.into(), address).is_local;
        assert!(LOCAL.into_iter().all(is_local));
        for theirs in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EHOSTUNREACH] {
            assert!(!is_local(theirs), "{theirs}");
        }
    }
}
