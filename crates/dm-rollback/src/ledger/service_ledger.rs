//! The ledger of a service: on this machine, and in the state that all machines share, if there is one.
//!
//! Where state is shared, its ledger decides. The one on this machine is a copy, and keeps what could not be shared yet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::exit::Exit;
use common::fs::lock::Lock;
use common::identity::{Identity, random_hex};
use serde_json::Value;
use state_store::{AcquireError, HeldLease, Holder, Lease, LeaseRequest, StoreError, Trouble};
use telemetry::{Context, PendingEntries, Sinks};

use crate::ledger::shared_ledger::{OpenState, SharedLedger, seen};
use crate::ledger::{Attempt, Contents, Entry, EntryKind, Ledger, parse_value};
use crate::safeguards::refusal::{Refusal, Rejection};

/// The ledger of one service in one environment.
#[derive(Debug)]
pub(crate) struct ServiceLedger {
    local: Ledger,
    shared: Option<SharedLedger>,
    /// What the next tool of this machine adds to the shared ledger, if this one does not come so far.
    pending: PendingEntries,
    identity: Identity,
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
        let pending = PendingEntries::new(folder, identity);
        Ok(Self {
            local: Ledger::new(folder, identity),
            shared,
            pending,
            identity: identity.clone(),
            may_act_without,
        })
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
        let Some(shared) = self.usable() else { return Ok(local) };
        let entries = match shared.read(now) {
            Ok(entries) => entries,
            Err(error) if self.acts_without(&error) => return Ok(local),
            Err(error) => return Err(self.unreadable(&error.to_string())),
        };
        self.share_pending(shared);
        merge(local, &entries).map_err(|error| self.unreadable(&error))
    }

    /// Appends an entry. The error is a message for the operator.
    pub(crate) fn append(&self, ts: DateTime<Utc>, attempt: &Attempt, kind: EntryKind) -> Result<(), String> {
        self.write(&Entry::new(ts, attempt, kind), ts, None).map(drop)
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
        let Some(shared) = self.usable() else { return self.begin_locally(lock, local, now, judge) };
        let mut written: Option<(Entry, T)> = None;
        let mut is_announced = false;
        let on_wait = |lease: &Lease, at_most: Duration| {
            if !std::mem::replace(&mut is_announced, true) {
                let at_most = format_duration(at_most);
                crate::report::note(&format!("{}; waiting for at most {at_most}", describe(identity, lease)));
            }
        };
        let of_thread = identity.clone();
        let on_trouble = move |trouble: Trouble| crate::report::note(&trouble_of(&of_thread, &trouble));
        let result = shared.acquire_and(&request(context, now), on_wait, on_trouble, |document, acquired| {
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
            Err(AcquireError::Refused(rejection)) => return Err(rejection),
            Err(AcquireError::Held { lease, rest }) => return Err(held(identity, &lease, rest).into()),
            Err(AcquireError::Store(error)) if self.acts_without(&error) => {
                return self.begin_locally(lock, local, now, judge);
            }
            Err(AcquireError::Store(error)) => return Err(not_done(self.unreadable(&error.to_string()))),
        };
        if let Some(dead) = expired {
            crate::report::note(&format!(
                "{}, and does not renew it any more: took over. It may have left its work half done",
                describe(identity, &dead)
            ));
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
        let entry = Entry::new(now, &attempt, kind);
        let written = self.local.append_entry(&entry);
        let path = self.local.path();
        written.map_err(|error| {
            Refusal::not_done(format!("cannot write the intent to {}: {error}", path.display()))
        })?;
        if self.shared.is_some() {
            self.set_aside(&entry);
        }
        Ok((Act { _lock: lock, lease: None }, answer))
    }

    /// Looks once more whether this rollback still holds its lease: it may have been stopped since it acquired it, and
    /// another one may have acted meanwhile. The error is why the command must not run.
    pub(crate) fn confirm(&self, act: &Act) -> Result<(), Refusal> {
        let (Some(lease), Some(shared)) = (&act.lease, self.usable()) else { return Ok(()) };
        let refused =
            |why: String| Refusal::not_done(format!("{why}. The command did not run: check what is live"));
        match shared.confirm(lease.fence()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(present)) => {
                Err(refused(trouble_of(&self.identity, &Trouble::Lost(present.map(Box::new)))))
            }
            // By the clock of this machine nobody can have taken it over.
            Err(_) if lease.is_certain() => Ok(()),
            Err(error) => Err(refused(trouble_of(&self.identity, &Trouble::NotRenewed(error)))),
        }
    }

    /// The shared ledger, unless this run goes on without it.
    fn usable(&self) -> Option<&SharedLedger> {
        self.shared.as_ref().filter(|shared| !shared.is_given_up())
    }

    /// Adds what earlier tools of this machine could not share, whatever this one does then. What fails is left to the next
    /// one; this one merges the ledger of this machine anyway.
    fn share_pending(&self, shared: &SharedLedger) {
        let pending = self.pending.all();
        if pending.is_empty() || shared.add(&pending, None).is_err() {
            return;
        }
        for entry in &pending {
            self.pending.remove(entry);
        }
    }

    /// Keeps an entry for the next tool of this machine that writes to the shared state.
    fn set_aside(&self, entry: &Entry) {
        if let Err(error) = self.pending.add(&to_value(entry)) {
            crate::report::note(&format!("the ledger entry is on this machine only: {error}"));
        }
    }

    /// Whether to act although the shared ledger cannot be used. Says so.
    fn acts_without(&self, error: &StoreError) -> bool {
        if self.may_act_without {
            self.shared.iter().for_each(SharedLedger::give_up);
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
        let is_reported = act.lease.is_some_and(HeldLease::stop);
        let is_held = self.write(&Entry::new(ts, attempt, kind), ts, fence)?;
        if !is_held && !is_reported {
            crate::report::note(&trouble_of(&self.identity, &Trouble::Lost(None)));
        }
        Ok(())
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
    /// Returns whether the lease with this fencing number was still held.
    fn write(&self, entry: &Entry, now: DateTime<Utc>, fence: Option<u64>) -> Result<bool, String> {
        let path = self.local.path();
        let written = self.local.append_entry(entry);
        let local = written.map_err(|error| format!("cannot write the ledger {}: {error}", path.display()));
        if self.shared.is_none() {
            return local.map(|()| true);
        }
        // First of all: this tool may be killed before the shared ledger has it.
        self.set_aside(entry);
        let Some(shared) = self.usable() else { return local.map(|()| true) };
        let mut entries: Vec<Value> = self
            .local
            .read(now)
            .map(|local| local.entries.iter().map(to_value).collect())
            .unwrap_or_default();
        entries.push(to_value(entry));
        let is_held = shared.add(&entries, fence).map_err(|error| {
            let place = self.place();
            format!(
                "cannot write the ledger in the shared state {place}: {error}. The next tool of this machine that can use \
                 it, such as dm-stage --flush, adds the entry"
            )
        })?;
        self.pending.remove(&to_value(entry));
        Ok(is_held)
    }

    fn unreadable_local(&self, error: &std::io::Error) -> String {
        format!("cannot read the ledger {}: {error}", self.local.path().display())
    }

    fn unreadable(&self, error: &str) -> String {
        let advice = if self.may_act_without {
            ""
        } else {
            ". To act on what this machine knows, give --act-without-state"
        };
        format!("cannot use the ledger in the shared state {}: {error}{advice}", self.place())
    }
}

fn request(context: &Context, now: DateTime<Utc>) -> LeaseRequest {
    let holder = Holder::of(&context.identity, "rollback", now);
    LeaseRequest { holder, nonce: random_hex(8), ttl_s: context.lease_ttl.as_secs(), is_renewed: true }
}

fn describe(identity: &Identity, lease: &Lease) -> String {
    lease.describe(identity.service.as_str(), identity.environment.as_str())
}

fn held(identity: &Identity, lease: &Lease, rest: Duration) -> Refusal {
    let rest = format_duration(rest);
    Refusal {
        reason: format!(
            "{}. If it is dead, its lease expires in {rest}: try again then",
            describe(identity, lease)
        ),
        exit: Exit::TryLater,
    }
}

/// What happened to the lease of this rollback.
fn trouble_of(identity: &Identity, trouble: &Trouble) -> String {
    let what = "this rollback was stopped for longer than its lease is valid, or could not renew it";
    match trouble {
        Trouble::Lost(Some(lease)) => format!("{what}, and lost it: {}", describe(identity, lease)),
        Trouble::Lost(None) => {
            format!("{what}, and lost it: another rollback or deployment may have acted meanwhile")
        }
        Trouble::NotRenewed(error) => {
            format!("{what}: another rollback or deployment may begin meanwhile ({error})")
        }
    }
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
