//! Traffic, healthy and faulty: requests arrive as a Poisson process and fail independently, at a rate that changes with
//! time.

use std::collections::HashMap;

/// Requests and errors of each second.
pub(crate) type Seconds = [(u64, u64)];

/// The rate of errors at a second of the watch.
pub(crate) type Course = fn(u64) -> f64;

/// Traffic before and after a deployment.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The rate of errors before the deployment; `None` if it is unknown.
    pub(crate) before: Option<f64>,
    pub(crate) course: Course,
}

const fn scenario(name: &'static str, before: f64, course: Course) -> Scenario {
    Scenario { name, before: Some(before), course }
}

pub(crate) const HEALTHY: [Scenario; 10] = [
    scenario("0.5 % errors", 0.005, |_| 0.005),
    scenario("2 % errors", 0.02, |_| 0.02),
    scenario("4.5 %, just below", 0.045, |_| 0.045),
    Scenario { name: "4.5 %, no baseline", before: None, course: |_| 0.045 },
    scenario("bursts: 5 s a minute at 20 %", 0.026, bursts),
    scenario("start blip: 10 s at 50 %", 0.01, |second| if second < 10 { 0.5 } else { 0.01 }),
    scenario("start blip: 25 s at 50 %", 0.01, |second| if second < 25 { 0.5 } else { 0.01 }),
    scenario("mid blip: 15 s at 60 %", 0.01, |second| if (120..135).contains(&second) { 0.6 } else { 0.01 }),
    scenario("mid blip: 25 s at 60 %", 0.01, |second| if (127..152).contains(&second) { 0.6 } else { 0.01 }),
    scenario("7 % before and after", 0.07, |_| 0.07),
];

/// Five seconds in each minute, at a place that changes from minute to minute.
fn bursts(second: u64) -> f64 {
    let begins = [3, 41, 22, 55, 12, 33, 48, 7, 28, 17][(second / 60 % 10) as usize];
    if (begins..begins + 5).contains(&(second % 60)) { 0.2 } else { 0.01 }
}

/// When the late fault begins.
pub(crate) const LATE: u64 = 60;

pub(crate) const FAULTY: [Scenario; 8] = [
    scenario("100 % errors", 0.005, |_| 1.0),
    scenario("100 %, from 67 s on", 0.005, |second| if second < 67 { 0.005 } else { 1.0 }),
    scenario("50 % errors", 0.005, |_| 0.5),
    scenario("30 % errors", 0.005, |_| 0.3),
    scenario("30 %, from 60 s on", 0.005, |second| if second < LATE { 0.005 } else { 0.3 }),
    scenario("20 % errors", 0.005, |_| 0.2),
    scenario("10 % errors", 0.005, |_| 0.1),
    scenario("7 % errors", 0.005, |_| 0.07),
];

/// One watch, and the ten minutes before it.
pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) before: Option<Vec<(u64, u64)>>,
    pub(crate) watch: Vec<(u64, u64)>,
}

/// How long it is looked before the deployment.
const BEFORE: u64 = 600;

/// `trials` watches of `length` seconds with `traffic` requests a second; the seeds are 0, 1, 2, ….
pub(crate) fn trials(scenario: Scenario, traffic: f64, length: u64, trials: u64) -> Vec<Trial> {
    let mut draws = Poisson::default();
    let mut trial = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut second = |rate: f64| {
            // A Poisson process whose points are marked is two of them.
            let errors = draws.draw(traffic * rate, &mut random);
            (errors + draws.draw(traffic * (1.0 - rate), &mut random), errors)
        };
        let before = scenario.before.map(|rate| (0..BEFORE).map(|_| second(rate)).collect());
        Trial { seed, before, watch: (0..length).map(|at| second((scenario.course)(at))).collect() }
    };
    (0..trials).map(&mut trial).collect()
}

/// The rate of errors of the trial with this seed, this number of milliseconds after the deployment.
pub(crate) type Rate<'a> = &'a (dyn Fn(u64, u64) -> f64 + Sync);

/// When requests arrive.
#[derive(Clone, Copy)]
pub(crate) enum Arrivals {
    /// One request at each interval, in milliseconds.
    Regular(u64),
}

/// `trials` watches of `length` seconds without a baseline.
pub(crate) fn watches(
    rate: Rate<'_>,
    Arrivals::Regular(interval): Arrivals,
    length: u64,
    trials: u64,
) -> Vec<Trial> {
    let trial = |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut watch = vec![(0, 0); length as usize];
        let mut at = random.u64(0..interval);
        while at < length * 1000 {
            let second: &mut (u64, u64) = &mut watch[(at / 1000) as usize];
            second.0 += 1;
            second.1 += u64::from(random.f64() < rate(seed, at));
            at += interval;
        }
        Trial { seed, before: None, watch }
    };
    (0..trials).map(trial).collect()
}

/// Poisson numbers by inversion of their distribution, which is kept for each mean.
#[derive(Default)]
struct Poisson {
    distributions: HashMap<u64, Vec<f64>>,
}

impl Poisson {
    fn draw(&mut self, mean: f64, random: &mut fastrand::Rng) -> u64 {
        let distribution = self.distributions.entry(mean.to_bits()).or_insert_with(|| distribution(mean));
        let chance = random.f64();
        distribution.partition_point(|below| *below <= chance) as u64
    }
}

/// The chance of at most 0, 1, 2, …, until it is 1 in the precision of a float.
fn distribution(mean: f64) -> Vec<f64> {
    let mut chance = (-mean).exp();
    let mut all = vec![chance];
    while chance > 1e-18 || (all.len() as f64) < mean {
        chance *= mean / all.len() as f64;
        all.push(all[all.len() - 1] + chance);
    }
    all
}
