//! Stories of kills, clocks and many stages.

use chrono::TimeDelta;
use otlp::{Data, Signal};

use super::*;
use crate::testing::stage_event;

/// A state directory with a queue of metrics.
struct Machine {
    folder: tempfile::TempDir,
    queue: Queue,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Signal::Metrics).unwrap();
        Self { folder, queue }
    }

    fn store(&self, temporality: Temporality) -> MetricStore {
        MetricStore::open(self.folder.path(), temporality).unwrap()
    }

    fn happen(&self, name: &str, event: &Event) {
        let folder = PrivateDir::create(self.folder.path(), &[FOLDER, "metrics"]).unwrap();
        folder.replace_unsynced(name, &serde_json::to_vec(event).unwrap()).unwrap();
    }

    fn add(&self, store: &MetricStore, seconds: i64) -> Added {
        store.add_all(&self.queue, DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()).unwrap()
    }
}

/// The successes that are waiting to be sent, and since when they count.
fn successes(store: &MetricStore) -> Vec<(f64, i64, i64)> {
    let sets = store.unsent(100).unwrap();
    let total = |set: &MetricSet| {
        let metric = set.metrics.iter().find(|metric| metric.name == "deployment_total").unwrap();
        let Data::Counter(series) = &metric.data else { panic!("{metric:?}") };
        let success = ("status".to_owned(), "success".to_owned());
        series.iter().find(|series| series.attributes.contains(&success)).unwrap().value
    };
    sets.iter()
        .map(|(_, set)| {
            (total(set), set.start.timestamp() - 1_767_225_587, set.time.timestamp() - 1_800_000_000)
        })
        .collect()
}

fn mark_all_sent(store: &MetricStore) {
    let files: Vec<String> = store.unsent(100).unwrap().into_iter().map(|(file, _)| file).collect();
    store.mark_sent(&files);
    assert!(!store.has_unsent().unwrap());
}

#[test]
fn totals_grow_and_deltas_begin_where_the_one_before_ended() {
    let machine = Machine::new();
    let store = machine.store(Temporality::Cumulative);
    machine.happen("1", &stage_event("build"));
    machine.add(&store, 10);
    assert_eq!(successes(&store), [(1.0, 0, 10)]);
    machine.happen("2", &stage_event("build"));
    machine.add(&store, 20);
    assert_eq!(successes(&store), [(2.0, 0, 20)], "what was not sent is part of it");
    mark_all_sent(&store);

    let machine = Machine::new();
    let store = machine.store(Temporality::Delta);
    machine.happen("1", &stage_event("build"));
    machine.add(&store, 10);
    machine.happen("2", &stage_event("build"));
    machine.add(&store, 20);
    assert_eq!(successes(&store), [(1.0, 0, 10)], "it may have arrived, so it stays as it is");
    mark_all_sent(&store);
    machine.add(&store, 20);
    let ended = 1_800_000_010 - 1_767_225_587;
    assert_eq!(successes(&store), [(1.0, ended, 20)]);
    assert_eq!(machine.store(Temporality::Delta).instance().unwrap(), store.instance().unwrap());
}

#[test]
fn points_of_a_series_never_have_the_same_time() {
    let machine = Machine::new();
    let store = machine.store(Temporality::Cumulative);
    let mut times = Vec::new();
    for name in ["1", "2", "3"] {
        machine.happen(name, &stage_event("build"));
        machine.add(&store, 0);
        times.push(store.unsent(1).unwrap()[0].1.time);
    }
    assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
}

#[test]
fn a_killed_tool_counts_nothing_twice_and_loses_nothing() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let machine = Machine::new();
        let store = machine.store(temporality);
        let event = stage_event("build");
        machine.happen("1", &event);
        machine.add(&store, 10);
        // Killed before it removed the event from the queue.
        machine.happen("1", &event);
        machine.add(&store, 20);
        assert_eq!(successes(&store), [(1.0, 0, 10)], "{temporality:?}");
        mark_all_sent(&store);
        machine.add(&store, 30);
        assert!(machine.queue.is_empty().unwrap() && !store.has_unsent().unwrap(), "{temporality:?}");
        // Killed between the two files.
        let marker = StageName::of(&event).file() + UNSENT;
        store.folder.replace_unsynced(&marker, b"2026-01-01T00:00:00+00:00").unwrap();
        machine.happen("2", &stage_event("build"));
        machine.add(&store, 40);
        let total = if temporality == Temporality::Delta { 1.0 } else { 2.0 };
        let counted: Vec<f64> = successes(&store).iter().map(|(count, ..)| *count).collect();
        assert_eq!(counted, [total], "{temporality:?}");
    }
}

#[test]
fn a_deployment_after_a_failure_says_how_long_the_outage_was() {
    let machine = Machine::new();
    let store = machine.store(Temporality::Cumulative);
    let mut failed = stage_event("deployment");
    failed.status = common::event::Status::Failure;
    let mut good = stage_event("deployment");
    good.ts += TimeDelta::seconds(100);
    machine.happen("1", &failed);
    machine.happen("2", &good);
    machine.add(&store, 10);
    let set = store.unsent(1).unwrap().remove(0).1;
    let restored =
        set.metrics.iter().find(|metric| metric.name == "deployment_time_to_restore_seconds").unwrap();
    let Data::Histogram(series) = &restored.data else { panic!("{restored:?}") };
    assert!((series[0].value.sum - 112.4).abs() < 1e-6, "{series:?}");
}

#[test]
fn stages_with_long_names_are_counted_apart_and_there_are_not_endlessly_many() {
    let machine = Machine::new();
    let store = machine.store(Temporality::Cumulative);
    let mut event = stage_event(&"s".repeat(60));
    for service in ["a", "b"] {
        event.identity.service = service.repeat(128).parse().unwrap();
        event.identity.environment = "e".repeat(128).parse().unwrap();
        machine.happen(service, &event);
    }
    assert_eq!(machine.add(&store, 10).uncounted, None);
    assert_eq!(successes(&store).len(), 2);
    for number in 0..MAX_STAGES {
        store.folder.replace_unsynced(&format!("{number}"), b"").unwrap();
    }
    machine.happen("3", &stage_event("surplus"));
    assert_eq!(machine.add(&store, 20).uncounted.as_deref(), Some("surplus"));
    machine.happen("4", &event);
    assert_eq!(machine.add(&store, 30).uncounted, None);
}
