//! Turns errors of the network and the system into failures of a probe.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use common::duration::format_duration;
use common::event::Reason;
use common::proxy::Proxy;
use common::tls;
use dns_lookup::{LookupError, LookupErrorKind};
use nix::errno::Errno;

use super::phase_timer::Phase;
use crate::failure::Failure;

/// Errors for which this machine is to blame: no route, or no resources. "Host unreachable" is not one of them: a router
/// reports that if a nearby host is down.
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
    pub(super) fn timed_out(phase: Phase, limit: Duration) -> Self {
        let limit = format_duration(limit);
        let (reason, message) = match phase {
            Phase::Resolve => {
                return Self::local(Reason::Dns, format!("no resolver responded within {limit}"));
            }
            Phase::Connect => (Reason::ConnectTimeout, format!("no connection within {limit}")),
            Phase::Tls => (Reason::ConnectTimeout, format!("no TLS connection within {limit}")),
            Phase::Wait => (Reason::ReadTimeout, format!("no response within {limit}")),
            Phase::Transfer => (Reason::ReadTimeout, format!("no complete response within {limit}")),
        };
        Self::new(reason, message)
    }

    /// It happened on the way to the proxy, so it says nothing about the service.
    pub(super) fn at_proxy(self, proxy: &Proxy) -> Self {
        Self { is_local: true, message: format!("the proxy {proxy}: {}", self.message), ..self }
    }

    pub(super) fn program_timed_out(limit: Duration) -> Self {
        Self::new(
            Reason::Timeout,
            format!("it was killed because it had not ended after {}", format_duration(limit)),
        )
    }

    /// A lookup failed. "No such name" is a failure of the service; without an answer, this machine is to blame.
    pub(super) fn not_resolved(error: LookupError) -> Self {
        let is_local = !matches!(error.kind(), LookupErrorKind::NoName | LookupErrorKind::NoData);
        let error = io::Error::from(error).to_string();
        let cause = error.strip_prefix("failed to lookup address information: ").unwrap_or(&error);
        Self { is_local, ..Self::new(Reason::Dns, format!("the name did not resolve: {cause}")) }
    }

    pub(super) fn not_connected(error: &io::Error, address: SocketAddr) -> Self {
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
        let error = error.to_string();
        Self::new(Reason::Tls, format!("no TLS connection: {}", tls::hint(&error).unwrap_or(&error)))
    }

    pub(super) fn no_response(error: &hyper::Error) -> Self {
        // TLS 1.3 refuses a client only after its handshake.
        if let Some(hint) = tls::hint(&innermost(error)) {
            return Self::new(Reason::Tls, hint);
        }
        let message = if error.is_incomplete_message() {
            "the connection was closed before the response was complete".to_owned()
        } else if error.is_parse() {
            format!("not an HTTP response: {error}")
        } else {
            format!("no complete response: {}", innermost(error))
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
    fn errors_of_this_machine_are_local() {
        let address = "192.0.2.1:80".parse().unwrap();
        let is_local = |errno: Errno| Failure::not_connected(&errno.into(), address).is_local;
        assert!(LOCAL.into_iter().all(is_local));
        for theirs in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EHOSTUNREACH] {
            assert!(!is_local(theirs), "{theirs}");
        }
    }
}
