//! What can still be read from a damaged ledger. Whatever may record a rollback counts as one: it is never done twice.

use chrono::DateTime;
use common::label::Label;

use crate::ledger::attempt::Attempt;
use crate::ledger::entry::{Entry, EntryKind, Intent};

/// The rollback that an incomplete line may record. `Err` if it does not even tell the deployment; `Ok(None)` if it
/// records no rollback, or belongs to one whose intent is complete.
pub(super) fn recover(line: &str) -> Result<Option<Entry>, ()> {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
        let end = rest.find([',', '}'])?;
        Some(rest[..end].trim_matches('"'))
    };
    match field("type") {
        Some("good" | "outcome") => return Ok(None),
        None if line.contains("\"type\":\"g") || line.contains("\"type\":\"o") => return Ok(None),
        _ => {}
    }
    let deployment: Label = field("deployment").and_then(|text| text.parse().ok()).ok_or(())?;
    let ts = field("ts").and_then(|text| text.parse().ok()).unwrap_or(DateTime::UNIX_EPOCH);
    // What comes before the type is complete. Without that, any attempt may be meant.
    let number = match (field("type"), field("attempt")) {
        (Some(_), number) => number.map_or(Some(1), |text| text.parse().ok()).unwrap_or(u32::MAX),
        (None, _) => u32::MAX,
    };
    let label = |name: &str| field(name).and_then(|text| text.parse().ok());
    let attempt = Attempt {
        number,
        job: label("job"),
        job_name: label("job_name"),
        caller: label("caller"),
        deployment,
    };
    Ok(Some(Entry::new(ts, &attempt, unknown_intent())))
}

/// Adds an intent before every outcome that has none.
pub(super) fn add_lost_intents(entries: Vec<Entry>) -> Vec<Entry> {
    let mut repaired: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        let is_of_this = |other: &&Entry| {
            other.deployment == entry.deployment
                && other.attempt == entry.attempt
                && !matches!(other.kind, EntryKind::Good(_))
        };
        let before = repaired.iter().rev().find(is_of_this);
        let has_intent = before.is_some_and(|before| matches!(before.kind, EntryKind::Intent(_)));
        if matches!(entry.kind, EntryKind::Outcome { .. }) && !has_intent {
            repaired.push(Entry { kind: unknown_intent(), ..entry.clone() });
        }
        repaired.push(entry);
    }
    repaired
}

/// An intent of which nothing is known. No process has the id 0.
fn unknown_intent() -> EntryKind {
    EntryKind::Intent(Intent {
        failed: None,
        failed_release: None,
        target: None,
        target_release: None,
        fence: None,
        schema: None,
        why: None,
        pid: 0,
    })
}

/// Whether the intent was lost or cut off.
pub(crate) fn is_unknown(intent: &Intent) -> bool {
    intent.pid == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{intent, label};

    #[test]
    fn an_intent_that_is_cut_off_is_still_a_rollback_of_its_deployment() {
        let attempt = Attempt { number: 2, job: Some(label("job 7")), ..Attempt::first(label("d-2")) };
        let entry = Entry::new(DateTime::UNIX_EPOCH, &attempt, intent("2", Some("1")));
        let line = serde_json::to_string(&entry).unwrap();
        let whole_deployment = line.find("d-2").unwrap() + 5;
        for cut in 1..line.len() {
            match recover(&line[..cut]) {
                Err(()) => assert!(cut < whole_deployment, "{}", &line[..cut]),
                Ok(None) => panic!("lost: {}", &line[..cut]),
                Ok(Some(found)) => {
                    assert!(found.deployment == entry.deployment && found.attempt >= 2, "{}", &line[..cut]);
                }
            }
        }
    }
}
