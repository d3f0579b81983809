//! Answers questions about versions from the entries of a ledger. Pure, except for reading it.

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::label::Label;

use crate::ledger::artifact::{Artifact, is_same_version};
use crate::ledger::{Contents, Entry, EntryKind, Intent, KnownGood, ServiceLedger, repair, stamps};

/// The entries of a ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// Oldest first. A release that a later good word does not name is that of the word before.
    entries: Vec<Entry>,
    /// What an operator should know about the ledger itself.
    pub notes: Vec<String>,
    /// Whether the last line is cut off so early that it is unknown what it records.
    pub is_tail_unknown: bool,
}

/// A rollback that began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rollback<'a> {
    /// The time it began.
    pub ts: DateTime<Utc>,
    /// The entry of the intent: its deployment, attempt and job.
    pub entry: &'a Entry,
    /// The versions.
    pub intent: &'a Intent,
    /// The result and its time; `None` if the end was not recorded.
    pub outcome: Option<(DateTime<Utc>, RollbackResult)>,
}

impl History {
    /// Reads the ledger. The error is a message for the operator.
    pub(crate) fn read(ledger: &ServiceLedger, now: DateTime<Utc>) -> Result<Self, String> {
        Ok(Self::new(ledger.read(now)?, now))
    }

    pub(crate) fn new(contents: Contents, now: DateTime<Utc>) -> Self {
        let Contents { entries, is_tail_unknown, written } = contents;
        let mut entries = repair::add_lost_intents(entries);
        let notes = stamps::correct(&mut entries, written.unwrap_or(now), now);
        for at in 0..entries.len() {
            complete(&mut entries, at);
        }
        Self { entries, notes, is_tail_unknown }
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.is_tail_unknown
    }

    /// Every rollback, newest first.
    pub(crate) fn rollbacks(&self) -> impl Iterator<Item = Rollback<'_>> {
        self.entries.iter().enumerate().rev().filter_map(|(at, entry)| match &entry.kind {
            EntryKind::Intent(intent) => {
                Some(Rollback { ts: entry.ts, entry, intent, outcome: self.outcome(entry, at) })
            }
            _ => None,
        })
    }

    /// The last rollback of this deployment.
    pub(crate) fn rollback_of(&self, deployment: &Label) -> Option<Rollback<'_>> {
        self.rollbacks().find(|rollback| rollback.entry.deployment == *deployment)
    }

    /// The release of this version that proved good last, except `excluded` and those that were rolled back since.
    pub(crate) fn known_good(&self, version: &Label, excluded: Option<Artifact<'_>>) -> Option<&KnownGood> {
        self.standing(excluded).find(|good| is_same_version(&good.version, version))
    }

    /// When a version was rolled back, unless one of its releases is known to be good.
    pub(crate) fn rolled_back_at(&self, version: &Label) -> Option<DateTime<Utc>> {
        if self.known_good(version, None).is_some() {
            return None;
        }
        let failed = |rollback: &Rollback<'_>| {
            rollback.intent.failed.as_ref().is_some_and(|failed| is_same_version(failed, version))
        };
        self.rollbacks().find(failed).map(|rollback| rollback.ts)
    }

    /// What proved good last, except `excluded` and what was rolled back since.
    pub(crate) fn newest_good(&self, excluded: Option<Artifact<'_>>) -> Option<&KnownGood> {
        self.standing(excluded).next()
    }

    /// Whether anything except `excluded` ever proved good, even if it was rolled back later.
    pub(crate) fn has_been_good(&self, excluded: Option<Artifact<'_>>) -> bool {
        self.goods().any(|(_, good)| is_not(good, excluded))
    }

    /// Whether any entry names this version.
    pub(crate) fn knows(&self, version: &Label) -> bool {
        let is_this = |named: &Label| is_same_version(named, version);
        self.entries.iter().any(|entry| match &entry.kind {
            EntryKind::Good(good) => is_this(&good.version),
            EntryKind::Intent(it) => it.failed.iter().chain(&it.target).any(is_this),
            EntryKind::Outcome { .. } => false,
        })
    }

    /// The versions that are known to be good, newest first.
    pub(crate) fn good_versions(&self) -> Vec<&Label> {
        let mut versions: Vec<&Label> = Vec::new();
        for good in self.standing(None) {
            if !versions.contains(&&good.version) {
                versions.push(&good.version);
            }
        }
        versions
    }

    /// The rollback that restored this version, unless the version proved good since.
    pub(crate) fn restored_by(&self, version: Artifact<'_>) -> Option<Rollback<'_>> {
        let last = self.rollbacks().next()?;
        let proven_since = self.good_since_rollback().any(|good| good.artifact().may_be(version));
        (last.intent.target().is_some_and(|target| target.may_be(version)) && !proven_since).then_some(last)
    }

    /// When the last rollback began, unless it was verified or a version proved good since.
    pub(crate) fn last_failure(&self) -> Option<DateTime<Utc>> {
        let last = self.rollbacks().next().filter(|_| self.good_since_rollback().next().is_none())?;
        let is_verified = last.outcome.is_some_and(|(_, result)| result == RollbackResult::Verified);
        (!is_verified).then_some(last.ts)
    }

    /// The newest schema version in any entry.
    pub(crate) fn schema(&self) -> Option<&Label> {
        self.entries.iter().rev().find_map(|entry| match &entry.kind {
            EntryKind::Good(good) => good.schema.as_ref(),
            EntryKind::Intent(intent) => intent.schema.as_ref(),
            EntryKind::Outcome { .. } => None,
        })
    }

    /// What proved good, newest first, with its place.
    fn goods(&self) -> impl Iterator<Item = (usize, &KnownGood)> {
        self.entries.iter().enumerate().rev().filter_map(|(at, entry)| Some((at, good_in(entry)?)))
    }

    /// What proved good and was not rolled back after that, newest first.
    fn standing(&self, excluded: Option<Artifact<'_>>) -> impl Iterator<Item = &KnownGood> {
        self.goods()
            .filter(move |(at, good)| {
                is_not(good, excluded) && !was_rolled_back(&self.entries[at + 1..], good.artifact())
            })
            .map(|(_, good)| good)
    }

    /// The versions that proved good after the last rollback began.
    fn good_since_rollback(&self) -> impl Iterator<Item = &KnownGood> {
        let since = self.entries.iter().rev().take_while(|entry| !matches!(entry.kind, EntryKind::Intent(_)));
        since.filter_map(good_in)
    }

    fn outcome(&self, intent: &Entry, at: usize) -> Option<(DateTime<Utc>, RollbackResult)> {
        let same = self.entries.iter().skip(at + 1).filter(|entry| {
            entry.deployment == intent.deployment
                && entry.attempt == intent.attempt
                && good_in(entry).is_none()
        });
        // An intent that follows has an outcome of its own.
        match same.map(|entry| (entry.ts, &entry.kind)).next()? {
            (ts, EntryKind::Outcome { result }) => Some((ts, *result)),
            _ => None,
        }
    }
}

