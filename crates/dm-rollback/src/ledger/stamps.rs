//! The times in a ledger, if a clock was wrong when an entry was written. Entries are appended, so their order is right
//! whatever their stamps say. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::ledger::entry::Entry;

/// The difference between two clocks that is no reason to doubt a stamp.
pub(crate) const TOLERANCE: TimeDelta = TimeDelta::minutes(1);

/// Entries that were written longer ago have no effect on a safeguard.
const RELEVANT: TimeDelta = TimeDelta::hours(24);

/// A time in messages: `2026-01-31 12:00:00Z`.
pub(crate) fn display_time(ts: DateTime<Utc>) -> String {
    ts.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Corrects the stamps that contradict the clock or the order of the entries: those in the future, and those before an
/// earlier entry. Such an entry gets the latest time at which it can have been written, so that no cool-down ends too
/// early: that of the next entry, or `written`, when the file was last changed. Returns a sentence about each of them
/// that may have an effect.
pub(super) fn correct(entries: &mut [Entry], written: DateTime<Utc>, now: DateTime<Utc>) -> Vec<String> {
    let mut latest = DateTime::<Utc>::MIN_UTC;
    let wrong: Vec<Option<&str>> = entries
        .iter()
        .map(|entry| {
            if entry.ts > now + TOLERANCE {
                return Some("in the future");
            }
            let is_early = entry.ts < latest.checked_sub_signed(TOLERANCE).unwrap_or(latest);
            latest = latest.max(entry.ts);
            is_early.then_some("earlier than the entry before it")
        })
        .collect();
    let mut bound = written.min(now);
    let mut notes = Vec::new();
    for (entry, wrong) in entries.iter_mut().zip(wrong).rev() {
        let Some(wrong) = wrong else {
            bound = bound.min(entry.ts);
            continue;
        };
        let stamp = std::mem::replace(&mut entry.ts, bound);
        if now - bound < RELEVANT {
            notes.push(format!(
                "the ledger's entry about deployment {} is stamped {}, which is {wrong}: a clock was wrong; it counts \
                 as written at {}",
                entry.deployment,
                display_time(stamp),
                display_time(bound)
            ));
        }
    }
    notes.truncate(1);
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Attempt;
    use crate::ledger::tests::{good, label};

    /// The stamps after correction, in minutes, and the number of sentences. It is minute 1000.
    fn corrected(stamps: &[i64], written: i64) -> (Vec<i64>, usize) {
        let at = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let entry = |minute: &i64| Entry::new(at(*minute), &Attempt::first(label("d")), good("1"));
        let mut entries: Vec<Entry> = stamps.iter().map(entry).collect();
        let notes = correct(&mut entries, at(written), at(1000));
        (entries.iter().map(|entry| entry.ts.timestamp() / 60).collect(), notes.len())
    }

    #[test]
    fn stamps_in_order_are_left_alone() {
        assert_eq!(corrected(&[1, 2, 2, 1000], 1000), (vec![1, 2, 2, 1000], 0));
        // The file was copied, or restored from a cache, or is older than its entries say.
        assert_eq!(corrected(&[1, 2], 999), (vec![1, 2], 0));
        assert_eq!(corrected(&[1, 900], 3), (vec![1, 900], 0));
    }

    #[test]
    fn a_stamp_from_the_future_is_no_later_than_what_follows() {
        assert_eq!(corrected(&[1, 500_000, 990], 995), (vec![1, 990, 990], 1));
        assert_eq!(corrected(&[1, 500_000], 995), (vec![1, 995], 1));
        assert_eq!(corrected(&[1, 500_000], 500_000), (vec![1, 1000], 1));
    }

    #[test]
    fn a_stamp_of_a_clock_that_was_set_back_is_as_late_as_it_can_be() {
        assert_eq!(corrected(&[990, 600], 995), (vec![990, 995], 1));
        assert_eq!(corrected(&[990, 600, 996], 999), (vec![990, 996, 996], 1));
    }
}
