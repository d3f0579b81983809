//! The decision on streams in which some answers name their version.

use chrono::DateTime;
use common::records::{Decision, Verdict};
use proptest::prelude::*;

use super::{Policy, Standing, decide, standing};
use crate::evidence::tests::{START, end, probe_at, read, with_version};

const FIVE: Policy =
    Policy { error_rate: Some(5.0), latency: None, health_fails: false, smoke_fails: false, alert: false };

/// A request: whether it succeeded, and the version that its answer names.
type Answer = (bool, Option<&'static str>);

const NEW: Answer = (true, Some("2.0"));
const OLD: Answer = (true, Some("1.0"));
const UNNAMED: Answer = (true, None);
const FAILED: Answer = (false, None);

fn lines(answers: &[Answer]) -> Vec<String> {
    let line = |(second, (ok, version)): (usize, &Answer)| {
        let probe = probe_at(second, *ok);
        version.map_or(probe.clone(), |version| with_version(&probe, version))
    };
    answers.iter().enumerate().map(line).collect()
}

/// The verdict on a stream of these probes, one a second, and how the version proved good.
fn judged(probes: Vec<String>) -> (Verdict, Standing) {
    let count = probes.len();
    let evidence = read(&[vec![START.to_owned()], probes, vec![end(0, count)]].concat());
    let verdict = decide(&FIVE, &evidence, DateTime::UNIX_EPOCH);
    let standing = standing(&FIVE, &evidence, verdict.verdict);
    (verdict, standing)
}

fn verdict(answers: &[Answer]) -> Verdict {
    judged(lines(answers)).0
}

fn answer(answers: &[Answer]) -> Decision {
    verdict(answers).verdict
}

/// A number of requests of which every n-th, from the second on, is another.
fn mixed(count: usize, every: usize, usual: Answer, rare: Answer) -> Vec<Answer> {
    (0..count).map(|at| if at % every == 1 % every { rare } else { usual }).collect()
}

#[test]
fn answers_of_before_a_version_was_named_prove_nothing_about_it() {
    let mut answers = vec![UNNAMED; 300];
    answers.push(NEW);
    assert_eq!(answer(&answers), Decision::Inconclusive);
    answers.extend([NEW; 120]);
    let (verdict, standing) = judged(lines(&answers));
    assert_eq!((verdict.verdict, verdict.total, standing), (Decision::Keep, 121, Standing::Proven));
}

#[test]
fn a_rolling_deployment_whose_old_instances_vanish_is_kept() {
    for old in [OLD, UNNAMED] {
        let mut answers = vec![old; 20];
        answers.extend(mixed(40, 2, old, NEW));
        // Each instance that stops fails a request.
        answers.extend([FAILED, NEW, old, FAILED, NEW, NEW]);
        answers.extend([NEW; 300]);
        let (verdict, standing) = judged(lines(&answers));
        assert_eq!((verdict.verdict, standing), (Decision::Keep, Standing::Proven), "{}", verdict.why);
    }
}

#[test]
fn a_canary_is_judged_by_its_own_answers() {
    assert_eq!(answer(&mixed(3000, 10, OLD, NEW)), Decision::Keep);
    assert_eq!(answer(&mixed(3000, 10, UNNAMED, NEW)), Decision::Keep);
    assert_eq!(answer(&mixed(3000, 10, OLD, (false, Some("2.0")))), Decision::Rollback);
    // Whose failures these are is not known: neither the canary's, nor not.
    let mut answers = mixed(3000, 10, OLD, NEW);
    (0..3000).step_by(50).for_each(|at| answers[at] = FAILED);
    let verdict = verdict(&answers);
    assert_eq!(verdict.verdict, Decision::Inconclusive, "{}", verdict.why);
    assert!(verdict.why.contains("name no version, though others do"), "{}", verdict.why);
}

#[test]
fn the_version_is_needed_at_every_target() {
    let both = |names: [&str; 2]| {
        let probe = |at: usize| {
            let (target, version) = [("http://a/", names[0]), ("http://b/", names[1])][at % 2];
            with_version(&probe_at(at, true), version).replace("http://h/health", target)
        };
        judged((0..400).map(probe).collect())
    };
    let (verdict, _) = both(["2.0", "1.0"]);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert_eq!(verdict.why, "version 2.0 has not answered at http://b/: 1.0 answered 200 requests");
    assert_eq!(both(["2.0", "2.0"]).1, Standing::Proven);
}

#[test]
fn failures_without_a_version_are_no_rate_of_the_few_answers_with_one() {
    for (name, answers) in [
        ("only others answered", mixed(1000, 10, OLD, FAILED)),
        ("one stray answer of another", [vec![OLD], mixed(1000, 50, UNNAMED, FAILED)].concat()),
        ("only error pages name it", mixed(1000, 50, UNNAMED, (false, Some("2.0")))),
    ] {
        let verdict = verdict(&answers);
        assert_eq!(verdict.verdict, Decision::Inconclusive, "{name}: {}", verdict.why);
    }
    assert!(verdict(&mixed(1000, 10, OLD, FAILED)).why.starts_with("version 2.0 has not answered"));
    // Even if every answer without a name was the new version's, too many failed.
    assert_eq!(answer(&mixed(1000, 3, UNNAMED, (false, Some("2.0")))), Decision::Rollback);
}

#[test]
fn a_total_outage_is_rolled_back_whoever_answered_before() {
    for before in
        [vec![NEW; 30], vec![OLD; 30], mixed(30, 2, OLD, NEW), mixed(30, 10, OLD, NEW), vec![UNNAMED; 30]]
    {
        let verdict = verdict(&[before.clone(), vec![FAILED; 120]].concat());
        assert_eq!(verdict.verdict, Decision::Rollback, "{:?}: {}", before[..2].to_vec(), verdict.why);
    }
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(NEW), 2 => Just(OLD), 2 => Just(UNNAMED), 1 => Just(FAILED), 1 => Just((false, Some("2.0"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever gave the answers without a name, it would have been rolled back or kept, too.
    #[test]
    fn a_verdict_does_not_depend_on_who_gave_the_answers_without_a_name(
        start in prop_oneof![Just(NEW), Just(OLD)],
        answers in proptest::collection::vec(any_answer(), 60..400),
    ) {
        let answers = [vec![start], answers].concat();
        let decided = answer(&answers);
        let assigned = |unnamed_ok: Answer, failed: Answer| -> Vec<Answer> {
            let assign = |it: &Answer| match *it {
                UNNAMED => unnamed_ok,
                FAILED => failed,
                other => other,
            };
            answers.iter().map(assign).collect()
        };
        if decided == Decision::Keep {
            prop_assert_ne!(answer(&assigned(OLD, (false, Some("2.0")))), Decision::Rollback);
        }
        if decided == Decision::Rollback {
            prop_assert_ne!(answer(&assigned(NEW, (false, Some("2.0")))), Decision::Keep);
        }
    }

    #[test]
    fn a_good_version_is_never_rolled_back_for_failures_of_the_old_one(
        share in 2..8_usize, every in 3..20_usize,
    ) {
        // One answer in `share` is the new version's, and never fails. The old one fails without a name.
        let old = mixed(1200, every, OLD, FAILED);
        let answers: Vec<Answer> = old.iter().enumerate().map(|(at, old)| if at % share == 0 { NEW } else { *old }).collect();
        let failed = answers.iter().filter(|it| **it == FAILED).count();
        // In proportion, the new version has at most as many as all.
        if 100 * failed < 4 * answers.len() {
            prop_assert_ne!(answer(&answers), Decision::Rollback);
        }
    }
}
