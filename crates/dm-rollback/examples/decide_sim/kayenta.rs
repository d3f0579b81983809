//! Kayenta's NetflixACAJudge-v1.0, on one critical metric: the share of errors, a point a minute, against the ten minutes
//! before the deployment; judged at the end of the watch. Its confidence interval is that of R's asymptotic wilcox.test
//! with Brent's root finder at a tolerance of 1e-4, whose steps matter: the function has steps of its own.

use crate::rules::share;
use crate::traffic::{Seconds, Trial};

/// The 99 % quantile of the normal distribution: an interval of 98 %.
const QUANTILE: f64 = 2.326_347_874_040_841;

/// The effect that is tolerated, as a share of the estimate.
const TOLERANCE: f64 = 0.25;

/// Rolls back if the judge returns High. Without data on one side, there is no verdict.
pub(crate) fn decide(trial: &Trial) -> Option<u64> {
    let minutes = |seconds: &Seconds| seconds.chunks(60).filter_map(share).collect();
    let control: Vec<f64> = minutes(trial.before.as_deref().unwrap_or_default());
    let canary: Vec<f64> = minutes(&trial.watch);
    is_high(canary, control).then_some(trial.watch.len() as u64)
}

fn is_high(mut canary: Vec<f64>, mut control: Vec<f64>) -> bool {
    if canary.is_empty() || control.is_empty() {
        return false;
    }
    let distinct = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    if !distinct(&canary) && !distinct(&control) {
        if canary[0] == control[0] {
            return false;
        }
        // Two constants have no ranks to compare: the judge adds noise.
        let mut random = fastrand::Rng::with_seed(0);
        for value in canary.iter_mut().chain(&mut control) {
            *value += normal(&mut random) * 1e-5 * *value;
        }
    }
    canary.sort_unstable_by(f64::total_cmp);
    control.sort_unstable_by(f64::total_cmp);
    if canary == control {
        return false;
    }
    let low = root(&canary, &control, QUANTILE);
    let estimate = root(&canary, &control, 0.0);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let ratio = mean(&canary) / mean(&control);
    let increased = !ratio.is_finite() || mean(&canary) == 0.0 || ratio >= 1.0;
    low > TOLERANCE * estimate.abs() && increased
}

/// Box and Muller 1958.
fn normal(random: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos()
}

/// The shift of x against y at which their rank statistic is at the quantile.
fn root(x: &[f64], y: &[f64], quantile: f64) -> f64 {
    let least = |values: &[f64]| values.iter().copied().fold(f64::MAX, f64::min);
    let most = |values: &[f64]| values.iter().copied().fold(f64::MIN, f64::max);
    let (low, high) = (least(x) - most(y), most(x) - least(y));
    let f = |shift: f64| wilcoxon(x, y, shift) - quantile;
    let (f_low, f_high) = (f(low), f(high));
    if f_low <= 0.0 {
        low
    } else if f_high >= 0.0 {
        high
    } else {
        brent(low, high, f_low, f_high, f)
    }
}

/// The standardised rank sum of x, shifted, against y; corrected for continuity and for ties.
fn wilcoxon(x: &[f64], y: &[f64], shift: f64) -> f64 {
    let mut all: Vec<(f64, bool)> = x.iter().map(|value| (value - shift, true)).collect();
    all.extend(y.iter().map(|value| (*value, false)));
    all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let (nx, ny) = (x.len() as f64, y.len() as f64);
    let (mut ranks, mut ties, mut done) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|one, other| one.0 == other.0) {
        let size = group.len() as f64;
        ranks += (done + f64::midpoint(size, 1.0)) * group.iter().filter(|(_, is_x)| *is_x).count() as f64;
        ties += size.powi(3) - size;
        done += size;
    }
    let d = ranks - nx * (nx + 1.0) / 2.0 - nx * ny / 2.0;
    let correction = if d == 0.0 { 0.0 } else { 0.5 * d.signum() };
    let n = nx + ny;
    let sigma = (nx * ny / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    (d - correction) / sigma
}

/// Brent 1973, Algorithms for Minimization without Derivatives, chapter 4; the steps of R's zeroin.
#[expect(clippy::many_single_char_names, reason = "the names of the book")]
fn brent(low: f64, high: f64, f_low: f64, f_high: f64, f: impl Fn(f64) -> f64) -> f64 {
    const TOLERANCE: f64 = 1e-4;
    let (mut a, mut fa, mut b, mut fb) = (low, f_low, high, f_high);
    let (mut c, mut fc) = (a, fa);
    for _ in 0..=1000 {
        let previous = b - a;
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let least = 2.0 * f64::EPSILON * b.abs() + TOLERANCE / 2.0;
        let half = (c - b) / 2.0;
        if half.abs() <= least || fb == 0.0 {
            return b;
        }
        let mut step = half;
        if previous.abs() >= least && fa.abs() > fb.abs() {
            let width = c - b;
            let (p, q) = if a == c {
                (width * (fb / fa), 1.0 - fb / fa)
            } else {
                let (q, t1, t2) = (fa / fc, fb / fc, fb / fa);
                (t2 * (width * q * (q - t1) - (b - a) * (t1 - 1.0)), (q - 1.0) * (t1 - 1.0) * (t2 - 1.0))
            };
            let (p, q) = if p > 0.0 { (p, -q) } else { (-p, q) };
            if p < 0.75 * width * q - (least * q).abs() / 2.0 && p < (previous * q / 2.0).abs() {
                step = p / q;
            }
        }
        if step.abs() < least {
            step = if step > 0.0 { least } else { -least };
        }
        (a, fa) = (b, fb);
        b += step;
        fb = f(b);
        if (fb > 0.0 && fc > 0.0) || (fb < 0.0 && fc < 0.0) {
            (c, fc) = (a, fa);
        }
    }
    b
}
