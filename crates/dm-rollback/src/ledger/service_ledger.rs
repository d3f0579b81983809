//! The ledger of a service: on this machine, and in the state that all machines share, if there is one.
//!
//! Where state is shared, its ledger decides. The one on this machine is a copy, and keeps what could not be shared yet.

use chrono::{DateTime, Utc};
use common::exit::Exit;
use common::fs::lock::Lock;
use common::identity::{Identity, random_hex};
use serde_json::Value;
use state_store::{HeldLease, Holder, Lease, LeaseRequest, StoreError};
use telemetry::{Context, Sinks};

use crate::ledger::shared_ledger::{OpenState, Refused, SharedLedger, seen};
use crate::ledger::stamps::display_time;
use crate::ledger::{Attempt, Contents, Entry, EntryKind, Ledger, parse_value};
use crate::safeguards::refusal::{Refusal, Rejection};

/// The ledger of one service in one environment.
#[derive(Debug)]
pub(crate) struct ServiceLedger {
    local: Ledger,
    shared: Option<SharedLedger>,
    /// Whether the ledger of this machine serves if the shared one cannot be used.
    may_act_without: bool,
}

/// A rollback that has begun: nobody else begins one until it has ended.
#[derive(Debug)]
pub(crate) struct Act {
    _lock: Lock,
    lease: Option<HeldLease>,
}

impl Act {
    /// The fencing number of its lease, if state is shared.
    pub(crate) fn fence(&self) -> Option<u64> {
        self.lease.as_ref().map(HeldLease::fence)
    }
}

impl ServiceLedger {
    /// Opens the ledger. If `may_act_without`, the ledger of this machine serves if the shared one cannot be used. The error
    /// is a message for the operator.
    pub(crate) fn open(sinks: &Sinks, identity: &Identity, may_act_without: bool) -> Result<Self, String> {
        let folder = sinks
            .state_dir
            .as_ref()
            .ok_or("there is no folder for the ledger: set DM_STATE_DIR to a persistent folder")?;
        let shared = match &sinks.state_url {
            Some(url) => {
                let open = OpenState {
                    url: url.clone(),
                    environment: identity.environment.clone(),
                    service: identity.service.clone(),
                    state_dir: folder.clone(),
                };
                Some(SharedLedger::new(open).map_err(|error| format!("the shared state {url}: {error}"))?)
            }
            None => None,
        };
        Ok(Self { local: Ledger::new(folder, identity), shared, may_act_without })
    }

    /// Whether it is in the state that all machines share.
    pub(crate) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Where it is, for messages.
    fn place(&self) -> String {
        let path = self.local.path();
        self.shared.as_ref().map_or_else(|| path.display().to_string(), SharedLedger::display_url)
    }

    /// Reads it. The error is a message for the operator.
    pub(crate) fn read(&self, now: DateTime<Utc>) -> Result<Contents, String> {
        let local = self.local.read(now).map_err(|error| self.unreadable_local(&error))?;
        let Some(shared) = &self.shared else { return Ok(local) };
        let entries = match shared.read(now) {
            Ok(entries) => entries,
            Err(error) if self.acts_without(&error) => return Ok(local),
            Err(error) => return Err(self.unreadable(&error.to_string())),
        };
        merge(local, &entries).map_err(|error| self.unreadable(&error))
    }

    /// Appends an entry. The error is a message for the operator.
    pub(crate) fn append(&self, ts: DateTime<Utc>, attempt: &Attempt, kind: EntryKind) -> Result<(), String> {
        self.write(&Entry::new(ts, attempt, kind), ts, None)
    }

