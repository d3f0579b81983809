//! Answers questions about versions from the entries of a ledger. Pure.

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::label::Label;

use crate::ledger::{Entry, EntryKind, Intent, KnownGood, Ledger};

/// The entries of a ledger, oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(pub Vec<Entry>);

/// A rollback that began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rollback<'a> {
    /// The time it began.
    pub ts: DateTime<Utc>,
    /// The deployment that was rolled back.
    pub deployment: &'a Label,
    /// The versions.
    pub intent: &'a Intent,
    /// The result and its time; `None` if the end was not recorded.
    pub outcome: Option<(DateTime<Utc>, RollbackResult)>,
}

impl History {
    /// Reads the ledger. The error is a message for the operator.
    pub(crate) fn read(ledger: &Ledger) -> Result<Self, String> {
        let path = ledger.path();
        ledger.read().map(Self).map_err(|error| format!("cannot read the ledger {}: {error}", path.display()))
    }

    /// Every rollback, newest first.
    pub(crate) fn rollbacks(&self) -> impl Iterator<Item = Rollback<'_>> {
        self.0.iter().enumerate().rev().filter_map(|(at, entry)| match &entry.kind {
            EntryKind::Intent(intent) => Some(Rollback {
                ts: entry.ts,
                deployment: &entry.deployment,
                intent,
                outcome: self.outcome(&entry.deployment, at),
            }),
            _ => None,
        })
    }

    /// The rollback of this deployment.
    pub(crate) fn rollback_of(&self, deployment: &Label) -> Option<Rollback<'_>> {
        self.rollbacks().find(|rollback| rollback.deployment == deployment)
    }

    /// The last entry that says that a version is good, unless it was rolled back after that.
    pub(crate) fn known_good(&self, version: &Label) -> Option<&KnownGood> {
        self.last_verdict(version).and_then(Result::ok)
    }

    /// When a version was rolled back, unless it proved good after that.
    pub(crate) fn rolled_back_at(&self, version: &Label) -> Option<DateTime<Utc>> {
        self.last_verdict(version).and_then(Result::err)
    }

    /// The version that proved good last, except `excluded` and those that were rolled back since.
    pub(crate) fn newest_good(&self, excluded: Option<&Label>) -> Option<&KnownGood> {
        self.goods().find(|good| Some(&good.version) != excluded && self.known_good(&good.version).is_some())
    }

    /// Whether any version except `excluded` ever proved good, even if it was rolled back later.
    pub(crate) fn has_been_good(&self, excluded: Option<&Label>) -> bool {
        self.goods().any(|good| Some(&good.version) != excluded)
    }

    /// The rollback that restored this version, unless the version proved good since.
    pub(crate) fn restored_by(&self, version: &Label) -> Option<Rollback<'_>> {
        let last = self.rollbacks().next()?;
        let proven_since = self.good_since_rollback().any(|good| good.version == *version);
        (last.intent.target.as_ref() == Some(version) && !proven_since).then_some(last)
    }

    /// When the last rollback began, unless it was verified or a version proved good since.
    pub(crate) fn last_failure(&self) -> Option<DateTime<Utc>> {
        let last = self.rollbacks().next().filter(|_| self.good_since_rollback().next().is_none())?;
        let is_verified = last.outcome.is_some_and(|(_, result)| result == RollbackResult::Verified);
        (!is_verified).then_some(last.ts)
    }

    /// The newest schema version in any entry.
    pub(crate) fn schema(&self) -> Option<&Label> {
        self.0.iter().rev().find_map(|entry| match &entry.kind {
            EntryKind::Good(good) => good.schema.as_ref(),
            EntryKind::Intent(intent) => intent.schema.as_ref(),
            EntryKind::Outcome { .. } => None,
        })
    }

    fn goods(&self) -> impl Iterator<Item = &KnownGood> {
        self.0.iter().rev().filter_map(|entry| match &entry.kind {
            EntryKind::Good(good) => Some(good),
            _ => None,
        })
    }

    /// The versions that proved good after the last rollback began.
    fn good_since_rollback(&self) -> impl Iterator<Item = &KnownGood> {
        let since = self.0.iter().rev().take_while(|entry| !matches!(entry.kind, EntryKind::Intent(_)));
        since.filter_map(|entry| match &entry.kind {
            EntryKind::Good(good) => Some(good),
            _ => None,
        })
    }

    fn last_verdict(&self, version: &Label) -> Option<Result<&KnownGood, DateTime<Utc>>> {
        self.0.iter().rev().find_map(|entry| match &entry.kind {
            EntryKind::Good(good) if good.version == *version => Some(Ok(good)),
            EntryKind::Intent(intent) if intent.failed.as_ref() == Some(version) => Some(Err(entry.ts)),
            _ => None,
        })
    }

    fn outcome(&self, deployment: &Label, from: usize) -> Option<(DateTime<Utc>, RollbackResult)> {
        self.0.iter().skip(from).filter(|entry| entry.deployment == *deployment).find_map(|entry| match entry
            .kind
        {
            EntryKind::Outcome { result } => Some((entry.ts, result)),
            _ => None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::ledger::FORMAT;
    use crate::ledger::tests::{good, intent, label};

    /// A history with one entry for each minute, deployment and kind.
    pub(crate) fn history(entries: &[(u32, &str, EntryKind)]) -> History {
        let entry = |(minute, deployment, kind): &(u32, &str, EntryKind)| Entry {
            v: FORMAT,
            ts: at(*minute),
            deployment: label(deployment),
            kind: kind.clone(),
        };
        History(entries.iter().map(entry).collect())
    }

    pub(crate) fn at(minute: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(minute.into())
    }

    #[test]
    fn the_last_entry_about_a_version_counts() {
        let history = history(&[
            (0, "d-1", good("1")),
            (1, "d-2", good("2")),
            (2, "d-3", intent("2", Some("1"))),
            (3, "d-4", good("3")),
        ]);
        assert!(history.known_good(&label("1")).is_some() && history.rolled_back_at(&label("1")).is_none());
        assert_eq!(
            (history.known_good(&label("2")), history.rolled_back_at(&label("2"))),
            (None, Some(at(2)))
        );
        assert_eq!(history.newest_good(None).unwrap().version, label("3"));
        assert_eq!(history.newest_good(Some(&label("3"))).unwrap().version, label("1"), "2 was rolled back");
        assert_eq!(history.rolled_back_at(&label("9")), None);
    }

    #[test]
    fn a_restored_version_is_remembered_until_it_proves_good_again() {
        let mut entries = vec![(0, "d-1", good("1")), (2, "d-2", intent("2", Some("1")))];
        assert_eq!(history(&entries).restored_by(&label("1")).unwrap().ts, at(2));
        assert!(history(&entries).restored_by(&label("2")).is_none());
        entries.push((3, "d-3", good("1")));
        assert!(history(&entries).restored_by(&label("1")).is_none());
    }

    #[test]
    fn an_outcome_belongs_to_the_intent_before_it() {
        let outcome = EntryKind::Outcome { result: RollbackResult::Verified };
        let history =
            history(&[(0, "d-1", intent("1", None)), (1, "d-2", intent("2", None)), (2, "d-2", outcome)]);
        assert_eq!(history.rollback_of(&label("d-1")).unwrap().outcome, None);
        let done = history.rollback_of(&label("d-2")).unwrap();
        assert_eq!(done.outcome, Some((at(2), RollbackResult::Verified)));
    }
}
