//! What must hold of a history, whoever was killed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use testkit::pushgateway::Pushgateway;
use testkit::shared_store::SharedStore;

use super::runner::Runner;
use super::witness::{Interval, Line};

/// The history of one service.
pub(super) struct History<'a> {
    pub(super) store: &'a SharedStore,
    pub(super) service: &'a str,
    pub(super) lines: Vec<Line>,
    pub(super) intervals: Vec<Interval>,
}

impl History<'_> {
    /// Checks it. `ended` are the runners that were not killed.
    pub(super) fn check(&self, all: &[Runner], ended: &[&Runner]) {
        let Self { store, service, .. } = self;
        let (ledger, events) = (store.entries(service, "ledger"), store.entries(service, "events"));
        let (entry_ids, event_ids) = (ids(&ledger), ids(&events));
        self.check_acts(&ledger);
        self.check_holders();
        for runner in ended {
            for entry in local_ledger(runner, service) {
                assert!(entry_ids.contains(text(&entry, "id")), "{service}: {entry} is lost");
            }
            for event in finished(runner) {
                assert!(event_ids.contains(text(&event, "id")), "{service}: {event} is lost");
            }
        }
        // What is in the store was on a machine first.
        let written: Vec<Value> = all.iter().flat_map(finished).collect();
        let written: BTreeSet<&str> = written.iter().map(|event| text(event, "id")).collect();
        for event in events.iter().filter(|event| event["type"] != "start") {
            assert!(written.contains(text(event, "id")), "{service}: nobody has recorded {event}");
        }
    }

    /// Every act has one intent before it, with its fencing number, and there is one of each for an attempt at a
    /// deployment. A deployment has as many attempts as it was started, and no more.
    fn check_acts(&self, ledger: &[Value]) {
        let service = self.service;
        let intents: Vec<&Value> = ledger.iter().filter(|entry| entry["type"] == "intent").collect();
        let fences: Vec<u64> = intents.iter().map(|intent| intent["fence"].as_u64().unwrap()).collect();
        assert!(fences.is_sorted_by(|one, next| one < next), "{service}: {fences:?}");
        let last = self.store.document(service)["last_fence"].as_u64().unwrap();
        assert!(fences.iter().all(|fence| *fence <= last), "{service}: {fences:?} {last}");
        let mut attempts = BTreeSet::new();
        for intent in &intents {
            let (deployment, attempt) = (text(intent, "deployment"), intent["attempt"].as_u64().unwrap_or(1));
            assert!(attempts.insert((deployment, attempt)), "{service}: two intents: {intents:#?}");
            let is_start = |line: &&Line| line.what == "deployment" && line.deployment == deployment;
            let starts = self.lines.iter().filter(is_start).count() as u64;
            assert!(attempt <= starts.max(1), "{service}: {intent}, after {starts} starts");
        }
        let by_fence: BTreeMap<u64, &Value> = fences.iter().copied().zip(intents.iter().copied()).collect();
        let mut acted = BTreeSet::new();
        for act in self.lines.iter().filter(|line| line.what == "act") {
            assert!(acted.insert(act.fence), "{service}: two acts for one intent: {act:?}");
            let intent =
                by_fence.get(&act.fence).unwrap_or_else(|| panic!("{service}: no intent for {act:?}"));
            assert_eq!(text(intent, "deployment"), act.deployment, "{service}: {act:?}");
            assert!(nanoseconds(intent) <= act.at, "{service}: {act:?} before {intent}");
        }
    }

    /// There is one holder at a time. A rollback may be inside its own deployment.
    fn check_holders(&self) {
        for (index, one) in self.intervals.iter().enumerate() {
            for other in &self.intervals[..index] {
                let is_inside = one.deployment == other.deployment && one.what != other.what;
                let overlap = one.from < other.to && other.from < one.to;
                assert!(is_inside || !overlap, "{}: two holders: {one:#?} {other:#?}", self.service);
            }
        }
    }
}

/// Checks that the gateway shows what is in the store, once everything has been pushed.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
pub(super) fn check_counters(store: &SharedStore, gateway: &Pushgateway, service: &str) -> usize {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in store.entries(service, "events").iter().filter(|event| event["type"] == "stage") {
        let labels = (text(event, "stage").to_owned(), text(event, "status").to_owned());
        *counts.entry(labels).or_default() += 1;
    }
    for ((stage, status), count) in &counts {
        let labels = [("service", service), ("stage", stage), ("status", status)];
        let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
        let shown = gateway.value("deployment_total", &labels.each_ref().map(String::as_str));
        assert_eq!(shown, *count as f64, "{} {labels:?}", store.name);
    }
    counts.values().sum()
}

/// Checks, while others write, that the gateway shows no event that is not in the store.
pub(super) fn check_order(store: &SharedStore, gateway: &Pushgateway, service: &str) {
    let labels = [format!("service=\"{service}\""), "stage=\"build\"".to_owned()];
    let series = gateway.series("deployment_total", &labels.each_ref().map(String::as_str));
    let shown: f64 = series.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
    let events = store.entries(service, "events");
    let stored = events.iter().filter(|event| event["stage"] == "build" && event["type"] == "stage").count();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let is_covered = shown <= stored as f64;
    assert!(is_covered, "{service}: the gateway shows {shown}, the store has {stored}");
}

fn ids(entries: &[Value]) -> BTreeSet<&str> {
    let ids: BTreeSet<&str> = entries.iter().map(|entry| text(entry, "id")).collect();
    assert_eq!(ids.len(), entries.len(), "an entry is there twice");
    ids
}

fn local_ledger(runner: &Runner, service: &str) -> Vec<Value> {
    let path = format!("state/rollback/production/{service}.jsonl");
    let text = std::fs::read_to_string(runner.machine.folder().join(path)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events that a machine has recorded; the last line of a killed one may be incomplete.
fn finished(runner: &Runner) -> Vec<Value> {
    let path = runner.machine.folder().join("state/journal.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["type"] != "start").collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

fn nanoseconds(entry: &Value) -> u128 {
    let at: DateTime<Utc> = text(entry, "ts").parse().unwrap();
    u128::try_from(at.timestamp_nanos_opt().unwrap()).unwrap()
}
