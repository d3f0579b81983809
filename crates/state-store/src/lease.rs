//! The lease of a document: who may change what is live.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::identity::{Identity, random_hex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::holder_process::HolderProcess;
use crate::moment::Moment;

/// A process that waits for a lease looks at it at least this often.
const MAX_POLL: Duration = Duration::from_secs(5);

/// The time between two renewals is at most this, and a third of the validity.
const MAX_RENEWAL: Duration = Duration::from_mins(1);

/// The longest validity. No tool asks for more.
const MAX_TTL_S: u64 = 24 * 60 * 60;

/// The validity of a lease that has an impossible one: the default.
const DEFAULT_TTL: Duration = Duration::from_secs(150);

/// The longest text of a holder that is shown.
const MAX_TEXT: usize = 200;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The deployment that the holder belongs to.
    pub deployment: String,
    /// The version that is deployed, or rolled back, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
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
            version: identity.version.as_ref().map(ToString::to_string),
            activity: activity.to_owned(),
            machine,
            process: HolderProcess::current(),
            since: now,
            run_url: identity.run_url.as_ref().map(ToString::to_string),
        }
    }
}

/// A lease. It expires if its nonce does not change for its validity, by the monotonic clock of whoever wants it: a wrong
/// wall clock cannot shorten it.
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
    /// When it was acquired or renewed last, by the holder's wall clock: a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<DateTime<Utc>>,
    /// The lease of the deployment in which a rollback holds this one. It is restored when the rollback releases its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outer: Option<Box<Lease>>,
    /// What a newer version of the tools has added.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Lease {
    /// How long it is valid after a renewal.
    pub(crate) fn ttl(&self) -> Duration {
        if (1..=MAX_TTL_S).contains(&self.ttl_s) { Duration::from_secs(self.ttl_s) } else { DEFAULT_TTL }
    }

    /// How often a process that waits for the lease should look at it.
    pub(crate) fn poll_interval(&self) -> Duration {
        MAX_POLL.min(self.ttl() / 10)
    }

    /// The version that may be live while a deployment holds it, if that is known. The text is from outside.
    pub fn deployed_version(&self) -> Option<String> {
        self.holder.version.as_deref().filter(|_| self.holder.activity == "deployment").map(plain)
    }

    /// Who has held it, where, and since when. All text is from outside.
    pub fn describe(&self, service: &str, environment: &str) -> String {
        let Holder { deployment, version, activity, machine, since, run_url, .. } = &self.holder;
        let rollback = if activity == "rollback" { "the rollback of " } else { "" };
        let version = version.as_ref().map(|version| format!(" of version {}", plain(version)));
        let page = run_url.as_ref().map(|url| format!(" ({})", plain(url))).unwrap_or_default();
        let renewed = self.renewed_at.filter(|at| at > since);
        let renewed = renewed.map(|at| format!(", renewed last at {}", at.format("%H:%M:%SZ")));
        format!(
            "{rollback}deployment {}{} has held the lease of {service} in {environment} since {}, on {}{page}{}",
            plain(deployment),
            version.unwrap_or_default(),
            since.format("%Y-%m-%d %H:%M:%SZ"),
            plain(machine),
            renewed.unwrap_or_default()
        )
    }
}

/// The time between two renewals of a lease with this validity.
pub(crate) fn renewal_interval(ttl: Duration) -> Duration {
    MAX_RENEWAL.min(ttl / 3)
}

/// Text from outside, as part of a line.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(MAX_TEXT).collect()
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

/// A renewal of a lease.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// New for each renewal.
    pub(crate) nonce: String,
    /// The time by the wall clock.
    pub(crate) at: DateTime<Utc>,
}

impl Renewal {
    /// A renewal now.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { nonce: random_hex(8), at: now }
    }
}

/// What a lease that was acquired took the place of.
#[derive(Debug, Clone, PartialEq)]
pub struct Acquired {
    /// The fencing number.
    pub fence: u64,
    /// The lease of a holder that has died.
    pub expired: Option<Lease>,
    /// When the request began.
    pub(crate) since: Moment,
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
            return Ok(Acquired { fence, expired: None, since: Moment::now() });
        }
        // A deployment that begins between processes once more: its first attempt has died.
        let is_again = !request.is_renewed
            && !present.is_renewed
            && present.holder.activity == holder.activity
            && present.holder.deployment == holder.deployment;
        let is_inner = holder.activity == "rollback"
            && present.holder.activity == "deployment"
            && present.holder.deployment == holder.deployment;
        if is_inner {
            outer = Some(Box::new(present));
        } else if !is_again && !is_expired(&present) {
            *slot = Some(present.clone());
            return Err(Box::new(present));
        } else if !is_again {
            outer = present.outer.clone().filter(|outer| {
                holder.activity == "rollback" && outer.holder.deployment == holder.deployment
            });
            expired = Some(present);
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
        renewed_at: Some(holder.since),
        outer,
        more: Map::new(),
    });
    Ok(Acquired { fence, expired, since: Moment::now() })
}

/// Renews the lease with this fencing number, wherever it is. Returns whether it is still held.
pub(crate) fn renew(slot: &mut Option<Lease>, fence: u64, renewal: &Renewal) -> bool {
    let mut next = slot.as_mut();
    while let Some(lease) = next {
        if lease.fence == fence {
            renewal.nonce.clone_into(&mut lease.nonce);
            lease.renewed_at = Some(renewal.at);
            return true;
        }
        next = lease.outer.as_deref_mut();
    }
    false
}

/// Renews the lease that a deployment holds between its processes. One process renews any other.
pub(crate) fn renew_between(slot: &mut Option<Lease>, deployment: &str, renewal: &Renewal) {
    let lease = slot.as_ref().map(|lease| lease.outer.as_deref().unwrap_or(lease));
    let is_its = |lease: &&Lease| !lease.is_renewed && lease.holder.deployment == deployment;
    if let Some(fence) = lease.filter(is_its).map(|lease| lease.fence) {
        renew(slot, fence, renewal);
    }
}

/// Releases the lease with this fencing number. An inner lease that outlives its deployment stays. Returns whether it was
/// held.
pub(crate) fn release(slot: &mut Option<Lease>, fence: u64) -> bool {
    match slot {
        Some(lease) if lease.fence == fence => *slot = lease.outer.take().map(|outer| *outer),
        Some(lease) if lease.outer.as_ref().is_some_and(|outer| outer.fence == fence) => lease.outer = None,
        _ => return false,
    }
    true
}

/// Releases the lease that a deployment holds between its processes, whoever of it asks. Returns whether it held one.
pub(crate) fn release_deployment(slot: &mut Option<Lease>, deployment: &str) -> bool {
    let is_its = |lease: &Lease| {
        !lease.is_renewed && lease.holder.activity == "deployment" && lease.holder.deployment == deployment
    };
    let of_deployment = [slot.as_ref(), slot.as_ref().and_then(|lease| lease.outer.as_deref())];
    let fence = of_deployment.into_iter().flatten().find(|lease| is_its(lease)).map(|lease| lease.fence);
    fence.is_some_and(|fence| release(slot, fence))
}

#[cfg(test)]
mod tests;
