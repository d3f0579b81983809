//! What a ledger's entries say. Pure.

use chrono::{DateTime, Utc};
use common::event::RollbackResult;
use common::label::Label;

use crate::ledger::{Entry, KnownGood, Intent, EntryKind};

/// The entries of a ledger, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History(pub Vec<Entry>);

/// A rollback that was begun.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollback<'a> {
    /// When it began.
    pub ts: DateTime<Utc>,
    /// Of which deployment.
    pub deployment: &'a Label,
    /// From what to what.
    pub intent: &'a Intent,
    /// What came of it, and when; `None` for one whose end nobody recorded.
    pub outcome: Option<(DateTime<Utc>, RollbackResult)>,
}

impl History {
    /// Every rollback, newest first.
    pub fn rollbacks(&self) -> impl Iterator<Item = Rollback<'_>> {
        self.0.iter().enumerate().rev().filter_map(|(at, entry)| match &entry.what {
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
    pub fn rollback_of(&self, deployment: &Label) -> Option<Rollback<'_>> {
        self.rollbacks().find(|rollback| rollback.deployment == deployment)
    }

    /// The last good word on a version, unless a bad one came after it.
    pub fn good(&self, version: &Label) -> Option<&KnownGood> {
        self.last_word(version).and_then(Result::ok)
    }

    /// When a version was rolled back from, unless it proved good after that.
    pub fn refused(&self, version: &Label) -> Option<DateTime<Utc>> {
        self.last_word(version).and_then(Result::err)
    }

    /// The version that proved good last, of those that are not `but` and were not rolled back from since.
    pub fn newest_good(&self, but: Option<&Label>) -> Option<&KnownGood> {
        self.goods().find(|good| Some(&good.version) != but && self.good(&good.version).is_some())
    }

    /// Whether any version that is not `but` ever proved good, whatever became of it.
    pub fn had_good(&self, but: Option<&Label>) -> bool {
        self.goods().any(|good| Some(&good.version) != but)
    }

    /// The rollback that put this version live, where nothing proved it good since.
    pub fn put_back(&self, version: &Label) -> Option<Rollback<'_>> {
        let last = self.rollbacks().next()?;
        let proven_since = self.good_since_rollback().any(|good| good.version == *version);
        (last.intent.target.as_ref() == Some(version) && !proven_since).then_some(last)
    }

    /// When the last rollback began, where it is not known to have gone well, and nothing proved good since.
    pub fn failed_last(&self) -> Option<DateTime<Utc>> {
        let last = self.rollbacks().next().filter(|_| self.good_since_rollback().next().is_none())?;
        let went_well = last.outcome.is_some_and(|(_, result)| result == RollbackResult::Verified);
        (!went_well).then_some(last.ts)
    }

    /// The last schema that any entry knows.
    pub fn schema(&self) -> Option<&Label> {
        self.0.iter().rev().find_map(|entry| match &entry.what {
            EntryKind::Good(good) => good.schema.as_ref(),
            EntryKind::Intent(intent) => intent.schema.as_ref(),
            EntryKind::Outcome { .. } => None,
        })
    }

    fn goods(&self) -> impl Iterator<Item = &KnownGood> {
        self.0.iter().rev().filter_map(|entry| match &entry.what {
            EntryKind::Good(good) => Some(good),
            _ => None,
        })
    }

    /// What proved good after the last rollback was begun.
    fn good_since_rollback(&self) -> impl Iterator<Item = &KnownGood> {
        let since = self.0.iter().rev().take_while(|entry| !matches!(entry.what, EntryKind::Intent(_)));
        since.filter_map(|entry| match &entry.what {
            EntryKind::Good(good) => Some(good),
            _ => None,
        })
    }

    fn last_word(&self, version: &Label) -> Option<Result<&KnownGood, DateTime<Utc>>> {
        self.0.iter().rev().find_map(|entry| match &entry.what {
            EntryKind::Good(good) if good.version == *version => Some(Ok(good)),
            EntryKind::Intent(intent) if intent.failed.as_ref() == Some(version) => Some(Err(entry.ts)),
            _ => None,
        })
    }

    fn outcome(&self, deployment: &Label, from: usize) -> Option<(DateTime<Utc>, RollbackResult)> {
        self.0.iter().skip(from).filter(|entry| entry.deployment == *deployment).find_map(|entry| match entry
            .what
        {
            EntryKind::Outcome { result } => Some((entry.ts, result)),
            _ => None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use common::event::FORMAT;

    use super::*;
    use crate::ledger::tests::{good, intent, label};

    /// What happened in these minutes, to these deployments.
    pub(crate) fn history(entries: &[(u32, &str, EntryKind)]) -> History {
        let entry = |(minute, deployment, what): &(u32, &str, EntryKind)| Entry {
            v: FORMAT,
            ts: at(*minute),
            deployment: label(deployment),
            what: what.clone(),
        };
        History(entries.iter().map(entry).collect())
    }

    pub(crate) fn at(minute: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(minute.into())
    }

    #[test]
    fn the_last_word_on_a_version_counts() {
        let history = history(&[
            (0, "d-1", good("1")),
            (1, "d-2", good("2")),
            (2, "d-3", intent("2", Some("1"))),
            (3, "d-4", good("3")),
        ]);
        assert!(history.good(&label("1")).is_some() && history.refused(&label("1")).is_none());
        assert_eq!((history.good(&label("2")), history.refused(&label("2"))), (None, Some(at(2))));
        assert_eq!(history.newest_good(None).unwrap().version, label("3"));
        assert_eq!(history.newest_good(Some(&label("3"))).unwrap().version, label("1"), "2 is refused");
        assert_eq!(history.refused(&label("9")), None);
    }

    #[test]
    fn a_version_that_was_put_back_is_known_until_it_proves_good_again() {
        let mut entries = vec![(0, "d-1", good("1")), (2, "d-2", intent("2", Some("1")))];
        assert_eq!(history(&entries).put_back(&label("1")).unwrap().ts, at(2));
        assert!(history(&entries).put_back(&label("2")).is_none());
        entries.push((3, "d-3", good("1")));
        assert!(history(&entries).put_back(&label("1")).is_none());
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
