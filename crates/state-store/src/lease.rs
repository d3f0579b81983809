//! The lease of a document: who may change what is live.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::identity::Identity;
use serde::{Deserialize, Serialize};

use crate::holder_process::HolderProcess;

/// A process that waits for a lease looks at it at least this often.
const MAX_POLL: Duration = Duration::from_secs(5);

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The deployment that the holder belongs to.
    pub deployment: String,
    /// What the holder does: `deployment` or `rollback`.
    pub activity: String,
    /// The machine, for messages.
    pub machine: String,
    /// The process, if it can be found on that machine.
    pub process: Option<HolderProcess>,
    /// When it acquired the lease, by its own clock. For messages only.
    pub since: DateTime<Utc>,
    /// The page of the CI run, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_url: Option<String>,
}

impl Holder {
    /// This process, as the holder of a lease for this deployment.
    pub fn of(identity: &Identity, activity: &str, now: DateTime<Utc>) -> Self {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            deployment: identity.deployment.to_string(),
            activity: activity.to_owned(),
            machine,
            process: HolderProcess::current(),
            since: now,
            run_url: identity.run_url.as_ref().map(ToString::to_string),
        }
    }
}

/// A lease. It expires if its nonce does not change for [`Lease::ttl_s`], by the monotonic clock of whoever wants it: a
/// wrong wall clock cannot shorten it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The holder.
    pub holder: Holder,
    /// The fencing number. It increases with each acquisition and is never used twice.
    pub fence: u64,
    /// Changes with each renewal.
    pub nonce: String,
    /// How long the lease is valid after a renewal, in seconds.
    pub ttl_s: u64,
    /// Whether one process holds the lease all the time, and renews it. Otherwise it is held between processes, from the
    /// start of a deployment to its end.
    pub is_renewed: bool,
    /// The lease of the deployment in which a rollback holds this one. It is restored when the rollback releases its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Box<Lease>>,
}

impl Lease {
    /// How often a process that waits for the lease should look at it.
    pub fn poll_interval(&self) -> Duration {
        MAX_POLL.min(Duration::from_secs(self.ttl_s) / 10)
    }
}

/// A lease to acquire.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// Who wants it.
    pub holder: Holder,
    /// The first nonce: new for each request, and the same if the request is repeated.
    pub nonce: String,
    /// See [`Lease::ttl_s`].
    pub ttl_s: u64,
    /// See [`Lease::is_renewed`].
    pub is_renewed: bool,
}

/// What a lease that was acquired took the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    /// The fencing number.
    pub fence: u64,
    /// The lease of a holder that has died.
    pub expired: Option<Lease>,
}

/// Acquires the lease in `slot`. `is_expired` decides about the present one.
///
/// A rollback of the deployment that holds the lease may acquire it: it is part of that deployment.
///
/// # Errors
/// The present lease, if it has not expired.
pub(crate) fn acquire(
    slot: &mut Option<Lease>,
    last_fence: &mut u64,
    request: &LeaseRequest,
    is_expired: impl Fn(&Lease) -> bool,
) -> Result<Acquired, Box<Lease>> {
    let holder = &request.holder;
    let mut outer = None;
    let mut expired = None;
    if let Some(present) = slot.take() {
        // The response to an earlier attempt was lost.
        if present.nonce == request.nonce {
            let fence = present.fence;
            *slot = Some(present);
            return Ok(Acquired { fence, expired: None });
        }
        let is_inner = holder.activity == "rollback"
            && present.holder.activity == "deployment"
            && present.holder.deployment == holder.deployment;
        if is_inner {
            outer = Some(Box::new(present));
        } else if is_expired(&present) {
            outer = present.outer.clone().filter(|outer| {
                holder.activity == "rollback" && outer.holder.deployment == holder.deployment
            });
            expired = Some(present);
        } else {
            *slot = Some(present.clone());
            return Err(Box::new(present));
        }
    }
    *last_fence += 1;
    let fence = *last_fence;
    *slot = Some(Lease {
        holder: holder.clone(),
        fence,
        nonce: request.nonce.clone(),
        ttl_s: request.ttl_s,
        is_renewed: request.is_renewed,
        outer,
    });
    Ok(Acquired { fence, expired })
}

/// Renews the lease with this fencing number, wherever it is. Returns whether it is still held.
pub(crate) fn renew(slot: &mut Option<Lease>, fence: u64, nonce: &str) -> bool {
    let mut next = slot.as_mut();
    while let Some(lease) = next {
        if lease.fence == fence {
            nonce.clone_into(&mut lease.nonce);
            return true;
        }
        next = lease.outer.as_deref_mut();
    }
    false
}

/// Renews the lease that a deployment holds between its processes. One process renews any other.
pub(crate) fn renew_between(slot: &mut Option<Lease>, deployment: &str, nonce: &str) {
    let lease = slot.as_ref().map(|lease| lease.outer.as_deref().unwrap_or(lease));
    let is_its = |lease: &&Lease| !lease.is_renewed && lease.holder.deployment == deployment;
    if let Some(fence) = lease.filter(is_its).map(|lease| lease.fence) {
        renew(slot, fence, nonce);
    }
}

/// Releases the lease with this fencing number. An inner lease that outlives its deployment stays.
pub(crate) fn release(slot: &mut Option<Lease>, fence: u64) {
    match slot {
        Some(lease) if lease.fence == fence => *slot = lease.outer.take().map(|outer| *outer),
        Some(lease) if lease.outer.as_ref().is_some_and(|outer| outer.fence == fence) => lease.outer = None,
        _ => {}
    }
}

/// Releases the lease that a deployment holds between its processes, whoever of it asks.
pub(crate) fn release_deployment(slot: &mut Option<Lease>, deployment: &str) {
    let is_its =
        |lease: &Lease| lease.holder.activity == "deployment" && lease.holder.deployment == deployment;
    let of_deployment = [slot.as_ref(), slot.as_ref().and_then(|lease| lease.outer.as_deref())];
    let fence = of_deployment.into_iter().flatten().find(|lease| is_its(lease)).map(|lease| lease.fence);
    if let Some(fence) = fence {
        release(slot, fence);
    }
}

#[cfg(test)]
mod tests;
