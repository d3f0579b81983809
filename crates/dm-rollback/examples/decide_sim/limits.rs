//! What the tool cannot promise: faults that come and go, that begin late, or that do not fail independently.

use common::records::Decision;

use crate::tool;
use crate::traffic::{self, Arrivals, Rate};
use crate::{TRIALS, percent};

/// The maximum duration of a watch in seconds.
const WATCH_MAX: u64 = 600;

/// The intervals of regular probes, in milliseconds.
const INTERVALS: [u64; 3] = [200, 500, 1000];

/// The minimum durations of the watch, in seconds.
const WATCH_MIN: [u64; 3] = [60, 120, 300];

/// The rate of errors of a healthy version.
const HEALTHY: f64 = 0.005;

/// The rate `during` in the first `length` seconds of each `period` seconds; where the period begins depends on the trial.
fn clumps(length: u64, period: u64, during: f64) -> impl Fn(u64, u64) -> f64 {
    move |seed, ms| {
        let begins = seed * 104_729 % (period * 1000);
        if (ms + begins) % (period * 1000) < length * 1000 { during } else { 0.0 }
    }
}

/// The rate `after` from this second on.
fn from(second: u64, after: f64) -> impl Fn(u64, u64) -> f64 {
    move |_, ms| if ms < second * 1000 { HEALTHY } else { after }
}

/// Watches that end before the fault shows, or that see only its pauses.
pub(crate) fn watches() {
    let ramp = |seconds: u64| move |_: u64, ms: u64| 0.2 * ms as f64 / (seconds * 1000) as f64;
    let cases: [(&str, Rate<'_>); 10] = [
        ("5 s at 50 % each 60 s: 4 %", &clumps(5, 60, 0.5)),
        ("10 s at 50 % each 70 s: 7 %", &clumps(10, 70, 0.5)),
        ("20 s at 50 % each 100 s: 10 %", &clumps(20, 100, 0.5)),
        ("20 s at 100 % each 2 min: 17 %", &clumps(20, 120, 1.0)),
        ("60 s at 100 % each 2 min: 50 %", &clumps(60, 120, 1.0)),
        ("60 s at 100 % each 5 min: 20 %", &clumps(60, 300, 1.0)),
        ("100 % from 50 s on", &from(50, 1.0)),
        ("20 % from 67 s on", &from(67, 0.2)),
        ("100 % from 67 s on", &from(67, 1.0)),
        ("rises from 0 to 20 % in 10 min", &ramp(600)),
    ];
    println!("\nKept / rolled back in 10 min, percent; `--watch 60s..10m`, `2m..10m`, `5m..10m`\n");
    let heads = INTERVALS.map(|ms| format!(" every {} s |", ms as f64 / 1000.0));
    println!("| errors |{}\n| --- |{}", heads.concat(), " --- |".repeat(INTERVALS.len()));
    for (name, rate) in cases {
        let cells = crate::parallel(&INTERVALS, |interval| {
            let trials = traffic::watches(rate, Arrivals::Regular(*interval), WATCH_MAX, TRIALS);
            let results = WATCH_MIN.map(|watch_min| {
                let (mut kept, mut rolled_back) = (0, 0);
                for trial in &trials {
                    match tool::watched(trial, watch_min).0 {
                        Decision::Keep => kept += 1,
                        Decision::Rollback => rolled_back += 1,
                        Decision::Inconclusive => {}
                    }
                }
                format!("{:.1} / {:.1}", percent(kept), percent(rolled_back))
            });
            format!(" {} |", results.join("; "))
        });
        println!("| {name} |{}", cells.concat());
    }
}

/// Rollbacks that did not work, of faults that pause.
pub(crate) fn verified() {
    println!(
        "\nVerified within 300 s although the fault goes on, percent; it fails every request, then pauses\n"
    );
    let heads = INTERVALS.map(|ms| format!(" every {} s |", ms as f64 / 1000.0));
    println!("| fault |{}\n| --- |{}", heads.concat(), " --- |".repeat(INTERVALS.len()));
    for (length, pause) in [(60, 20), (60, 40), (60, 60), (60, 120)] {
        let cells = crate::parallel(&INTERVALS, |interval| {
            let arrivals = Arrivals::Regular(*interval);
            let faults = traffic::watches(&|_, _| 1.0, arrivals, WATCH_MAX, TRIALS);
            let rate = clumps(length, length + pause, 1.0);
            let after = traffic::watches(&rate, arrivals, 300, TRIALS);
            let pairs = faults.iter().zip(&after);
            let found = pairs.filter(|(fault, after)| tool::verified(fault, &after.watch).is_some()).count();
            format!(" {:.1} |", percent(found as u64))
        });
        println!("| {length} s, then {pause} s without an error |{}", cells.concat());
    }
}
