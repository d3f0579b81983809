//! Whether the lease of another holder has expired, by the monotonic clock of this process. A wrong wall clock, here or
//! there, changes nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::holder_process::HolderProcess;
use crate::lease::Lease;

/// What this process has observed of the lease of another holder.
#[derive(Debug, Clone, Default)]
pub struct ExpiryWatch {
    /// The nonce, and when it was observed first.
    observed: Option<(String, Instant)>,
}

/// How the lease of another holder developed since it was observed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The holder has renewed it: it lives.
    Renewed,
    /// Not renewed, and not for long enough to know that the holder is dead.
    Silent,
    /// The holder is dead.
    Expired,
}

impl ExpiryWatch {
    /// Observes the present lease.
    pub fn observe(&mut self, lease: &Lease, now: Instant) -> Sign {
        if self.is_expired(lease, now) {
            return Sign::Expired;
        }
        match &self.observed {
            Some((nonce, _)) if *nonce == lease.nonce => Sign::Silent,
            before => {
                let sign = if before.is_some() { Sign::Renewed } else { Sign::Silent };
                self.observed = Some((lease.nonce.clone(), now));
                sign
            }
        }
    }

    /// Whether this lease has expired: it was not renewed for its whole validity while this process watched, or its holder
    /// was a deployment on this machine and has ended. The command of a rollback may outlive its tool, so for a rollback
    /// only time counts.
    pub fn is_expired(&self, lease: &Lease, now: Instant) -> bool {
        let holder = &lease.holder;
        let has_ended = holder.activity == "deployment"
            && lease.is_renewed
            && holder.process.as_ref().is_some_and(HolderProcess::has_ended);
        let watched = self.observed.as_ref().filter(|(nonce, _)| *nonce == lease.nonce);
        has_ended || watched.is_some_and(|(_, since)| now >= *since + Duration::from_secs(lease.ttl_s))
    }
}