/// Completes a good word by those before it about the same version, unless that was rolled back in between: a release
/// that it does not name is the last one that was named, and what was observed once is not merely assumed.
fn complete(entries: &mut [Entry], at: usize) {
    let (before, rest) = entries.split_at_mut(at);
    let Some(EntryKind::Good(good)) = rest.first_mut().map(|entry| &mut entry.kind) else { return };
    for (place, entry) in before.iter().enumerate().rev() {
        let Some(earlier) = good_in(entry).filter(|earlier| earlier.artifact().may_be(good.artifact()))
        else {
            continue;
        };
        if was_rolled_back(&before[place + 1..], earlier.artifact()) {
            return;
        }
        good.assumed &= earlier.assumed;
        if good.release.is_none() {
            good.release.clone_from(&earlier.release);
        }
        // The entry before is complete already.
        return;
    }
}

fn good_in(entry: &Entry) -> Option<&KnownGood> {
    match &entry.kind {
        EntryKind::Good(good) => Some(good),
        _ => None,
    }
}

fn is_not(good: &KnownGood, excluded: Option<Artifact<'_>>) -> bool {
    !excluded.is_some_and(|excluded| good.artifact().may_be(excluded))
}

fn was_rolled_back(entries: &[Entry], artifact: Artifact<'_>) -> bool {
    entries.iter().any(|entry| match &entry.kind {
        EntryKind::Intent(intent) => intent.failed().is_some_and(|failed| failed.may_be(artifact)),
        _ => false,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ledger::Attempt;
    use crate::ledger::tests::{good, intent, label};

    /// A history with one entry for each minute, deployment and kind. The clock was never wrong.
    pub(crate) fn history(entries: &[(u32, &str, EntryKind)]) -> History {
        let entry = |(minute, deployment, kind): &(u32, &str, EntryKind)| {
            Entry::new(at(*minute), &Attempt::first(label(deployment)), kind.clone())
        };
        let entries = entries.iter().map(entry).collect();
        History::new(Contents { entries, ..Contents::default() }, at(100_000))
    }

    pub(crate) fn at(minute: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(minute.into())
    }

    pub(crate) fn release(version: &str, release: Option<&str>) -> EntryKind {
        let EntryKind::Good(good) = good(version) else { unreachable!() };
        EntryKind::Good(KnownGood { release: release.map(label), ..good })
    }

    fn failed(version: &str, release: Option<&str>) -> EntryKind {
        let EntryKind::Intent(intent) = intent(version, None) else { unreachable!() };
        EntryKind::Intent(Intent { failed_release: release.map(label), ..intent })
    }

    fn newest(history: &History) -> Option<String> {
        let good = history.newest_good(None)?;
        Some(format!("{} {}", good.version, good.release.as_ref().map_or("-", Label::as_str)))
    }

    #[test]
    fn the_last_entry_about_a_version_counts() {
        let history = history(&[
            (0, "d-1", good("1")),
            (1, "d-2", good("2")),
            (2, "d-3", intent("2", Some("1"))),
            (3, "d-4", good("3")),
        ]);
        assert!(history.known_good(&label("1"), None).is_some());
        assert!(history.rolled_back_at(&label("1")).is_none());
        let two = label("2");
        assert_eq!((history.known_good(&two, None), history.rolled_back_at(&two)), (None, Some(at(2))));
        assert_eq!(history.rolled_back_at(&label("v2")), Some(at(2)));
        assert_eq!(newest(&history).unwrap(), "3 -");
        let three = label("3");
        let excluded = Some(Artifact { version: &three, release: None });
        assert_eq!(history.newest_good(excluded).unwrap().version, label("1"), "2 was rolled back");
        assert_eq!(history.rolled_back_at(&label("9")), None);
    }

    #[test]
    fn a_release_that_failed_says_nothing_about_another_of_the_same_version() {
        let mut entries = vec![(0, "d-1", release("2", Some("r5"))), (1, "d-2", failed("2", Some("r7")))];
        assert_eq!(newest(&history(&entries)).unwrap(), "2 r5");
        assert_eq!(history(&entries).rolled_back_at(&label("2")), None);
        // Without a release, the whole version failed.
        entries.push((2, "d-3", failed("2", None)));
        assert_eq!(newest(&history(&entries)), None);
        assert_eq!(history(&entries).rolled_back_at(&label("2")), Some(at(2)));
    }

    #[test]
    fn a_later_good_word_keeps_the_release_and_the_proof() {
        let EntryKind::Good(word) = good("1") else { unreachable!() };
        let assumed = EntryKind::Good(KnownGood { assumed: true, ..word });
        let entries = [(0, "d-1", release("1", Some("rs-1"))), (1, "d-1", assumed.clone())];
        let kept = history(&entries);
        assert_eq!(newest(&kept).unwrap(), "1 rs-1");
        assert!(!kept.newest_good(None).unwrap().assumed);
        // The release that failed is not the one that proved good after that.
        let entries =
            [(0, "d-1", release("1", Some("rs-1"))), (1, "d-2", failed("1", None)), (2, "d-3", assumed)];
        assert_eq!(newest(&history(&entries)).unwrap(), "1 -");
        assert!(history(&entries).newest_good(None).unwrap().assumed);
    }

    #[test]
    fn a_restored_version_is_remembered_until_it_proves_good_again() {
        let mut entries = vec![(0, "d-1", good("1")), (2, "d-2", intent("2", Some("1")))];
        let (one, two) = (label("1"), label("2"));
        let of = |version| Artifact { version, release: None };
        assert_eq!(history(&entries).restored_by(of(&one)).unwrap().ts, at(2));
        assert!(history(&entries).restored_by(of(&two)).is_none());
        entries.push((3, "d-3", good("1")));
        assert!(history(&entries).restored_by(of(&one)).is_none());
    }

    #[test]
    fn an_outcome_belongs_to_the_intent_before_it() {
        let outcome = EntryKind::Outcome { result: RollbackResult::Verified };
        let history = history(&[
            (0, "d-1", intent("1", None)),
            (1, "d-2", intent("2", None)),
            (2, "d-2", outcome.clone()),
            (3, "d-3", outcome),
        ]);
        assert_eq!(history.rollback_of(&label("d-1")).unwrap().outcome, None);
        let done = history.rollback_of(&label("d-2")).unwrap();
        assert_eq!(done.outcome, Some((at(2), RollbackResult::Verified)));
        // Its intent is lost.
        assert!(history.rollback_of(&label("d-3")).unwrap().outcome.is_some());
    }
}
