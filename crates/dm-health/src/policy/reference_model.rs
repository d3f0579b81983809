//! A slow reference model of the policy: obviously correct, and given the same inputs.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    Sent,
    Done(ProbeResult),
    TimePassed,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    now: Duration,
    target: usize,
    action: Action,
}

/// The finished probes of one target: the time sent, the result, and the index of the input.
fn probes(history: &[Input], target: usize) -> Vec<(Duration, ProbeResult, usize)> {
    let mut sent = Duration::ZERO;
    let mut probes = Vec::new();
    for (at, input) in history.iter().enumerate().filter(|(_, input)| input.target == target) {
        match input.action {
            Action::Sent => sent = input.now,
            Action::Done(result) => probes.push((sent, result, at)),
            Action::TimePassed => {}
        }
    }
    probes
}

fn all_healthy(rules: &PollRules, history: &[Input], targets: usize) -> bool {
    let required = rules.min_success as usize;
    (0..targets).all(|target| {
        let probes = probes(history, target);
        probes.len() >= required
            && probes[probes.len() - required..].iter().all(|probe| probe.1 == ProbeResult::Healthy)
    })
}

/// The expected step, computed from the whole history each time. All steps before the last input were
/// [`Step::Continue`] or [`Step::WatchStarts`].
fn expected_step(rules: &PollRules, history: &[Input], targets: usize) -> Step {
    let last = history[history.len() - 1];
    let healthy = (1..=history.len()).find(|end| all_healthy(rules, &history[..*end], targets));
    let healthy_at = healthy.map(|end| history[end - 1].now);

    let by_deadline = healthy_at.is_some_and(|at| rules.deadline.is_none_or(|deadline| at < deadline));
    let decides = last.action != Action::Sent;
    if decides && !by_deadline && rules.deadline.is_some_and(|deadline| last.now >= deadline) {
        return Step::Finish(Verdict::DeadlineExpired);
    }
    // There is no grace time after the service was healthy.
    let counts = |probe: &&(Duration, ProbeResult, usize)| {
        probe.0 >= rules.grace || healthy.is_some_and(|end| probe.2 >= end)
    };
    // In a watch through failures only its end proves them.
    let through = rules.through_failures.filter(|_| healthy.is_some());
    let (mut pending, mut proven) = (false, [false; 2]);
    for target in 0..targets {
        let probes = probes(history, target);
        let counted = || probes.iter().rev().filter(counts);
        let since_good = || probes.iter().rev().take_while(|p| p.1 != ProbeResult::Healthy).filter(counts);
        let has_succeeded = probes.iter().any(|probe| probe.1 == ProbeResult::Healthy);
        let failing = since_good()
            .filter(|p| p.1 == ProbeResult::Unhealthy && (has_succeeded || !rules.waits_for_success))
            .count();
        let not_probed = probes.iter().rev().take_while(|p| p.1 == ProbeResult::NotProbed);
        let not_probed = not_probed.filter(counts).count();
        let too_many = [failing, not_probed].map(|count| count >= rules.max_fail as usize);
        if through.is_none() && too_many[1] {
            return Step::Finish(Verdict::Inconclusive);
        }
        if through.is_none() && too_many[0] {
            return Step::Finish(Verdict::Unhealthy);
        }
        proven = [proven[0] || too_many[0], proven[1] || too_many[1]];
        let sent = || counted().filter(|p| p.1 != ProbeResult::NotProbed);
        let exceeded = |rate: FailRate| {
            sent().take(rate.probes).filter(|p| p.1 == ProbeResult::Unhealthy).count() >= rate.failures
        };
        if rules.fail_rate.is_some_and(exceeded) {
            return Step::Finish(Verdict::FailureRateReached);
        }
        pending |= not_probed > 0;
        pending |= failing > 0;
    }
    let count =
        |predicate: fn(Action) -> bool| history.iter().filter(|input| predicate(input.action)).count();
    let in_flight =
        count(|action| action == Action::Sent) > count(|action| matches!(action, Action::Done(_)));
    match (healthy_at, rules.watch) {
        (Some(_), None) => Step::Finish(Verdict::Healthy),
        (Some(_), Some(_)) if healthy == Some(history.len()) => Step::WatchStarts,
        (Some(at), Some(watch)) if decides && !in_flight => {
            let over = match through {
                None => !pending && last.now >= at + watch,
                Some(extension) => last.now >= end_of_watch(extension, at + watch, history, targets),
            };
            match (over, proven) {
                (false, _) => Step::Continue,
                (true, [true, _]) => Step::Finish(Verdict::UnhealthyAtEnd),
                (true, [false, true]) => Step::Finish(Verdict::Inconclusive),
                (true, [false, false]) => Step::Finish(Verdict::Healthy),
            }
        }
        _ => Step::Continue,
    }
}

