//! The shared state over a folder.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use common::fs::atomic;
use common::runtime;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const LIMIT: Duration = Duration::from_mins(2);

fn open(store: &Path, machine: &Path) -> SharedState {
    let url: StoreUrl = format!("file://{}", store.display()).parse().unwrap();
    let [environment, service] = ["production", "shop"].map(|text| text.parse().unwrap());
    SharedState::open(&url, machine, &environment, &service).unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    runtime::block_on(work).unwrap()
}

async fn add(state: &mut SharedState, id: &str) {
    let event = json!({ "id": id, "text": "x".repeat(100) });
    let deadline = Instant::now() + LIMIT;
    state.update(deadline, |document| Ok::<_, StoreError>(document.add_event(event.clone()))).await.unwrap();
}

fn folders() -> [TempDir; 2] {
    [(); 2].map(|()| tempfile::tempdir().unwrap())
}

/// The ids of all events, sealed ones included.
async fn ids(state: &mut SharedState) -> Vec<String> {
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let deadline = Instant::now() + LIMIT;
    let mut ids: Vec<_> = state.read(deadline).await.unwrap().events.iter().map(id).collect();
    let collect = |segment: &Segment| {
        ids.extend(segment.events.iter().map(id));
        false
    };
    state.sealed(deadline, collect).await.unwrap();
    ids
}

#[test]
fn a_hundred_concurrent_writers_all_finish_and_none_is_lost() {
    const WRITERS: usize = 100;
    let [store, machine] = folders();
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let (store, machine) = (store.path(), machine.path());
            scope.spawn(move || {
                let machine = machine.join(number.to_string());
                run(async { add(&mut open(store, &machine), &format!("e{number}")).await });
            });
        }
    });
    let mut state = open(store.path(), machine.path());
    let ids = run(ids(&mut state));
    assert_eq!(ids.len(), WRITERS);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), WRITERS);
    assert_eq!(state.last.unwrap().document.sequence, WRITERS as u64);
}

#[test]
fn what_the_machine_remembers_saves_reading_the_document() {
    let [store, machine] = folders();
    run(async {
        add(&mut open(store.path(), machine.path()), "first").await;
        // Another process on the same machine.
        let mut second = open(store.path(), machine.path());
        let mut calls = 0;
        let change = |document: &mut Document| {
            calls += 1;
            Ok::<_, StoreError>(document.add_event(json!({ "id": "second" })))
        };
        second.catch_up();
        assert!(second.last.as_ref().is_some_and(|last| last.version.is_some() && !last.is_fresh));
        second.update(Instant::now() + LIMIT, change).await.unwrap();
        // The first conditional write succeeded.
        assert_eq!(calls, 1);
        assert_eq!(ids(&mut second).await, ["first", "second"]);
    });
}

#[test]
fn a_machine_that_remembers_an_old_document_reads_the_present_one() {
    let [store, machine] = folders();
    let other = tempfile::tempdir().unwrap();
    run(async {
        add(&mut open(store.path(), machine.path()), "a").await;
        add(&mut open(store.path(), other.path()), "b").await;
        let mut state = open(store.path(), machine.path());
        add(&mut state, "c").await;
        assert_eq!(ids(&mut state).await, ["a", "b", "c"]);
        // It is there already, which only the store can say.
        add(&mut open(store.path(), other.path()), "c").await;
        assert_eq!(ids(&mut state).await, ["a", "b", "c"]);
    });
}

#[test]
fn every_entry_stays_reachable_after_sealing() {
    const EVENTS: usize = 1000;
    let [store, machine] = folders();
    run(async {
        let mut state = open(store.path(), machine.path());
        for number in 0..EVENTS {
            add(&mut state, &format!("e{number}")).await;
        }
        let ids = ids(&mut state).await;
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), EVENTS);
        assert_eq!(ids.len(), EVENTS);
        assert!(state.last.as_ref().unwrap().document.sealed > 1);
    });
}

#[test]
fn a_document_that_is_not_written_after_its_segment_hides_and_repeats_nothing() {
    // More than a document keeps: by the number of events, and by their size.
    for (count, length, added) in [(401, 10, 60), (3, 600_000, 2)] {
        let [store, machine] = folders();
        let event = |id: String| json!({ "id": id, "text": "x".repeat(length) });
        run(async {
            let deadline = Instant::now() + LIMIT;
            let add_all = |document: &mut Document, name: &str, count: usize| {
                for number in 0..count {
                    document.add_event(event(format!("{name}{number}")));
                }
                Ok::<_, StoreError>(())
            };
            let mut state = open(store.path(), machine.path());
            state.update(deadline, |document| add_all(document, "old", count)).await.unwrap();
            // Others write between the reading and the writing of this one: its segment, and no document.
            let mut faster = 0;
            let change = |document: &mut Document| {
                faster += 1;
                if faster <= 2 {
                    thread::scope(|scope| {
                        let other = || {
                            let machine = tempfile::tempdir().unwrap();
                            let mut other = open(store.path(), machine.path());
                            let change = other.update(deadline, |document| {
                                add_all(document, &format!("other{faster}-"), 1)
                            });
                            run(change).unwrap();
                        };
                        scope.spawn(other).join().unwrap();
                    });
                }
                add_all(document, "new", added)
            };
            state.update(deadline, change).await.unwrap();
            let ids = ids(&mut state).await;
            assert_eq!(ids.len(), count + 2 + added);
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
            let segments = state.store.list("production/shop/sealed/").await.unwrap();
            assert_eq!(segments.len() as u64, state.last.as_ref().unwrap().document.sealed);
        });
    }
}

