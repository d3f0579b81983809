//! The counters of a document: for each group of the Pushgateway, the sum of all its events so far.
//!
//! Machines may have pushed to a group before its service had a shared state. So the first total of a group is what the
//! Pushgateway shows. As long as nobody can read it, the sum is kept under another name, and is added later.

use state_store::{Document, StoreError};

use crate::metrics::catalog;
use crate::metrics::encode::encode_text;
use crate::metrics::exposition::{Exposition, Remark};
use crate::metrics::parse::parse_all;
use crate::pushgateway::{GroupKey, Snapshot};

/// The end of the name of a sum that lacks what the Pushgateway showed before. No name of a group contains a plus sign.
const WITHOUT_BASE: &str = "+";

/// The most groups of counters in a document. Each has some 2 kB, and none ever leaves it.
const MAX_GROUPS: usize = 256;

/// What groups that are new to a document start from.
#[derive(Debug)]
pub(super) enum Base {
    /// Not known yet, and readable.
    Unread,
    /// There is a Pushgateway, but it cannot be read now.
    Unreadable,
    /// There is no Pushgateway.
    Zero,
    /// The Pushgateway shows this.
    Shown(Box<Snapshot>),
}

/// Why a document was not changed.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// First read what the Pushgateway shows.
    NeedsBase,
    /// First search the segments up to this number for what may be in them.
    NeedsSearch(u64),
    /// The store cannot be used.
    Store(StoreError),
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The totals of all groups whose base is known.
pub(super) fn groups(document: &Document) -> impl Iterator<Item = (GroupKey, &str)> {
    document
        .counters
        .iter()
        .filter_map(|(name, text)| Some((GroupKey::counters_with_file_name(name)?, text.as_str())))
}

/// Adds increments to the totals of a group.
pub(super) fn add(
    document: &mut Document,
    key: &GroupKey,
    increments: &Exposition,
    base: &Base,
) -> Result<Vec<Remark>, Obstacle> {
    let name = key.file_name();
    let unbased = name.clone() + WITHOUT_BASE;
    let is_based = document.counters.contains_key(&name);
    let is_new = !is_based && !document.counters.contains_key(&unbased);
    if is_new && document.counters.len() >= MAX_GROUPS {
        return Ok(vec![Remark::TooManyStages { stage: stage_of(key), limit: MAX_GROUPS }]);
    }
    let (name, mut totals) = match base {
        _ if is_based => {
            let totals = parse_all(&document.counters[&name]);
            (name, totals)
        }
        Base::Unread => return Err(Obstacle::NeedsBase),
        Base::Unreadable => {
            let totals = document.counters.get(&unbased).map(|text| parse_all(text)).unwrap_or_default();
            (unbased, totals)
        }
        Base::Zero | Base::Shown(_) => (name, shown(base, key)),
    };
    let refused = totals.add(increments);
    store(document, name, &totals)?;
    Ok(refused)
}

fn stage_of(key: &GroupKey) -> String {
    let stage = key.labels().find(|(name, _)| *name == "stage");
    stage.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Adds the base to the sums that lack it, if it is known now.
pub(super) fn add_bases(document: &mut Document, base: &Base) -> Result<(), Obstacle> {
    let names: Vec<String> = document
        .counters
        .keys()
        .filter_map(|name| name.strip_suffix(WITHOUT_BASE))
        .map(str::to_owned)
        .collect();
    if names.is_empty() || matches!(base, Base::Unreadable) {
        return Ok(());
    }
    if matches!(base, Base::Unread) {
        return Err(Obstacle::NeedsBase);
    }
    for name in names {
        let sum = document.counters.remove(&(name.clone() + WITHOUT_BASE)).unwrap_or_default();
        let Some(key) = GroupKey::counters_with_file_name(&name) else { continue };
        let mut totals = match document.counters.get(&name) {
            Some(text) => parse_all(text),
            None => shown(base, &key),
        };
        totals.add(&parse_all(&sum));
        store(document, name, &totals)?;
    }
    Ok(())
}

/// What the Pushgateway shows for a group, without tokens and without what is no count.
fn shown(base: &Base, key: &GroupKey) -> Exposition {
    let Base::Shown(snapshot) = base else { return Exposition::default() };
    let mut shown = snapshot.group(key).unwrap_or_default();
    shown.families.remove(catalog::RECENT.name);
    for family in shown.families.values_mut() {
        family.series.retain(|_, value| value.is_plausible());
    }
    shown
}

fn store(document: &mut Document, name: String, totals: &Exposition) -> Result<(), StoreError> {
    let damaged = |error| StoreError::Damaged(format!("the totals of {name}: {error:#}"));
    let text = encode_text(totals).map_err(damaged)?;
    document.counters.insert(name, text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_event;

    #[test]
    fn a_new_stage_is_not_counted_if_there_are_very_many_and_the_others_are() {
        let mut document = Document::default();
        let increments = parse_all("# TYPE stage_total counter\nstage_total 1\n");
        let mut count = |number: usize| {
            let stage = format!("s{number}").parse().unwrap();
            let key = GroupKey::counters(&stage_event("x").identity, &stage);
            add(&mut document, &key, &increments, &Base::Zero).unwrap()
        };
        for number in 0..MAX_GROUPS {
            assert_eq!(count(number), []);
        }
        let refused = Remark::TooManyStages { stage: format!("s{MAX_GROUPS}"), limit: MAX_GROUPS };
        assert_eq!(count(MAX_GROUPS), [refused]);
        assert_eq!(count(7), []);
        assert_eq!(document.counters.len(), MAX_GROUPS);
    }
}
