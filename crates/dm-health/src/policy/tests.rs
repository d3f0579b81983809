use super::*;

fn second(policy: &mut Policy, second: u64, ok: bool) -> Step {
    probe_target(policy, 0, second, ok)
}

fn probe_target(policy: &mut Policy, target: usize, second: u64, ok: bool) -> Step {
    let sent = Duration::from_secs(second);
    assert!(policy.should_send(sent));
    let result = if ok { ProbeResult::Healthy } else { ProbeResult::Unhealthy };
    policy.add_result(target, sent, sent + Duration::from_millis(5), result)
}

const RULES: PollRules = PollRules {
    max_fail: 5,
    waits_for_success: false,
    fail_rate: None,
    min_success: 3,
    grace: Duration::ZERO,
    deadline: None,
    watch: None,
    through_failures: None,
};

#[test]
fn a_success_resets_the_count_of_failures() {
    let mut policy = Policy::new(RULES, 1);
    for (at, ok) in [false, false, false, false, true, false, false, false, false].into_iter().enumerate() {
        assert_eq!(second(&mut policy, at as u64, ok), Step::Continue);
    }
    assert_eq!(second(&mut policy, 9, false), Step::Finish(Verdict::Unhealthy));
}

#[test]
fn before_the_first_success_only_the_deadline_decides() {
    let deadline = Some(Duration::from_secs(100));
    let mut policy = Policy::new(PollRules { waits_for_success: true, deadline, ..RULES }, 1);
    for at in 0..20 {
        assert_eq!(second(&mut policy, at, at == 15), Step::Continue);
    }
    assert_eq!(second(&mut policy, 20, false), Step::Finish(Verdict::Unhealthy));
    let mut policy = Policy::new(PollRules { waits_for_success: true, deadline, ..RULES }, 1);
    assert_eq!(second(&mut policy, 99, false), Step::Continue);
    assert_eq!(policy.check_time(Duration::from_secs(100)), Step::Finish(Verdict::DeadlineExpired));
}

#[test]
fn failures_in_the_grace_time_only_reset_the_successes() {
    let mut policy = Policy::new(PollRules { grace: Duration::from_secs(10), ..RULES }, 1);
    for at in 0..8 {
        assert_eq!(second(&mut policy, at, at % 3 == 0), Step::Continue);
    }
    for at in 10..14 {
        assert_eq!(second(&mut policy, at, false), Step::Continue);
    }
    assert_eq!(second(&mut policy, 14, false), Step::Finish(Verdict::Unhealthy));
}

#[test]
fn the_grace_time_ends_when_all_targets_are_healthy() {
    let (grace, watch) = (Duration::from_mins(1), Some(Duration::from_secs(5)));
    let mut policy = Policy::new(PollRules { max_fail: 2, min_success: 1, grace, watch, ..RULES }, 2);
    assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
    for at in 1..4 {
        assert_eq!(probe_target(&mut policy, 0, at, false), Step::Continue);
    }
    // Sent in the grace time, finished after it.
    assert!(policy.should_send(Duration::from_secs(4)));
    assert_eq!(probe_target(&mut policy, 0, 5, true), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 5, true), Step::WatchStarts);
    let (sent, now) = (Duration::from_secs(4), Duration::from_secs(6));
    assert_eq!(policy.add_result(1, sent, now, ProbeResult::Unhealthy), Step::Continue);
    assert_eq!(policy.check_time(Duration::from_secs(20)), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 20, false), Step::Finish(Verdict::Unhealthy));
}

#[test]
fn a_watch_does_not_end_on_a_failure() {
    let watch = Some(Duration::from_secs(3));
    let mut policy = Policy::new(PollRules { min_success: 1, watch, ..RULES }, 1);
    assert_eq!(second(&mut policy, 0, true), Step::WatchStarts);
    assert_eq!(second(&mut policy, 3, false), Step::Continue);
    assert_eq!(policy.check_time(Duration::from_mins(1)), Step::Continue);
    assert_eq!(second(&mut policy, 4, true), Step::Finish(Verdict::Healthy));
}

#[test]
fn several_targets_are_healthy_when_all_are_at_once() {
    let mut policy = Policy::new(PollRules { min_success: 1, ..RULES }, 2);
    assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
    assert_eq!(probe_target(&mut policy, 0, 1, false), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 1, true), Step::Continue);
    assert_eq!(policy.not_yet_healthy().collect::<Vec<_>>(), [0]);
    assert_eq!(probe_target(&mut policy, 0, 2, true), Step::Finish(Verdict::Healthy));
}

#[test]
fn several_targets_are_unhealthy_when_one_is() {
    let mut policy = Policy::new(PollRules { max_fail: 2, ..RULES }, 2);
    assert_eq!(probe_target(&mut policy, 0, 0, false), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 0, false), Step::Continue);
    assert_eq!(probe_target(&mut policy, 0, 1, true), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 1, false), Step::Finish(Verdict::Unhealthy));
}

