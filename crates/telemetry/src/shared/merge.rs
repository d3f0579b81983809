//! The journal of this machine and the events of a document as one journal.

use std::collections::HashSet;

use serde_json::Value;

use crate::journal::{Contents, Entry, Unreadable};

/// Adds the records that this machine's journal does not contain. Its own entries keep their order; each of the others comes
/// before the first own entry that is not older. `place` names where the records are from.
pub(super) fn merge(own: Contents, records: &[Value], place: &str) -> Contents {
    let ids: HashSet<&str> = own.entries.iter().filter_map(finished_id).collect();
    let (mut others, mut unreadable) = (Vec::new(), Vec::new());
    for (index, record) in records.iter().enumerate() {
        match Entry::from_value(record) {
            Some(entry) if finished_id(&entry).is_some_and(|id| ids.contains(id)) => {}
            Some(entry @ Entry::Started(_)) if own.entries.contains(&entry) => {}
            Some(entry) => others.push(entry),
            None => unreadable.push((index + 1, record.clone())),
        }
    }
    drop(ids);
    others.sort_by_key(Entry::ts);
    let mut others = others.into_iter().peekable();
    let mut merged = Contents::default();
    let mut own_unreadable = own.unreadable.into_iter().peekable();
    for (index, entry) in own.entries.into_iter().enumerate() {
        while let Some(line) = own_unreadable.next_if(|line| line.place <= index) {
            merged.unreadable.push(Unreadable { place: merged.entries.len(), ..line });
        }
        while let Some(other) = others.next_if(|other| other.ts() <= entry.ts()) {
            merged.entries.push(other);
        }
        merged.entries.push(entry);
    }
    for line in own_unreadable {
        merged.unreadable.push(Unreadable { place: merged.entries.len(), ..line });
    }
    merged.entries.extend(others);
    // Nobody knows what such a record says. It counts as the newest.
    for (number, value) in unreadable {
        let what = format!("entry {number} of {place}");
        merged.unreadable.push(Unreadable { place: merged.entries.len(), what, value: Some(value) });
    }
    merged
}

fn finished_id(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Finished(event) => Some(event.id.as_str()),
        Entry::Started(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use common::event::Event;

    use super::*;
    use crate::testing::stage_event;

    fn at(stage: &str, seconds: i64) -> Event {
        let mut event = stage_event(stage);
        event.ts += TimeDelta::seconds(seconds);
        event
    }

    #[test]
    fn each_event_is_there_once_in_the_order_of_time() {
        let [first, second, third, fourth] = [("build", 1), ("deploy", 2), ("migration", 3), ("rollback", 4)]
            .map(|(stage, at_s)| at(stage, at_s));
        let line = |place| Unreadable { place, what: "line 7 of j".to_owned(), value: None };
        let own = Contents {
            entries: [&first, &third].map(|event| Entry::Finished(event.clone())).into(),
            unreadable: vec![line(1), line(2)],
        };
        let mut records: Vec<Value> =
            [&third, &fourth, &second].map(|event| serde_json::to_value(event).unwrap()).into();
        // The store knows more of it than the journal.
        records[0]["failing_since_s"] = Value::from(0.0);
        records.push(serde_json::json!({"v": 2}));
        let merged = merge(own, &records, "s3://bucket");
        assert_eq!(merged.entries, [first, second, third, fourth].map(Entry::Finished));
        let places: Vec<_> = merged.unreadable.iter().map(|it| (it.place, it.what.as_str())).collect();
        let line = "line 7 of j";
        assert_eq!(places, [(1, line), (3, line), (4, "entry 4 of s3://bucket")]);
    }
}
