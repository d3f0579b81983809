//! How often rules roll back a good version, and how soon they detect a bad one, in simulated traffic.
//!
//! ```text
//! cargo run --release -p dm-rollback --example decide_sim [PART [picture.svg]]
//! ```
//!
//! The parts are watches, bursts, control, verified, clumps, flapping and compare; all by default. The seeds are fixed: the same figures each time. θ is 5 %.
#![expect(clippy::print_stdout, reason = "its output is its result")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "small counts")]
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
#![expect(clippy::float_cmp, reason = "numbers that were copied, not computed")]
#![expect(clippy::needless_range_loop, reason = "the index of a rule is its name here")]

mod kayenta;
mod limits;
mod matched;
mod picture;
mod rules;
mod tables;
mod tool;
mod traffic;

use rules::RULES;
use traffic::{FAULTY, HEALTHY, Scenario};

/// Trials per cell.
pub(crate) const TRIALS: u64 = 3000;

/// Requests per second.
pub(crate) const TRAFFIC: [f64; 4] = [0.2, 1.0, 10.0, 100.0];

/// When each rule rolled back in one scenario at one traffic: for each rule the seconds, in order.
pub(crate) struct Cell {
    pub(crate) scenario: &'static str,
    pub(crate) traffic: f64,
    pub(crate) found: Vec<Vec<u64>>,
}

impl Cell {
    /// The number of trials that a rule ended within this number of seconds.
    pub(crate) fn within(&self, rule: usize, seconds: u64) -> u64 {
        self.found[rule].iter().filter(|at| **at <= seconds).count() as u64
    }

    /// The delay that this share of all trials does not exceed; `None` if fewer are ever detected.
    fn quantile(&self, rule: usize, share: f64) -> Option<u64> {
        self.found[rule].get(((TRIALS as f64 * share).ceil() as usize).saturating_sub(1)).copied()
    }
}

fn main() {
    let part = std::env::args().nth(1);
    let is_wanted = |name: &str| part.as_deref().is_none_or(|part| part == "all" || part == name);
    let parts: [(&str, fn()); 7] = [
        ("watches", tables::watches),
        ("bursts", tables::bursts),
        ("control", tables::control),
        ("verified", tables::verified),
        ("clumps", limits::watches),
        ("flapping", limits::verified),
        ("compare", compare),
    ];
    parts.into_iter().filter(|(name, _)| is_wanted(name)).for_each(|(_, print)| print());
}

/// The tool next to others, in traffic that arrives at random.
fn compare() {
    let healthy = [300, 600].map(|length| cells(&HEALTHY, length));
    for (cells, length) in healthy.iter().zip([300, 600]) {
        println!(
            "\nFalse rollbacks in a watch of {length} s, percent of {TRIALS} trials, with Wilson's 95 % interval\n"
        );
        table(cells, |cell, rule| {
            let count = cell.within(rule, length);
            let (low, high) = wilson(count, TRIALS);
            format!("{:.1} ({low:.1}–{high:.1})", percent(count))
        });
    }
    let faulty = cells(&FAULTY, 300);
    println!(
        "\nFound within 120 s / 300 s of the watch, percent; median and 95th percentile of the time from its start\n"
    );
    table(&faulty, |cell, rule| {
        let at = |share| cell.quantile(rule, share).map_or("–".to_owned(), |at| format!("{at} s"));
        let [soon, late] = [120, 300].map(|limit| percent(cell.within(rule, limit)));
        format!("{soon:.1} / {late:.1}, {}, {}", at(0.5), at(0.95))
    });
    matched::print(&healthy[0], &faulty);
    if let Some(path) = std::env::args_os().nth(2) {
        let drawn = picture::draw(&healthy[1], &faulty);
        common::fs::atomic::write(path.as_ref(), drawn.as_bytes()).expect("the picture cannot be written");
    }
}

/// The results for all items, in order, computed by two threads that take turns.
pub(crate) fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let every_second = |first: usize| items.iter().skip(first).step_by(2).map(&work).collect::<Vec<R>>();
    let (even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| every_second(1));
        (every_second(0), odd.join().expect("a simulation panicked"))
    });
    let (mut even, mut odd) = (even.into_iter(), odd.into_iter());
    (0..items.len()).filter_map(|at| if at % 2 == 0 { even.next() } else { odd.next() }).collect()
}

fn cells(scenarios: &[Scenario], length: u64) -> Vec<Cell> {
    let all = scenarios.iter().flat_map(|scenario| TRAFFIC.map(|traffic| (scenario, traffic)));
    parallel(&all.collect::<Vec<_>>(), |(scenario, traffic)| {
        let (scenario, traffic) = (*scenario, *traffic);
        let trials = traffic::trials(*scenario, traffic, length, TRIALS);
        let found = RULES.iter().map(|rule| {
            let mut found: Vec<u64> = trials.iter().filter_map(rule.decide).collect();
            found.sort_unstable();
            found
        });
        Cell { scenario: scenario.name, traffic, found: found.collect() }
    })
}

fn table(cells: &[Cell], text: impl Fn(&Cell, usize) -> String) {
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    println!("| | req/s | {} |\n|{}", names.join(" | "), " --- |".repeat(RULES.len() + 2));
    for cell in cells {
        let texts: Vec<String> = (0..RULES.len()).map(|rule| text(cell, rule)).collect();
        println!("| {} | {} | {} |", cell.scenario, cell.traffic, texts.join(" | "));
    }
}

pub(crate) fn percent(count: u64) -> f64 {
    100.0 * count as f64 / TRIALS as f64
}

/// Wilson's score interval (1927) for a proportion, in percent.
pub(crate) fn wilson(count: u64, of: u64) -> (f64, f64) {
    let (z, n) = (1.96_f64, of as f64);
    let p = count as f64 / n;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z * z / n);
    (((middle - half) * scale).max(0.0), (middle + half) * scale)
}