/// Whether the last probe of a target was not healthy. In a watch every failure counts.
fn is_failing(history: &[Input], targets: usize) -> bool {
    (0..targets)
        .any(|target| probes(history, target).last().is_some_and(|probe| probe.1 != ProbeResult::Healthy))
}

/// The end of a watch through failures.
fn end_of_watch(extension: Extension, until: Duration, history: &[Input], targets: usize) -> Duration {
    if is_failing(history, targets) {
        return until + extension.max;
    }
    // A result is about the time since the one before it.
    let failing = |end: &usize| {
        matches!(history[end - 1].action, Action::Done(_))
            && (is_failing(&history[..*end], targets) || is_failing(&history[..end - 1], targets))
    };
    match (1..=history.len()).rev().find(failing).map(|end| history[end - 1].now) {
        Some(last) if last >= until => (last + extension.clear).min(until + extension.max),
        _ => until,
    }
}

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn rules() -> impl Strategy<Value = PollRules> {
    let limit = || proptest::option::of(ms(1..60));
    let rate =
        (1..5_usize, 0..6_usize).prop_map(|(failures, more)| FailRate { failures, probes: failures + more });
    let extension = (ms(1..10), ms(1..40)).prop_map(|(clear, max)| Extension { clear, max });
    let through = proptest::option::of(extension);
    let waits = any::<bool>();
    (1..5_u32, waits, proptest::option::of(rate), 1..4_u32, ms(0..30), limit(), limit(), through).prop_map(
        |(max_fail, waits_for_success, fail_rate, min_success, grace, deadline, watch, through_failures)| {
            PollRules {
                max_fail,
                waits_for_success,
                fail_rate,
                min_success,
                grace,
                deadline,
                watch,
                through_failures,
            }
        },
    )
}

/// A sequence of inputs: the time since the last one, the target, and the result of its probe if one is in flight.
/// Without a target only time passes.
fn steps() -> impl Strategy<Value = Vec<(Duration, Option<usize>, ProbeResult)>> {
    let result = prop_oneof![4 => Just(ProbeResult::Healthy), 4 => Just(ProbeResult::Unhealthy), 1 => Just(ProbeResult::NotProbed)];
    let step = (ms(0..4), proptest::option::weighted(0.8, 0..3_usize), result);
    proptest::collection::vec(step, 1..100)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16 * ProptestConfig::default().cases, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_policy_agrees_with_the_reference_model(rules in rules(), targets in 1..=3_usize, steps in steps()) {
        let mut policy = Policy::new(rules.clone(), targets);
        let mut sent = [None; 3];
        let mut history = Vec::new();
        let mut now = Duration::ZERO;
        for (pause, target, result) in steps {
            now += pause;
            let target = target.map(|target| target % targets);
            let in_flight = target.and_then(|target| sent[target].take());
            let (action, step) = match (target, in_flight) {
                (Some(target), Some(sent)) => (Action::Done(result), policy.add_result(target, sent, now, result)),
                (Some(target), None) if policy.should_send(now) => {
                    sent[target] = Some(now);
                    (Action::Sent, Step::Continue)
                }
                _ => (Action::TimePassed, policy.check_time(now)),
            };
            history.push(Input { now, target: target.unwrap_or(0), action });
            prop_assert_eq!(step, expected_step(&rules, &history, targets), "after {:?}", history);
            if step == Step::Finish(Verdict::Healthy) {
                let last = |target| probes(&history, target).last().map(|probe| probe.1);
                let all_good = (0..targets).all(|target| last(target) == Some(ProbeResult::Healthy));
                prop_assert!(all_good || rules.through_failures.is_some(), "{:?}", history);
            }
            if matches!(step, Step::Finish(_)) {
                break;
            }
        }
    }
}
