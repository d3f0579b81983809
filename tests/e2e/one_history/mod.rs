//! Runners that share nothing but the URL of their state, and are killed at any moment, leave one history: on every kind of
//! store.

mod model;
mod runner;
mod witness;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use testkit::pushgateway::Pushgateway;
use testkit::shared_store::SharedStore;
use testkit::trial;

use model::{History, check_counters, check_order};
use runner::{Ended, Role, Runner};
use witness::{Witness, intervals};

/// How many runners there are at the same time; the last number only in long trials.
const AT_ONCE: [usize; 3] = [2, 8, 32];

/// How often an attempt that found another holder is repeated.
const MAX_ATTEMPTS: usize = 20;

/// What one trial has seen.
#[derive(Debug, Default)]
struct Tally {
    writers: usize,
    kills: usize,
    retries: usize,
    acts: usize,
    events: usize,
}

#[test]
fn killed_runners_leave_one_history_in_a_folder() {
    trial_on(&SharedStore::folder());
}

#[test]
fn killed_runners_leave_one_history_in_s3() {
    trial_on(&SharedStore::s3());
}

#[test]
fn killed_runners_leave_one_history_in_azure() {
    trial_on(&SharedStore::azure());
}

#[test]
fn killed_runners_leave_one_history_in_google_cloud_storage() {
    trial_on(&SharedStore::google());
}

#[test]
fn killed_runners_leave_one_history_in_git_over_files() {
    trial_on(&SharedStore::git_file());
}

#[test]
fn killed_runners_leave_one_history_in_git_over_http() {
    trial_on(&SharedStore::git_http());
}

#[expect(clippy::print_stdout, reason = "the table of a long trial")]
fn trial_on(store: &SharedStore) {
    let (gateway, mut random, mut tally) = (Pushgateway::start(), trial::random(), Tally::default());
    let rounds = trial::rounds(0);
    // The slice of the test suite is one round of the smaller numbers: the leases of dead holders in git take a minute each.
    let sizes = match rounds {
        0 if store.url.starts_with("git") => &AT_ONCE[..1],
        0 => &AT_ONCE[..2],
        _ => &AT_ONCE[..],
    };
    for round in 0..rounds.max(1) {
        for at_once in sizes {
            one_round(store, &gateway, &format!("s{round}-{at_once}"), *at_once, &mut random, &mut tally);
        }
    }
    let Tally { writers, kills, retries, acts, events } = tally;
    println!(
        "| {} | {writers} writers | {kills} kills | {retries} retries | {acts} rollbacks | {events} events | 0 losses |",
        store.name
    );
}

/// Half as many deployments as runners: each has a deployment of its own, or a rollback beside it.
fn one_round(
    store: &SharedStore,
    gateway: &Pushgateway,
    service: &str,
    at_once: usize,
    random: &mut Rng,
    tally: &mut Tally,
) {
    let witness = Witness::new();
    let runner = |deployment: &str, number: usize, role: Role| {
        Runner::new(store, (service, deployment), (number, role), &witness.path(), &gateway.url())
    };
    mark_good(store, service);
    let started = Instant::now();
    let first = runner("d0", 0, Role::Stage);
    assert_eq!(first.run(None, true).code, Some(0));
    let span = started.elapsed().mul_f64(2.0 * f64::from(u32::try_from(at_once).unwrap()).sqrt());
    let mut runners = vec![first];
    for number in 1..=at_once {
        let role = [Role::Deployment, Role::Rollback, Role::Deployment, Role::Stage][number % 4];
        runners.push(runner(&format!("d{}", number.div_ceil(2)), number, role));
    }
    let fates: Vec<(Option<Duration>, bool)> = runners[1..]
        .iter()
        .map(|_| ((random.u8(..) < 220).then(|| span.mul_f64(random.f64())), random.bool()))
        .collect();
    let mut ended = vec![Ended { code: Some(0), killed: None, said: String::new() }];
    ended.extend(sampled(store, gateway, service, || {
        thread::scope(|scope| {
            let running: Vec<_> = runners[1..]
                .iter()
                .zip(&fates)
                .map(|(runner, (delay, whole))| scope.spawn(move || runner.run(*delay, *whole)))
                .collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        })
    }));
    tally.kills += ended.iter().filter(|ended| ended.killed.is_some()).count();
    // Whoever was killed, or found another holder, tries again on a fresh machine.
    for number in 1..=at_once {
        let Runner { role, deployment, .. } = &runners[number];
        let (role, deployment) = (*role, deployment.clone());
        if !needs_retry(&ended[number]) {
            continue;
        }
        for attempt in 0.. {
            let next = runner(&deployment, runners.len(), role);
            let result = next.run(None, true);
            let is_done = !needs_retry(&result);
            assert!(attempt < MAX_ATTEMPTS, "{service}: {deployment} never ends: {}", result.said);
            tally.retries += 1;
            runners.push(next);
            ended.push(result);
            if is_done {
                break;
            }
        }
    }
    for (runner, ended) in runners.iter().zip(&ended) {
        let expected = ended.killed.is_some() || matches!(ended.code, Some(0 | 11 | 12 | 75));
        assert!(expected, "{service}: {:?} {:?}: {ended:?}", runner.role, runner.deployment);
    }
    let lines = witness.lines();
    let killed: Vec<_> = ended.iter().map(|ended| ended.killed).collect();
    let intervals = intervals(&lines, &killed);
    tally.acts += lines.iter().filter(|line| line.what == "act").count();
    tally.writers += runners.len();
    // One more machine, which nobody kills: it pushes for all.
    let last = runner("last", runners.len(), Role::Stage);
    let whole = last.machine.tool("dm-stage").args(["deployment", "--", "true"]).status().unwrap();
    assert!(whole.success());
    runners.push(last);
    let survivors: Vec<&Runner> =
        runners.iter().filter(|runner| killed.get(runner.number).is_none_or(Option::is_none)).collect();
    History { store, service, lines, intervals }.check(&runners, &survivors);
    tally.events += check_counters(store, gateway, service);
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn needs_retry(ended: &Ended) -> bool {
    ended.killed.is_some() || ended.code == Some(75)
}

/// Runs `work`, and meanwhile checks again and again that events reach the store before the gateway.
fn sampled<T>(store: &SharedStore, gateway: &Pushgateway, service: &str, work: impl FnOnce() -> T) -> T {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                check_order(store, gateway, service);
                thread::park_timeout(Duration::from_millis(200));
            }
        });
        // Also if the work panics.
        let end = OnDrop(|| {
            is_done.store(true, Ordering::Relaxed);
            sampler.thread().unpark();
        });
        let result = work();
        drop(end);
        sampler.join().unwrap();
        result
    })
}

/// The version to roll back to.
fn mark_good(store: &SharedStore, service: &str) {
    let machine = store.machine().with("DM_SERVICE", service);
    let machine = machine.with("DM_DEPLOYMENT_ID", "good").with("DM_VERSION", "1.0");
    let output = machine.tool("dm-rollback").arg("--mark-good").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}: {}", store.name, String::from_utf8_lossy(&output.stderr));
}
