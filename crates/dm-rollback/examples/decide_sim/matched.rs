//! The other rules at the same rate of false rollbacks: each with its threshold raised until it rolls back at most 1 % of
//! every healthy scenario at that traffic, as this crate's rule does without.

use crate::rules::RULES;
use crate::traffic::{self, FAULTY, HEALTHY};
use crate::{Cell, TRAFFIC, TRIALS, percent};

/// The rate of false rollbacks that is allowed, as a share of the trials.
const ALLOWED: f64 = 0.01;

pub(crate) fn print(healthy: &[Cell], faulty: &[Cell]) {
    println!(
        "\nFound within 120 s / 300 s, percent, each rule with the threshold at which no healthy scenario at this"
    );
    println!("traffic is rolled back in more than 1 % of watches of 300 s\n");
    let names: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    println!("| | req/s | {} |\n|{}", names.join(" | "), " --- |".repeat(RULES.len() + 2));
    for traffic in TRAFFIC {
        let run_trials = |scenario| traffic::trials(scenario, traffic, 300, TRIALS);
        let healthy_trials = HEALTHY.map(run_trials);
        let worst = |rule: usize| {
            let cells = healthy.iter().filter(|cell| cell.traffic == traffic);
            cells.map(|cell| cell.within(rule, 300)).max().unwrap_or(0)
        };
        let thresholds: Vec<Option<f64>> = RULES
            .iter()
            .map(|rule| {
                let score = rule.score?;
                let quantile = healthy_trials.iter().map(|trials| {
                    let mut scores: Vec<f64> = trials.iter().map(|trial| score(&trial.watch)).collect();
                    scores.sort_unstable_by(f64::total_cmp);
                    scores[((1.0 - ALLOWED) * TRIALS as f64).ceil() as usize - 1]
                });
                Some(quantile.fold(0.05, f64::max))
            })
            .collect();
        let heads = thresholds.iter().enumerate().map(|(rule, threshold)| match threshold {
            Some(threshold) => format!("at {:.1} %", 100.0 * threshold),
            None => format!("as it is: false {:.1} %", percent(worst(rule))),
        });
        println!("| | {traffic} | {} |", heads.collect::<Vec<_>>().join(" | "));
        for scenario in FAULTY {
            let trials = run_trials(scenario);
            let cell = faulty.iter().find(|cell| cell.scenario == scenario.name && cell.traffic == traffic);
            let texts = RULES.iter().zip(&thresholds).enumerate().map(|(index, (rule, threshold))| {
                let found = |seconds: usize| match rule.score.zip(*threshold) {
                    Some((score, threshold)) => {
                        let found = |trial: &&traffic::Trial| score(&trial.watch[..seconds]) > threshold;
                        percent(trials.iter().filter(found).count() as u64)
                    }
                    None => cell.map_or(0.0, |cell| percent(cell.within(index, seconds as u64))),
                };
                format!("{:.1} / {:.1}", found(120), found(300))
            });
            println!("| {} | {traffic} | {} |", scenario.name, texts.collect::<Vec<_>>().join(" | "));
        }
    }
}
