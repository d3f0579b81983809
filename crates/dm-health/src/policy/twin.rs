//! The policy's slow twin: obviously right, and asked the same.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Sent,
    Done(Found),
    Nothing,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    now: Duration,
    target: usize,
    what: What,
}

/// The probes of one target that have come back: when they were sent, what they found, and which input that was.
fn probes(history: &[Input], target: usize) -> Vec<(Duration, Found, usize)> {
    let mut sent = Duration::ZERO;
    let mut probes = Vec::new();
    for (at, input) in history.iter().enumerate().filter(|(_, input)| input.target == target) {
        match input.what {
            What::Sent => sent = input.now,
            What::Done(found) => probes.push((sent, found, at)),
            What::Nothing => {}
        }
    }
    probes
}

fn all_healthy(rules: &Rules, history: &[Input], targets: usize) -> bool {
    let need = rules.min_success as usize;
    (0..targets).all(|target| {
        let probes = probes(history, target);
        probes.len() >= need && probes[probes.len() - need..].iter().all(|probe| probe.1 == Found::Good)
    })
}

/// The same answer, worked out from the whole history each time. The answers before the last input were all
/// "go on".
fn slow(rules: &Rules, history: &[Input], targets: usize) -> Step {
    let last = history[history.len() - 1];
    let healthy = (1..=history.len()).find(|end| all_healthy(rules, &history[..*end], targets));
    let healthy_at = healthy.map(|end| history[end - 1].now);

    let by_deadline = healthy_at.is_some_and(|at| rules.deadline.is_none_or(|deadline| at < deadline));
    let decides = last.what != What::Sent;
    if decides && !by_deadline && rules.deadline.is_some_and(|deadline| last.now >= deadline) {
        return Step::End(Verdict::DeadlinePassed);
    }
    // No grace for what has been healthy.
    let counts = |probe: &&(Duration, Found, usize)| {
        probe.0 >= rules.grace || healthy.is_some_and(|end| probe.2 >= end)
    };
    let mut pending = false;
    for target in 0..targets {
        let probes = probes(history, target);
        let counted = || probes.iter().rev().filter(counts);
        let since_good = || probes.iter().rev().take_while(|p| p.1 != Found::Good).filter(counts);
        let failing = since_good().filter(|p| p.1 == Found::Bad).count();
        let nothing = probes.iter().rev().take_while(|p| p.1 == Found::Nothing);
        let nothing = nothing.filter(counts).count();
        if nothing >= rules.max_fail as usize {
            return Step::End(Verdict::CannotTell);
        }
        if failing >= rules.max_fail as usize {
            return Step::End(Verdict::Unhealthy);
        }
        let told = || counted().filter(|p| p.1 != Found::Nothing);
        let exceeded =
            |rate: FailRate| told().take(rate.probes).filter(|p| p.1 == Found::Bad).count() >= rate.failures;
        if rules.fail_rate.is_some_and(exceeded) {
            return Step::End(Verdict::FailsTooOften);
        }
        pending |= nothing > 0;
        pending |= failing > 0;
    }
    let count = |wanted: fn(What) -> bool| history.iter().filter(|input| wanted(input.what)).count();
    pending |= count(|what| what == What::Sent) > count(|what| matches!(what, What::Done(_)));
    match (healthy_at, rules.watch) {
        (Some(_), None) => Step::End(Verdict::Healthy),
        (Some(_), Some(_)) if healthy == Some(history.len()) => Step::WatchBegins,
        (Some(at), Some(watch)) if decides && last.now >= at + watch && !pending => {
            Step::End(Verdict::Healthy)
        }
        _ => Step::Continue,
    }
}

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn rules() -> impl Strategy<Value = Rules> {
    let limit = || proptest::option::of(ms(1..60));
    let rate =
        (1..5_usize, 0..6_usize).prop_map(|(failures, more)| FailRate { failures, probes: failures + more });
    (1..5_u32, proptest::option::of(rate), 1..4_u32, ms(0..30), limit(), limit()).prop_map(
        |(max_fail, fail_rate, min_success, grace, deadline, watch)| Rules {
            max_fail,
            fail_rate,
            min_success,
            grace,
            deadline,
            watch,
        },
    )
}

/// Steps of one clock: how long after the last, which target, and what its probe found where it has one on its way.
/// Without a target nothing happens but time.
fn steps() -> impl Strategy<Value = Vec<(Duration, Option<usize>, Found)>> {
    let found = prop_oneof![4 => Just(Found::Good), 4 => Just(Found::Bad), 1 => Just(Found::Nothing)];
    let step = (ms(0..4), proptest::option::weighted(0.8, 0..3_usize), found);
    proptest::collection::vec(step, 1..100)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_its_slow_twin_does(rules in rules(), targets in 1..=3_usize, steps in steps()) {
        let mut policy = Policy::new(rules.clone(), targets);
        let mut sent = [None; 3];
        let mut history = Vec::new();
        let mut now = Duration::ZERO;
        for (pause, target, found) in steps {
            now += pause;
            let target = target.map(|target| target % targets);
            let on_its_way = target.and_then(|target| sent[target].take());
            let (what, step) = match (target, on_its_way) {
                (Some(target), Some(sent)) => (What::Done(found), policy.probed(target, sent, now, found)),
                (Some(target), None) if policy.sends(now) => {
                    sent[target] = Some(now);
                    (What::Sent, Step::Continue)
                }
                _ => (What::Nothing, policy.passed(now)),
            };
            history.push(Input { now, target: target.unwrap_or(0), what });
            prop_assert_eq!(step, slow(&rules, &history, targets), "after {:?}", history);
            if step == Step::End(Verdict::Healthy) {
                let last = |target| probes(&history, target).last().map(|probe| probe.1);
                prop_assert!((0..targets).all(|target| last(target) == Some(Found::Good)), "{:?}", history);
            }
            if matches!(step, Step::End(_)) {
                break;
            }
        }
    }
}
