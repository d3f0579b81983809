//! Several processes: this test binary starts itself.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use common::env;
use common::runtime::block_on;

use super::repository::{Repository, increment, key, open, read};

const URL: &str = "DM_TEST_GIT_URL";
const CACHE: &str = "DM_TEST_GIT_CACHE";
const KEY: &str = "DM_TEST_GIT_KEY";
const COUNT: &str = "DM_TEST_GIT_COUNT";

/// A process that increments; does nothing in the test run itself. Prints each number, and the conflicts before it.
#[test]
fn worker() {
    let Some(url) = env::system(URL) else { return };
    let [cache, service, count] = [CACHE, KEY, COUNT].map(|name| env::system(name).unwrap());
    let backend = open(&url, Path::new(&cache));
    block_on(async {
        for _ in 0..count.parse().unwrap() {
            let (number, conflicts) = increment(&backend, &key(&service)).await.unwrap();
            println!("\nworker {number} {conflicts}");
        }
    })
    .unwrap();
}

/// Starts a worker.
pub(super) fn start(url: &str, cache: &Path, service: &str, count: u32) -> Child {
    command(url, cache, service, count).spawn().unwrap()
}

pub(super) fn command(url: &str, cache: &Path, service: &str, count: u32) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "backend::git::tests::workers::worker", "--nocapture"])
        .env(URL, url)
        .env(CACHE, cache)
        .env(KEY, service)
        .env(COUNT, count.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Waits for the end; returns the numbers and the conflicts that the worker printed.
pub(super) fn finish(mut child: Child) -> (bool, Vec<(u64, u32)>) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let numbers = lines
        .filter_map(|line| {
            let (number, conflicts) = line.strip_prefix("worker ")?.split_once(' ')?;
            Some((number.parse().unwrap(), conflicts.parse().unwrap()))
        })
        .collect();
    (child.wait().unwrap().success(), numbers)
}

fn count_to_40(cache_of: impl Fn(u32) -> String) {
    let repository = Repository::new();
    let children: Vec<_> =
        (0..8).map(|number| start(&repository.url(), &repository.cache(&cache_of(number)), "a", 5)).collect();
    let mut numbers = Vec::new();
    for child in children {
        let (is_success, printed) = finish(child);
        assert!(is_success);
        numbers.extend(printed);
    }
    println!("conflicts: {}", numbers.iter().map(|(_, conflicts)| conflicts).sum::<u32>());
    numbers.sort_unstable();
    assert!(numbers.iter().map(|(number, _)| *number).eq(1..=40), "{numbers:?}");
    assert_eq!(repository.commits(), 40);
}

#[test]
fn eight_machines_count_to_40_and_lose_nothing() {
    count_to_40(|number| format!("cache{number}"));
}

#[test]
fn eight_processes_of_one_machine_count_to_40_and_lose_nothing() {
    count_to_40(|_| "cache".to_owned());
}

#[test]
fn two_services_do_not_conflict() {
    let repository = Repository::new();
    let children =
        ["a", "b"].map(|service| start(&repository.url(), &repository.cache(service), service, 10));
    for child in children {
        let (is_success, numbers) = finish(child);
        assert!(is_success);
        assert!(numbers.into_iter().eq((1..=10).map(|number| (number, 0))));
    }
    assert_eq!(repository.commits(), 20);
}

#[test]
fn a_writer_that_is_killed_leaves_a_usable_store_and_clone() {
    let repository = Repository::new();
    let mut random = fastrand::Rng::with_seed(1);
    let (_tick, ticks) = mpsc::channel::<()>();
    let mut last = 0;
    for _ in 0..20 {
        let mut child = start(&repository.url(), &repository.cache("cache"), "a", 1000);
        // Nobody ever ticks: this only waits.
        let _ = ticks.recv_timeout(Duration::from_millis(random.u64(20..400)));
        child.kill().unwrap();
        let acknowledged = finish(child).1.last().map_or(last, |(number, _)| *number);
        let (number, _) = block_on(read(&repository.open("cache"), &key("a"))).unwrap().unwrap();
        assert!(number >= acknowledged && number >= last, "{number} {acknowledged} {last}");
        last = number;
    }
    let (is_success, numbers) = finish(start(&repository.url(), &repository.cache("cache"), "a", 2));
    assert!(is_success && numbers.len() == 2, "{numbers:?}");
    // At most one write of each killed writer has taken effect without a response.
    assert_eq!(u64::try_from(repository.commits()).unwrap(), numbers[1].0);
    repository.git(&["fsck", "--strict", "--no-dangling"]);
}