    /// Begins a rollback: takes the lock of this machine and, where state is shared, the lease; and records what `judge`
    /// answers, in the same step, so that no two machines act on the same ledger. `judge` gets the entries and the fencing
    /// number; it may be called several times.
    pub(crate) fn begin<T: Clone>(
        &self,
        context: &Context,
        now: DateTime<Utc>,
        mut judge: impl FnMut(Contents, Option<u64>) -> Result<(Attempt, EntryKind, T), Rejection>,
    ) -> Result<(Act, T), Rejection> {
        let identity = &context.identity;
        let lock = self.lock(identity)?;
        let not_done = |message: String| Rejection::from(Refusal::not_done(message));
        let local = self.local.read(now).map_err(|error| not_done(self.unreadable_local(&error)))?;
        let Some(shared) = &self.shared else { return self.begin_locally(lock, local, now, judge) };
        let mut written: Option<(Entry, T)> = None;
        let result = shared.acquire_and(&request(context, now), |document, acquired| {
            if let Some((entry, answer)) = &written
                && document
                    .ledger
                    .iter()
                    .any(|present| present["id"] == entry.id.as_deref().unwrap_or_default())
            {
                // The response to the first attempt was lost.
                return Ok((entry.clone(), answer.clone(), acquired.expired.clone()));
            }
            let contents = merge(local.clone(), &document.ledger)
                .map_err(|error| Rejection::from(Refusal::not_done(self.unreadable(&error))))?;
            let (attempt, kind, answer) = judge(contents, Some(acquired.fence))?;
            let entry = Entry::new(now, &attempt, kind);
            for pending in missing(&local.entries, &document.ledger) {
                document.add_ledger_entry(pending);
            }
            document.add_ledger_entry(to_value(&entry));
            written = Some((entry.clone(), answer.clone()));
            Ok((entry, answer, acquired.expired.clone()))
        });
        let (lease, (entry, answer, expired)) = match result {
            Ok(begun) => begun,
            Err(Refused::Judged(rejection)) => return Err(rejection),
            Err(Refused::Held(lease)) => return Err(held(identity, &lease).into()),
            Err(Refused::Store(error)) if self.acts_without(&error) => {
                return self.begin_locally(lock, local, now, judge);
            }
            Err(Refused::Store(error)) => return Err(not_done(self.unreadable(&error.to_string()))),
        };
        if let Some(dead) = expired {
            crate::report::note(&takeover(&dead));
        }
        // The copy on this machine; the shared one is what counts.
        let _ = self.local.append_entry(&entry);
        Ok((Act { _lock: lock, lease: Some(lease) }, answer))
    }

    fn begin_locally<T>(
        &self,
        lock: Lock,
        local: Contents,
        now: DateTime<Utc>,
        mut judge: impl FnMut(Contents, Option<u64>) -> Result<(Attempt, EntryKind, T), Rejection>,
    ) -> Result<(Act, T), Rejection> {
        let (attempt, kind, answer) = judge(local, None)?;
        let written = self.local.append_entry(&Entry::new(now, &attempt, kind));
        let path = self.local.path();
        written.map_err(|error| {
            Refusal::not_done(format!("cannot write the intent to {}: {error}", path.display()))
        })?;
        Ok((Act { _lock: lock, lease: None }, answer))
    }

    /// Whether to act although the shared ledger cannot be used. Says so.
    fn acts_without(&self, error: &StoreError) -> bool {
        if self.may_act_without {
            crate::report::note(&format!(
                "{}. Acting on what this machine knows (--act-without-state): what other machines did is not known",
                self.unreadable(&error.to_string())
            ));
        }
        self.may_act_without
    }

    /// Ends a rollback: appends its outcome, and releases the lock and the lease.
    pub(crate) fn end(
        &self,
        act: Act,
        ts: DateTime<Utc>,
        attempt: &Attempt,
        kind: EntryKind,
    ) -> Result<(), String> {
        let fence = act.fence();
        if let Some(lease) = act.lease {
            lease.stop();
        }
        self.write(&Entry::new(ts, attempt, kind), ts, fence)
    }

