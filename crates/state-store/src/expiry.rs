//! Whether the lease of another holder has expired, by the clock of this machine since its boot. A wrong wall clock, here
//! or there, changes nothing about a lease that a process renews.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::holder_process::HolderProcess;
use crate::lease::{Lease, renewal_interval};
use crate::moment::Moment;

/// Wall clocks do not differ by more. A lease that is held between processes also expires by them, that much later:
/// whoever wants it may be on a new machine each time, and cannot have watched it.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::hours(1);

/// A renewal by the wall clock that is later than this from now on says nothing.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(1);

/// What this machine has observed of the lease of another holder. It remembers that between processes.
#[derive(Debug)]
pub(crate) struct ExpiryWatch {
    observed: Option<Observed>,
    /// Whether this process has seen the lease before.
    is_own: bool,
    memory: Cache,
}

/// A renewal, and when it was observed first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Observed {
    nonce: String,
    at: Moment,
}

/// How the lease of another holder developed since it was observed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The holder has renewed it while this process watched: it lives.
    Renewed,
    /// Not renewed, and not for long enough to know that the holder is dead.
    Silent,
    /// The holder is dead.
    Expired,
}

impl ExpiryWatch {
    /// A watch that remembers in this file.
    pub(crate) fn new(memory: Cache) -> Self {
        let observed: Option<Observed> = memory.read().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // Another clock says nothing about this one.
        let observed = observed.filter(|observed| observed.at.clock.is_some());
        Self { observed, is_own: false, memory }
    }

    /// Observes the present lease.
    pub(crate) fn observe(&mut self, lease: &Lease, now: &Moment, wall: DateTime<Utc>) -> Sign {
        if self.is_expired(lease, now, wall) {
            return Sign::Expired;
        }
        let was_own = std::mem::replace(&mut self.is_own, true);
        let is_known = self.observed.as_ref().is_some_and(|observed| {
            observed.nonce == lease.nonce
                && observed.at.clock == now.clock
                && observed.at.seconds <= now.seconds
        });
        if is_known {
            return Sign::Silent;
        }
        let observed = Observed { nonce: lease.nonce.clone(), at: now.clone() };
        if let Ok(bytes) = serde_json::to_vec(&observed) {
            // Without this file, the next process of this machine watches for the whole time.
            let _ = self.memory.write(&bytes);
        }
        self.observed = Some(observed);
        if was_own { Sign::Renewed } else { Sign::Silent }
    }

    /// Whether this lease has expired: it was not renewed for its whole validity while this machine watched, or its holder
    /// was a deployment on this machine and has ended. The command of a rollback may outlive its tool, so for a rollback
    /// only time counts.
    pub(crate) fn is_expired(&self, lease: &Lease, now: &Moment, wall: DateTime<Utc>) -> bool {
        let holder = &lease.holder;
        let has_ended = holder.activity == "deployment"
            && lease.is_renewed
            && holder.process.as_ref().is_some_and(HolderProcess::has_ended);
        has_ended || self.rest(lease, now, wall).is_zero()
    }

    /// How long it takes until the lease has expired, if it is not renewed.
    pub(crate) fn rest(&self, lease: &Lease, now: &Moment, wall: DateTime<Utc>) -> Duration {
        let watched = self.observed.as_ref().filter(|observed| observed.nonce == lease.nonce);
        let rest =
            lease.ttl().saturating_sub(watched.map_or(Duration::ZERO, |observed| observed.at.until(now)));
        let Some(renewed_at) = lease.renewed_at.filter(|_| !lease.is_renewed) else { return rest };
        let by_wall =
            TimeDelta::from_std(lease.ttl()).unwrap_or_default() + CLOCK_TOLERANCE - (wall - renewed_at);
        rest.min(by_wall.to_std().unwrap_or_default())
    }
}

/// Whether the holder has missed a renewal by the wall clock, or its word says nothing: it is worth watching whether it is
/// dead. Only that depends on the wall clock, and not whether it is taken for dead.
pub(crate) fn seems_dead(lease: &Lease, wall: DateTime<Utc>) -> bool {
    let Some(renewed_at) = lease.renewed_at else { return true };
    let silent = wall - renewed_at;
    let late = TimeDelta::from_std(renewal_interval(lease.ttl()) * 2).unwrap_or_default();
    silent > late || silent < -MAX_AHEAD
}