#[test]
fn a_segment_of_a_writer_that_died_is_used_by_the_next_one() {
    let [store, machine] = folders();
    run(async {
        let mut state = open(store.path(), machine.path());
        for number in 0..=400 {
            add(&mut state, &format!("e{number}")).await;
        }
        // This one dies before it writes its document.
        let segment = state.last.as_ref().unwrap().document.sealable().unwrap();
        let number = state.write_segment(0, &serde_json::to_vec(&segment).unwrap()).await.unwrap();
        let next = tempfile::tempdir().unwrap();
        add(&mut open(store.path(), next.path()), "next").await;
        let ids = ids(&mut state).await;
        assert_eq!((number, ids.len(), state.last.as_ref().unwrap().document.sealed), (0, 402, 1));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 402);
    });
}

#[test]
fn a_storm_of_conflicts_ends_at_the_deadline() {
    let [store, machine] = folders();
    run(async {
        let mut state = open(store.path(), machine.path());
        let mut rounds = 0;
        let result = state
            .update(Instant::now() + Duration::from_secs(1), |document| {
                rounds += 1;
                // Between the reading and the writing of this writer, another one is always faster.
                let text = json!({ "v": 1, "sequence": rounds, "last_fence": 0 }).to_string();
                let path = store.path().join("production/shop/state.json");
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                atomic::write(&path, text.as_bytes()).unwrap();
                Ok::<_, StoreError>(document.add_event(json!({ "id": "x" })))
            })
            .await;
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
        assert!(rounds > 3, "{rounds}");
    });
}

#[test]
fn what_a_newer_version_has_added_survives_a_change() {
    let [store, machine] = folders();
    let path = store.path().join("production/shop/state.json");
    run(async {
        let mut state = open(store.path(), machine.path());
        add(&mut state, "one").await;
        let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        text["newer"] = json!({ "a": [1, 2] });
        text["lease"] = json!({
            "holder": { "deployment": "d", "activity": "deployment", "machine": "m", "process": null,
                "since": "2026-01-01T00:00:00Z" },
            "fence": 1, "nonce": "n", "ttl_s": 60, "is_renewed": true, "newer": "x",
        });
        atomic::write(&path, text.to_string().as_bytes()).unwrap();
        add(&mut open(store.path(), machine.path()), "two").await;
    });
    let text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(text["newer"], json!({ "a": [1, 2] }));
    assert_eq!((&text["lease"]["newer"], text["events"].as_array().unwrap().len()), (&json!("x"), 2));
}

#[test]
fn an_impossible_number_is_damage_and_no_panic() {
    let [store, _] = folders();
    let path = store.path().join("production/shop/state.json");
    run(async { add(&mut open(store.path(), folders()[0].path()), "one").await });
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for name in ["sequence", "last_fence", "sealed"] {
        let mut text = good.clone();
        text[name] = json!(u64::MAX);
        atomic::write(&path, text.to_string().as_bytes()).unwrap();
        let machine = tempfile::tempdir().unwrap();
        let error = run(async {
            let mut state = open(store.path(), machine.path());
            let deadline = Instant::now() + LIMIT;
            state
                .update(deadline, |document| Ok::<_, StoreError>(document.add_event(json!({ "id": "x" }))))
                .await
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn counters_that_are_heavy_seal_nothing() {
    let mut document = Document::default();
    document.counters.insert("group".to_owned(), "x".repeat(2 * 1024 * 1024));
    document.add_event(json!({ "id": "one" }));
    document.add_event(json!({ "id": "two" }));
    assert_eq!(document.sealable(), None);
    document.add_event(json!({ "id": "heavy", "text": "x".repeat(1024 * 1024) }));
    assert_eq!(document.sealable().unwrap().events.len(), 1);
}

#[test]
fn a_store_that_hangs_is_waited_for_until_the_deadline_only() {
    let machine = tempfile::tempdir().unwrap();
    let url = format!("git+{}/state.git", testkit::fault::hanging());
    let [environment, service] = ["production", "shop"].map(|text| text.parse().unwrap());
    let mut state = SharedState::open(&url.parse().unwrap(), machine.path(), &environment, &service).unwrap();
    let error = run(async {
        let deadline = Instant::now() + Duration::from_secs(2);
        tokio::time::timeout(Duration::from_secs(20), state.read(deadline)).await.unwrap().map(drop)
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no response in time"), "{error}");
}

#[test]
fn the_last_reason_is_told_and_not_only_that_the_time_is_over() {
    let mut backoff = Backoff::until(Instant::now() + Duration::from_secs(1), Duration::ZERO);
    let error = run(async {
        backoff.wait_after(StoreError::Unavailable("connection refused".to_owned())).await?;
        backoff.within(std::future::pending::<Result<(), StoreError>>()).await
    });
    assert!(error.unwrap_err().to_string().contains("connection refused"));
}
