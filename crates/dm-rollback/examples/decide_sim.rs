//! How often rules roll a good version back, and how soon they see a bad one, in simulated traffic.
//!
//! ```text
//! cargo run --release -p dm-rollback --example decide_sim
//! ```
//!
//! The seeds are fixed: the same figures each time. Requests arrive as a Poisson process and fail independently, at a
//! rate that changes with time; θ is 5 %. The other rules are those of their sources, not of their documentation:
//! Argo Rollouts' analysis/analysis.go, Flagger's pkg/controller/scheduler.go.
#![expect(clippy::print_stdout, reason = "its output is its result")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small counts")]

use dm_rollback::rule::Rule;

/// Trials a cell.
const TRIALS: u64 = 3000;

/// The share of errors that is allowed.
const THETA: f64 = 0.05;

/// Requests a second.
const TRAFFIC: [f64; 4] = [0.2, 1.0, 10.0, 100.0];

/// The rate of errors at a second of the watch.
type Course = fn(u64) -> f64;

const HEALTHY: [(&str, Course); 6] = [
    ("0.5 % errors", |_| 0.005),
    ("2 % errors", |_| 0.02),
    ("4.5 % errors, just below", |_| 0.045),
    ("bursts: 5 s at 20 % a minute", |second| if second % 60 < 5 { 0.2 } else { 0.01 }),
    ("start blip: 10 s at 50 %", |second| if second < 10 { 0.5 } else { 0.01 }),
    ("mid blip: 15 s at 60 %", |second| if (120..135).contains(&second) { 0.6 } else { 0.01 }),
];

const FAULTY: [(&str, Course); 6] = [
    ("100 % errors", |_| 1.0),
    ("50 % errors", |_| 0.5),
    ("30 %, from 60 s on", |second| if second < 60 { 0.005 } else { 0.3 }),
    ("20 % errors", |_| 0.2),
    ("10 % errors", |_| 0.1),
    ("7 % errors", |_| 0.07),
];

/// Requests and errors of each second.
type Seconds = [(u64, u64)];

/// When a rule rolls back, in seconds.
type Verdict = fn(&Seconds) -> Option<u64>;

const RULES: [(&str, Verdict); 5] = [
    ("naive", naive),
    ("Argo fl=0", |seconds| argo(seconds, 0)),
    ("Argo fl=3", |seconds| argo(seconds, 3)),
    ("Flagger t=5", flagger),
    ("dm-rollback", ours),
];

fn main() {
    for length in [300, 600] {
        println!(
            "\nFalse rollbacks in a watch of {length} s, percent of {TRIALS} trials, with Wilson's 95 % interval"
        );
        table(&HEALTHY, length, |found| {
            let (low, high) = wilson(found.len() as u64, TRIALS);
            format!("{:.1} ({low:.1}–{high:.1})", percent(found.len() as u64))
        });
    }
    println!("\nDetected within 120 s / 300 s of the watch, percent; median delay from its start");
    table(&FAULTY, 300, |found| {
        let within = |limit| percent(found.iter().filter(|second| **second <= limit).count() as u64);
        let median = found.get(found.len() / 2).map_or("–".to_owned(), |second| format!("{second} s"));
        format!("{:.0} / {:.0}, {median}", within(120), within(300))
    });
}

fn table(scenarios: &[(&str, Course)], length: u64, cell: impl Fn(&[u64]) -> String) {
    print!("| {:<29}| req/s |", "");
    for (name, _) in RULES {
        print!(" {name:<17}|");
    }
    println!("\n|{}|", ["---"; 7].join("|"));
    for (name, course) in scenarios {
        for traffic in TRAFFIC {
            let trials: Vec<_> = (0..TRIALS).map(|seed| simulate(*course, traffic, length, seed)).collect();
            print!("| {name:<29}| {traffic:<5} |");
            for (_, rule) in &RULES {
                let mut found: Vec<u64> = trials.iter().filter_map(|seconds| rule(seconds)).collect();
                found.sort_unstable();
                print!(" {:<17}|", cell(&found));
            }
            println!();
        }
    }
}

fn simulate(course: Course, traffic: f64, length: u64, seed: u64) -> Vec<(u64, u64)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let second = |second| {
        let requests = poisson(traffic, &mut random);
        let errors = (0..requests).filter(|_| random.f64() < course(second)).count() as u64;
        (requests, errors)
    };
    (0..length).map(second).collect()
}

/// Knuth's method (The Art of Computer Programming, 3.4.1).
fn poisson(mean: f64, random: &mut fastrand::Rng) -> u64 {
    let limit = (-mean).exp();
    let mut product = random.f64();
    let mut count = 0;
    while product > limit {
        product *= random.f64();
        count += 1;
    }
    count
}

/// The share of errors in the last minute, where there was a request.
fn last_minute(seconds: &Seconds, now: u64) -> Option<f64> {
    let now = usize::try_from(now).unwrap_or(usize::MAX).min(seconds.len());
    let minute = &seconds[now.saturating_sub(60)..now];
    let (total, errors) = minute.iter().fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
    (total > 0).then(|| errors as f64 / total as f64)
}

/// More than θ in the last minute, looked at every 10 s from the first full minute on.
fn naive(seconds: &Seconds) -> Option<u64> {
    let mut looks = (60..=seconds.len() as u64).step_by(10);
    looks.find(|now| last_minute(seconds, *now).is_some_and(|rate| rate > THETA))
}

/// A measurement a minute; the one after `limit` failed ones rolls back. No data is no failure.
fn argo(seconds: &Seconds, limit: usize) -> Option<u64> {
    let mut failed = (60..=seconds.len() as u64)
        .step_by(60)
        .filter(|now| last_minute(seconds, *now).is_some_and(|rate| rate > THETA));
    failed.nth(limit)
}

/// A check a minute; five failed ones roll back at the next. No data fails.
fn flagger(seconds: &Seconds) -> Option<u64> {
    let mut failed = (60..=seconds.len() as u64)
        .step_by(60)
        .filter(|now| last_minute(seconds, *now).is_none_or(|rate| rate > THETA));
    failed.nth(4).map(|now| now + 60).filter(|now| *now <= seconds.len() as u64)
}

/// The rule of this crate, in buckets of 10 s.
fn ours(seconds: &Seconds) -> Option<u64> {
    let mut rule = Rule::new(THETA * 100.0);
    for (bucket, ten) in seconds.chunks(10).enumerate() {
        for (total, errors) in ten {
            rule.add(bucket as i64, *total, *errors);
        }
        rule.close();
        if rule.is_decisive() {
            return Some((bucket as u64 + 1) * 10);
        }
    }
    None
}

fn percent(count: u64) -> f64 {
    100.0 * count as f64 / TRIALS as f64
}

/// Wilson's score interval (1927) for a proportion, in percent.
fn wilson(count: u64, of: u64) -> (f64, f64) {
    let (z, n) = (1.96_f64, of as f64);
    let p = count as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z * z / n);
    (((middle - half) * scale).max(0.0), (middle + half) * scale)
}
