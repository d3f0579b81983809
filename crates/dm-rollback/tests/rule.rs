//! The decision in simulated traffic, by the evidence and the decision of the tool: few trials with fixed seeds, and wide
//! margins. `examples/decide_sim` has the whole tables.

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use common::records::Decision;
use dm_rollback::simulation::{Criteria, Evidence, Policy, Requests, decide};

const TRIALS: u64 = 100;

/// The verdicts of watches of 60 s to ten minutes, and when they were reached. A request comes every `interval`
/// milliseconds, and fails with the probability that `rate` returns for its time and the trial.
fn watches(interval: u64, rate: impl Fn(u64, u64) -> f64) -> Vec<(Decision, u64)> {
    let policy = Policy { error_rate: Some(5.0), ..Policy::default() };
    let watch = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let watch_min = Some(Duration::from_mins(1));
        let mut evidence =
            Evidence::new(Criteria { error_rate: Some(5.0), watch_min, ..Criteria::default() });
        // Where the buckets begin is random.
        let begin = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(random.i64(0..10_000));
        let mut at = 0;
        while at < 600_000 && !evidence.is_decisive() {
            let errors = u64::from(random.f64() < rate(seed, at));
            let requests = Requests { total: 1, errors, ..Requests::default() };
            evidence.count(begin + TimeDelta::milliseconds(at.cast_signed()), "requests", requests);
            at += interval;
        }
        evidence.finish();
        (decide(&policy, &evidence, DateTime::UNIX_EPOCH).verdict, at / 1000)
    };
    (0..TRIALS).map(watch).collect()
}

fn count(verdicts: &[(Decision, u64)], decision: Decision, within: u64) -> usize {
    verdicts.iter().filter(|(verdict, at)| *verdict == decision && *at <= within).count()
}

#[test]
fn a_version_within_the_limit_is_not_rolled_back_and_one_above_it_is_not_kept() {
    // At most 1 %: with a true share of 0.5 %, more than 4 of 100 have a probability of 1 in 6,000.
    for interval in [500, 5000] {
        for rate in [0.01, 0.05] {
            let wrong = count(&watches(interval, |_, _| rate), Decision::Rollback, 600);
            assert!(wrong <= 4, "{wrong} rolled back at {rate}, every {interval} ms");
        }
        for rate in [0.05, 0.1] {
            let wrong = count(&watches(interval, |_, _| rate), Decision::Keep, 600);
            assert!(wrong <= 4, "{wrong} kept at {rate}, every {interval} ms");
        }
    }
}

#[test]
fn a_bad_version_is_found_in_time() {
    let found = |rate: f64, within| count(&watches(1000, |_, _| rate), Decision::Rollback, within);
    assert_eq!(found(1.0, 61), 100);
    assert!(found(0.2, 300) >= 98);
    assert!(found(0.1, 300) >= 43, "about 59 %");
    assert!(found(0.1, 600) >= 84, "about 94 %");
}

#[test]
fn a_good_version_is_kept_in_time() {
    let kept = |interval, rate: f64, within| count(&watches(interval, |_, _| rate), Decision::Keep, within);
    assert!(kept(1000, 0.0, 130) == 100);
    assert!(kept(1000, 0.005, 300) >= 90);
    assert!(kept(500, 0.005, 120) >= 80);
    assert!(kept(200, 0.01, 180) >= 97);
}

#[test]
fn a_burst_proves_nothing_at_any_interval_and_offset() {
    for interval in [500, 2000] {
        for length in [5_000, 25_000] {
            let burst = |seed: u64, at: u64| {
                let begin = 30_000 + seed * 104_729 % 240_000;
                if (begin..begin + length).contains(&at) { 1.0 } else { 0.01 }
            };
            let wrong = count(&watches(interval, burst), Decision::Rollback, 600);
            assert!(wrong <= 2, "{wrong} with {length} ms, every {interval} ms");
        }
    }
}

#[test]
fn an_outage_near_the_end_of_a_short_watch_is_never_kept() {
    for begin in [40_000, 50_000, 55_000, 59_000] {
        let verdicts = watches(500, |_, at| if at >= begin { 1.0 } else { 0.0 });
        assert_eq!(count(&verdicts, Decision::Keep, 600), 0, "from {begin} ms on");
        assert_eq!(count(&verdicts, Decision::Rollback, begin / 1000 + 61), 100, "from {begin} ms on");
    }
}