#[cfg(test)]
mod tests {
    use common::label::Label;

    use super::*;
    use crate::key::Key;
    use crate::lease::{Holder, LeaseRequest, acquire};
    use crate::local_folder::LocalFolder;

    fn lease(is_renewed: bool, nonce: &str, renewed_at: i64) -> Lease {
        let since = DateTime::from_timestamp(renewed_at, 0).unwrap();
        let [deployment, activity, machine] = ["d", "deployment", "m"].map(str::to_owned);
        let holder =
            Holder { deployment, version: None, activity, machine, process: None, since, run_url: None };
        let request = LeaseRequest { holder, nonce: nonce.to_owned(), ttl_s: 150, is_renewed };
        let mut slot = None;
        acquire(&mut slot, &mut 0, &request, |_| false).unwrap();
        slot.unwrap()
    }

    fn at(clock: &str, seconds: f64) -> Moment {
        Moment { clock: Some(clock.to_owned()), seconds }
    }

    fn wall(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn what_one_process_has_observed_counts_for_the_next_one_of_the_same_boot() {
        let state = tempfile::tempdir().unwrap();
        let [environment, service]: [Label; 2] = ["production", "api"].map(|text| text.parse().unwrap());
        let watch = || {
            let folder = LocalFolder::at(state.path());
            ExpiryWatch::new(Cache::of_lease(&folder, &Key::document(&environment, &service)))
        };
        let held = lease(true, "one", 0);
        assert_eq!(watch().observe(&held, &at("boot", 100.0), wall(1)), Sign::Silent);
        assert_eq!(watch().observe(&held, &at("boot", 249.0), wall(9_999_999)), Sign::Silent);
        assert_eq!(watch().rest(&held, &at("boot", 249.0), wall(0)), Duration::from_secs(1));
        assert_eq!(watch().observe(&held, &at("boot", 250.0), wall(0)), Sign::Expired);
        // After another boot the clock began again; and a renewal is another lease.
        assert!(!watch().is_expired(&held, &at("other", 9999.0), wall(0)));
        assert!(!watch().is_expired(&lease(true, "two", 0), &at("boot", 9999.0), wall(0)));
        let mut watching = watch();
        watching.observe(&held, &at("boot", 100.0), wall(0));
        assert_eq!(watching.observe(&lease(true, "two", 0), &at("boot", 101.0), wall(0)), Sign::Renewed);
    }

    #[test]
    fn the_wall_clock_ends_a_lease_between_processes_only() {
        let state = tempfile::tempdir().unwrap();
        let [environment, service]: [Label; 2] = ["production", "api"].map(|text| text.parse().unwrap());
        let folder = LocalFolder::at(state.path());
        let watch = ExpiryWatch::new(Cache::of_lease(&folder, &Key::document(&environment, &service)));
        for (is_renewed, seconds, expected) in
            [(false, 3600 + 149, false), (false, 3600 + 150, true), (true, 1_000_000, false)]
        {
            let held = lease(is_renewed, "one", 0);
            assert_eq!(
                watch.is_expired(&held, &at("boot", 0.0), wall(seconds)),
                expected,
                "{is_renewed} {seconds}"
            );
        }
        let held = lease(true, "one", 1000);
        let seems: Vec<bool> = [1000, 1099, 1101, 900].map(|now| seems_dead(&held, wall(now))).to_vec();
        assert_eq!(seems, [false, false, true, true]);
    }

    #[test]
    fn an_impossible_validity_is_the_default() {
        let state = tempfile::tempdir().unwrap();
        let [environment, service]: [Label; 2] = ["production", "api"].map(|text| text.parse().unwrap());
        let folder = LocalFolder::at(state.path());
        let watch = ExpiryWatch::new(Cache::of_lease(&folder, &Key::document(&environment, &service)));
        for ttl_s in [0, u64::MAX] {
            let held = Lease { ttl_s, ..lease(true, "one", 0) };
            assert_eq!(watch.rest(&held, &at("boot", 0.0), wall(0)), Duration::from_secs(150));
        }
    }
}
