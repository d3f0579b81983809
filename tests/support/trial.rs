//! Long trials. `cargo test` runs a fixed slice of each; `scripts/trials.sh` runs more rounds, with a seed of its own.

use std::time::Duration;

use fastrand::Rng;

/// The number of rounds: `--rounds` of `scripts/trials.sh`, or else this many.
pub fn rounds(slice: u32) -> u32 {
    number("DM_TRIAL_ROUNDS").map_or(slice, |rounds| u32::try_from(rounds).unwrap())
}

/// Random numbers: by `--seed` of `scripts/trials.sh`, or else the same in every run.
pub fn random() -> Rng {
    Rng::with_seed(number("DM_TRIAL_SEED").unwrap_or(1))
}

/// What passes for a second where a test waits for many of them: 10 ms, or a real one with `scripts/trials.sh`.
pub fn second() -> Duration {
    Duration::from_millis(number("DM_TRIAL_SECOND_MS").unwrap_or(10))
}

fn number(variable: &str) -> Option<u64> {
    let text = common::env::system(variable)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}