#[test]
fn the_end_of_a_watch_waits_for_probes_in_flight() {
    let watch = Some(Duration::from_secs(3));
    let mut policy = Policy::new(PollRules { min_success: 1, watch, ..RULES }, 2);
    assert_eq!(probe_target(&mut policy, 0, 0, true), Step::Continue);
    assert_eq!(probe_target(&mut policy, 1, 0, true), Step::WatchStarts);
    assert!(policy.should_send(Duration::from_secs(2)));
    let late = Duration::from_secs(4);
    assert!(!policy.should_send(late));
    assert_eq!(policy.check_time(late), Step::Continue);
    assert_eq!(
        policy.add_result(1, Duration::from_secs(2), late, ProbeResult::Healthy),
        Step::Finish(Verdict::Healthy)
    );
}

#[test]
fn a_probe_that_could_not_be_sent_proves_nothing() {
    let mut policy = Policy::new(PollRules { max_fail: 2, ..RULES }, 1);
    let not_probed = |policy: &mut Policy, second| {
        let sent = Duration::from_secs(second);
        assert!(policy.should_send(sent));
        policy.add_result(0, sent, sent, ProbeResult::NotProbed)
    };
    assert_eq!(not_probed(&mut policy, 0), Step::Continue);
    assert_eq!(second(&mut policy, 1, false), Step::Continue);
    assert_eq!(not_probed(&mut policy, 2), Step::Continue);
    let mut other = policy.clone();
    assert_eq!(not_probed(&mut policy, 3), Step::Finish(Verdict::Inconclusive));
    assert_eq!(second(&mut other, 3, false), Step::Finish(Verdict::Unhealthy));
}

const THROUGH: PollRules = PollRules {
    max_fail: 3,
    min_success: 1,
    watch: Some(Duration::from_secs(20)),
    through_failures: Some(Extension { clear: Duration::from_secs(10), max: Duration::from_secs(40) }),
    ..RULES
};

/// Probes every second until the verdict; `ok` says which probes succeed. Returns the verdict and its second.
fn watched(ok: impl Fn(u64) -> bool) -> (Verdict, u64) {
    let mut policy = Policy::new(THROUGH, 1);
    for at in 0..1000 {
        let now = Duration::from_secs(at);
        let step = if policy.is_over(now) { policy.check_time(now) } else { second(&mut policy, at, ok(at)) };
        if let Step::Finish(verdict) = step {
            return (verdict, at);
        }
    }
    panic!("the watch does not end");
}

#[test]
fn a_watch_continues_through_failures_in_a_row() {
    assert_eq!(watched(|at| !(3..18).contains(&at)), (Verdict::Healthy, 20));
    assert_eq!(watched(|_| true), (Verdict::Healthy, 20));
}

#[test]
fn an_outage_at_the_end_extends_the_watch_by_four_buckets() {
    for begins in [1, 15, 19] {
        assert_eq!(watched(|at| at < begins), (Verdict::UnhealthyAtEnd, 60), "from {begins} on");
    }
}

#[test]
fn a_blip_at_the_end_extends_the_watch_by_a_bucket_without_failures() {
    // The last failure is that of second 23; second 24 is the first good one.
    assert_eq!(watched(|at| !(19..24).contains(&at)), (Verdict::Healthy, 34));
    // It is over before the end.
    assert_eq!(watched(|at| !(14..19).contains(&at)), (Verdict::Healthy, 20));
    // It comes back for as long as possible. Two failures in a row prove nothing.
    assert_eq!(watched(|at| at < 19 || at % 3 == 0), (Verdict::Healthy, 60));
}

#[test]
fn failures_of_this_machine_do_not_end_a_watch_either() {
    let mut policy = Policy::new(THROUGH, 1);
    assert_eq!(second(&mut policy, 0, true), Step::WatchStarts);
    for at in 1..60 {
        let sent = Duration::from_secs(at);
        assert!(policy.should_send(sent));
        assert_eq!(policy.add_result(0, sent, sent, ProbeResult::NotProbed), Step::Continue, "{at}");
    }
    assert_eq!(policy.check_time(Duration::from_secs(61)), Step::Finish(Verdict::Inconclusive));
}

#[test]
fn before_the_first_success_failures_in_a_row_end_polling() {
    let mut policy = Policy::new(THROUGH, 1);
    assert_eq!(second(&mut policy, 0, false), Step::Continue);
    assert_eq!(second(&mut policy, 1, false), Step::Continue);
    assert_eq!(second(&mut policy, 2, false), Step::Finish(Verdict::Unhealthy));
}

#[test]
fn the_failure_rate_ends_a_watch_through_failures() {
    let rate = Some("4/9".parse().unwrap());
    let mut policy = Policy::new(PollRules { fail_rate: rate, ..THROUGH }, 1);
    assert_eq!(second(&mut policy, 0, true), Step::WatchStarts);
    for at in 1..4 {
        assert_eq!(second(&mut policy, at, false), Step::Continue);
    }
    assert_eq!(second(&mut policy, 4, false), Step::Finish(Verdict::FailureRateReached));
}
