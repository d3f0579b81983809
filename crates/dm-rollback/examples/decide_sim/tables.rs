//! What the tool promises, in tables of its own: watches that end when they are decided, bursts, a control group, and
//! verified rollbacks.

use common::records::Decision;

use crate::tool;
use crate::traffic::{self, Arrivals, Rate, Trial};
use crate::{TRIALS, percent};

/// The maximum duration of a watch in seconds.
const WATCH_MAX: u64 = 600;

/// The intervals of regular probes, in milliseconds.
const INTERVALS: [u64; 7] = [100, 200, 500, 1000, 2000, 5000, 10_000];

const RATES: [f64; 13] = [0.0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.5, 1.0];

fn count(verdicts: &[(Decision, u64)], decision: Decision, within: u64) -> f64 {
    percent(verdicts.iter().filter(|(verdict, at)| *verdict == decision && *at <= within).count() as u64)
}

fn median(verdicts: &[(Decision, u64)]) -> String {
    let decided = verdicts.iter().map(|(verdict, at)| match verdict {
        Decision::Inconclusive => u64::MAX,
        Decision::Keep | Decision::Rollback => *at,
    });
    let mut decided: Vec<u64> = decided.collect();
    decided.sort_unstable();
    match decided[decided.len() / 2] {
        u64::MAX => "–".to_owned(),
        at => format!("{at} s"),
    }
}

fn trials(rate: Rate<'_>, arrivals: Arrivals, length: u64) -> Vec<Trial> {
    traffic::watches(rate, arrivals, length, TRIALS)
}

/// `--watch 60s..10m` with regular probes.
pub(crate) fn watches() {
    println!(
        "\n`--watch 60s..10m`: kept / rolled back within 5 min; kept / rolled back within 10 min, percent; median\n"
    );
    println!("| errors |{}", INTERVALS.map(|ms| format!(" every {} s |", ms as f64 / 1000.0)).concat());
    println!("| --- |{}", " --- |".repeat(INTERVALS.len()));
    for rate in RATES {
        let cells = crate::parallel(&INTERVALS, |interval| {
            let trials = trials(&|_, _| rate, Arrivals::Regular(*interval), WATCH_MAX);
            let verdicts: Vec<_> = trials.iter().map(|trial| tool::watched(trial, 60)).collect();
            let at = |within| {
                let [keep, rollback] =
                    [Decision::Keep, Decision::Rollback].map(|decision| count(&verdicts, decision, within));
                format!("{keep:.1} / {rollback:.1}")
            };
            format!(" {}; {}; {} |", at(300), at(600), median(&verdicts))
        });
        println!("| {:.1} % |{}", rate * 100.0, cells.concat());
    }
}

/// Bursts of failures at a random time, on top of a healthy rate.
pub(crate) fn bursts() {
    println!("\nA burst in which all requests fail, at any offset: rolled back in 10 min, percent\n");
    println!(
        "| burst, other errors |{}",
        INTERVALS.map(|ms| format!(" every {} s |", ms as f64 / 1000.0)).concat()
    );
    println!("| --- |{}", " --- |".repeat(INTERVALS.len()));
    for length in [5, 10, 15, 20, 25, 29, 35, 50] {
        for other in [0.0, 0.01, 0.02, 0.04] {
            let cells = crate::parallel(&INTERVALS, |interval| {
                let rate = |seed: u64, ms: u64| {
                    let begins = 30_000 + seed * 104_729 % 240_000;
                    if (begins..begins + length * 1000).contains(&ms) { 1.0 } else { other }
                };
                let trials = trials(&rate, Arrivals::Regular(*interval), WATCH_MAX);
                let found = trials.iter().filter(|trial| tool::rolled_back(trial).is_some()).count();
                format!(" {:.1} |", percent(found as u64))
            });
            println!("| {length} s, {} % |{}", other * 100.0, cells.concat());
        }
    }
}

/// The rate of errors at a number of milliseconds after the deployment.
type Course = Box<dyn Fn(u64) -> f64 + Sync>;