    fn lock(&self, identity: &Identity) -> Result<Lock, Rejection> {
        let path = self.local.path();
        let locked = self.local.try_lock();
        let lock = locked
            .map_err(|error| Refusal::not_done(format!("cannot lock {}: {error}", path.display())))?
            .ok_or_else(|| Refusal {
                reason: format!(
                    "another rollback of {} in {} is running, or its command is, if it was killed",
                    identity.service, identity.environment
                ),
                exit: Exit::TryLater,
            })?;
        // The command holds the lock too, so that none runs beside it if this tool is killed.
        lock.share_with_children().map_err(|error| {
            Refusal::not_done(format!("cannot pass on the lock of {}: {error}", path.display()))
        })?;
        Ok(lock)
    }

    /// Writes an entry: to this machine first, then to the shared ledger, with everything that could not be shared before.
    fn write(&self, entry: &Entry, now: DateTime<Utc>, fence: Option<u64>) -> Result<(), String> {
        let path = self.local.path();
        let written = self.local.append_entry(entry);
        let local = written.map_err(|error| format!("cannot write the ledger {}: {error}", path.display()));
        let Some(shared) = &self.shared else { return local };
        let mut entries: Vec<Value> = self
            .local
            .read(now)
            .map(|local| local.entries.iter().map(to_value).collect())
            .unwrap_or_default();
        entries.push(to_value(entry));
        shared
            .add(&entries, fence)
            .map_err(|error| format!("cannot write the ledger in the shared state {}: {error}", self.place()))
    }

    fn unreadable_local(&self, error: &std::io::Error) -> String {
        format!("cannot read the ledger {}: {error}", self.local.path().display())
    }

    fn unreadable(&self, error: &str) -> String {
        format!(
            "cannot use the ledger in the shared state {}: {error}. To act on what this machine knows, give \
             --act-without-state",
            self.place()
        )
    }
}

fn request(context: &Context, now: DateTime<Utc>) -> LeaseRequest {
    let holder = Holder::of(&context.identity, "rollback", now);
    LeaseRequest { holder, nonce: random_hex(8), ttl_s: context.lease_ttl.as_secs(), is_renewed: true }
}

fn held(identity: &Identity, lease: &Lease) -> Refusal {
    let Holder { deployment, activity, machine, since, .. } = &lease.holder;
    Refusal {
        reason: format!(
            "the {activity} of deployment {deployment} is changing {} in {}, on {machine} since {}",
            identity.service,
            identity.environment,
            display_time(*since)
        ),
        exit: Exit::TryLater,
    }
}

fn takeover(dead: &Lease) -> String {
    let Holder { deployment, activity, machine, since, .. } = &dead.holder;
    format!(
        "took over from the {activity} of deployment {deployment}, which began on {machine} at {} and has not renewed its \
         lease: it may have left its work half done",
        display_time(*since)
    )
}

fn to_value(entry: &Entry) -> Value {
    serde_json::to_value(entry).unwrap_or_default()
}

/// The entries of this machine that are not in the shared ledger.
fn missing(local: &[Entry], shared: &[Value]) -> Vec<Value> {
    local.iter().map(to_value).filter(|entry| !contains(shared, entry)).collect()
}

fn contains(shared: &[Value], entry: &Value) -> bool {
    let is_same =
        |other: &Value| if entry["id"].is_null() { other == entry } else { other["id"] == entry["id"] };
    shared.iter().any(is_same)
}

/// The shared entries, with those of this machine that could not be shared yet, each at its time.
fn merge(local: Contents, shared: &[Value]) -> Result<Contents, String> {
    let mut entries = Vec::with_capacity(shared.len());
    for value in shared {
        let mut entry = parse_value(value)?;
        entry.ts = seen(value).map_or(entry.ts, |seen| entry.ts.min(seen));
        entries.push(entry);
    }
    for entry in local.entries {
        if !contains(shared, &to_value(&entry)) {
            let place = entries.iter().position(|other: &Entry| other.ts > entry.ts).unwrap_or(entries.len());
            entries.insert(place, entry);
        }
    }
    Ok(Contents { entries, ..local })
}