/// A control group at the same time.
pub(crate) fn control() {
    let flat = |rate: f64| move |_: u64| rate;
    let outage =
        |during: f64, other: f64| move |ms: u64| if (60_000..120_000).contains(&ms) { during } else { other };
    let cases: [(&str, Course, Course); 12] = [
        ("1 % / 1 %", Box::new(flat(0.01)), Box::new(flat(0.01))),
        ("20 % / 20 %", Box::new(flat(0.2)), Box::new(flat(0.2))),
        ("4 % / 1 %, within the limit", Box::new(flat(0.04)), Box::new(flat(0.01))),
        ("outage of both, 40 % for 60 s", Box::new(outage(0.4, 0.01)), Box::new(outage(0.4, 0.01))),
        ("outage, 45 % / 35 % for 60 s", Box::new(outage(0.45, 0.01)), Box::new(outage(0.35, 0.01))),
        ("7 % / 1 %", Box::new(flat(0.07)), Box::new(flat(0.01))),
        ("10 % / 0.5 %", Box::new(flat(0.1)), Box::new(flat(0.005))),
        ("10 % / 1 %", Box::new(flat(0.1)), Box::new(flat(0.01))),
        ("10 % / 2 %", Box::new(flat(0.1)), Box::new(flat(0.02))),
        ("20 % / 2 %", Box::new(flat(0.2)), Box::new(flat(0.02))),
        ("35 % / 15 %, both bad", Box::new(flat(0.35)), Box::new(flat(0.15))),
        ("100 % / 1 %", Box::new(flat(1.0)), Box::new(flat(0.01))),
    ];
    let intervals = [200, 500, 1000];
    println!("\nWith a control group: rolled back within 300 s / 600 s, percent; kept; median\n");
    println!(
        "| new version, control |{}",
        intervals.map(|ms| format!(" every {} s |", ms as f64 / 1000.0)).concat()
    );
    println!("| --- |{}", " --- |".repeat(intervals.len()));
    for (name, new, old) in &cases {
        let cells = crate::parallel(&intervals, |interval| {
            let new = trials(&|_, ms| new(ms), Arrivals::Regular(*interval), WATCH_MAX);
            let old = traffic::watches(&|_, ms| old(ms), Arrivals::Regular(*interval), WATCH_MAX, 2 * TRIALS);
            let pairs = new.iter().zip(old.iter().skip(TRIALS as usize));
            let verdicts: Vec<_> = pairs.map(|(new, old)| tool::compared(new, &old.watch)).collect();
            let [soon, late] = [300, 600].map(|within| count(&verdicts, Decision::Rollback, within));
            let kept = count(&verdicts, Decision::Keep, 600);
            format!(" {soon:.1} / {late:.1}; {kept:.1}; {} |", median(&verdicts))
        });
        println!("| {name} |{}", cells.concat());
    }
}

/// Rollbacks that work, and some that do not.
pub(crate) fn verified() {
    println!("\nVerified within 60 s / 120 s / 180 s / 300 s at one request a second, percent\n");
    println!(
        "| fault | rolled back to 0 % | to 1 % | still the same | still half of it |\n| --- | --- | --- | --- | --- |"
    );
    for fault in [0.1, 0.15, 0.2, 0.3, 0.5, 1.0] {
        let rates = [0.0, 0.01, fault, fault / 2.0];
        let cells = crate::parallel(&rates, |after| {
            let faults = trials(&|_, _| fault, Arrivals::Regular(1000), WATCH_MAX);
            let after = traffic::watches(&|_, _| *after, Arrivals::Regular(1000), 300, 2 * TRIALS);
            let pairs = faults.iter().zip(after.iter().skip(TRIALS as usize));
            let found: Vec<u64> =
                pairs.filter_map(|(fault, after)| tool::verified(fault, &after.watch)).collect();
            let within = |limit: u64| percent(found.iter().filter(|at| **at <= limit).count() as u64);
            format!(" {:.1} / {:.1} / {:.1} / {:.1} |", within(60), within(120), within(180), within(300))
        });
        println!("| {} % |{}", fault * 100.0, cells.concat());
    }
}
