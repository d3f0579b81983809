//! The decision on streams that do not show how the version is now, or from when on it is judged.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta};
use common::clock::{Clock as _, SystemClock};
use common::records::{Decision, Verdict};

use super::{Policy, Standing, decide, standing};
use crate::evidence::tests::{START, end, end_at, probe_at, read_with, subject, with_version};
use crate::evidence::{self, Criteria, Evidence, Latency, Subject};

const FIVE: Policy =
    Policy { error_rate: Some(5.0), latency: None, health_fails: false, smoke_fails: false, alert: false };

fn judged_by(policy: &Policy, criteria: Criteria, lines: Vec<String>) -> (Verdict, Standing) {
    let count = lines.len();
    let evidence = read_with(&[vec![START.to_owned()], lines, vec![end(0, count)]].concat(), criteria);
    let verdict = decide(policy, &evidence, DateTime::UNIX_EPOCH);
    let standing = standing(policy, &evidence, verdict.verdict);
    (verdict, standing)
}

fn judged(lines: Vec<String>) -> Verdict {
    judged_by(&FIVE, evidence::tests::FIVE, lines).0
}

/// A probe a second by the version that `version` names for that second.
fn versions(seconds: usize, version: impl Fn(usize) -> &'static str) -> Vec<String> {
    (0..seconds).map(|second| with_version(&probe_at(second, true), version(second))).collect()
}

fn control(second: usize, ok: bool) -> String {
    probe_at(second, ok).replace(r#""reason":null"#, r#""reason":null,"control":true"#)
}

fn local(line: &str) -> String {
    line.replace(r#""ok":"#, r#""local":true,"ok":"#)
}

#[test]
fn a_version_that_does_not_answer_any_more_is_not_kept() {
    let back = judged(versions(320, |second| if second < 60 { "2.0" } else { "1.0" }));
    assert_eq!(back.verdict, Decision::Inconclusive, "{}", back.why);
    let flapping = judged(versions(300, |second| if second % 60 < 20 { "2.0" } else { "1.0" }));
    assert_eq!(flapping.verdict, Decision::Inconclusive, "{}", flapping.why);
    let why = "version 2.0 does not answer any more: the last 260 answers were not from it";
    let back = judged(versions(400, |second| if second < 140 { "2.0" } else { "1.0" }));
    assert_eq!(back.why, why);
    // A page without a version took its place.
    let mut lines = versions(200, |_| "2.0");
    lines.extend((200..300).map(|second| probe_at(second, true)));
    assert_eq!(judged(lines).verdict, Decision::Inconclusive);
    let health = Policy { error_rate: None, health_fails: true, ..FIVE };
    let criteria = Criteria { outage: true, ..Criteria::default() };
    let lines = versions(300, |second| if second == 0 { "2.0" } else { "1.0" });
    assert_eq!(judged_by(&health, criteria, lines).0.verdict, Decision::Inconclusive);
}

#[test]
fn a_canary_and_a_late_answer_of_an_old_instance_are_no_reason() {
    let canary = judged(versions(3000, |second| if second % 10 == 3 { "2.0" } else { "1.0" }));
    assert_eq!(canary.verdict, Decision::Keep, "{}", canary.why);
    let late = judged(versions(300, |second| if second == 298 { "1.0" } else { "2.0" }));
    assert_eq!(late.verdict, Decision::Keep, "{}", late.why);
}

#[test]
fn a_source_that_fell_silent_is_not_kept() {
    let other = |second: usize| probe_at(second, true).replace(r#""src":"probe""#, r#""src":"probe:b""#);
    let both = |until: usize| {
        (0..300).flat_map(move |second| {
            [Some(probe_at(second, true)), (second < until).then(|| other(second))].into_iter().flatten()
        })
    };
    let verdict = judged(both(150).collect());
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("the source probe:b has had no requests lately"), "{}", verdict.why);
    assert_eq!(judged(both(300).collect()).verdict, Decision::Keep);
    // This machine could not probe at all for most of the watch.
    let cut = (0..300).map(|second| {
        let probe = probe_at(second, second < 130);
        if second < 130 { probe } else { local(&probe) }
    });
    assert_eq!(judged(cut.collect()).verdict, Decision::Inconclusive);
}

#[test]
fn an_outage_is_not_excused_by_a_control_group_that_has_a_blip() {
    let fails = |second: usize| (100..200).contains(&second);
    let pair = |second: usize| {
        let blip = fails(second) && second.is_multiple_of(5);
        [probe_at(second, !fails(second)), control(second, !blip)]
    };
    let verdict = judged((0..400).flat_map(pair).collect());
    assert_ne!(verdict.verdict, Decision::Keep, "{}", verdict.why);
    // An outage of both.
    let pair = |second: usize| [probe_at(second, !fails(second)), control(second, !fails(second))];
    let verdict = judged((0..400).flat_map(pair).collect());
    assert_eq!(verdict.verdict, Decision::Keep);
    assert!(
        verdict.why.ends_with("apart from what the control group had at the same time"),
        "{}",
        verdict.why
    );
}

#[test]
fn a_control_group_that_cannot_be_observed_is_not_forgotten() {
    let unreachable = (0..200).flat_map(|second| [probe_at(second, true), local(&control(second, false))]);
    let verdict = judged(unreachable.collect());
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("the control group has no requests"), "{}", verdict.why);
    let same = (0..200).flat_map(|second| {
        [with_version(&probe_at(second, second % 3 > 0), "2.0"), with_version(&control(second, true), "2.0")]
    });
    let verdict = judged(same.collect());
    assert_eq!(verdict.verdict, Decision::Inconclusive);
}

fn since(second: u64) -> Criteria {
    Criteria { since: Some(DateTime::UNIX_EPOCH + Duration::from_secs(second)), ..evidence::tests::FIVE }
}

#[test]
fn the_requests_before_the_deployment_are_the_baseline_whatever_they_name() {
    let failing = |every: usize, second: usize| !second.is_multiple_of(every);
    for before in [Some("1.0"), None] {
        let lines: Vec<String> = (0..700)
            .map(|second| {
                let version = if second < 300 { before } else { Some("2.0") };
                let probe = probe_at(second, failing(12, second));
                version.map_or(probe.clone(), |version| with_version(&probe, version))
            })
            .collect();
        let (verdict, _) = judged_by(&FIVE, since(299), lines);
        assert_eq!(verdict.baseline.map(|it| (it.total, it.errors)), Some((300, 25)), "{before:?}");
        assert_ne!(verdict.verdict, Decision::Rollback, "{before:?}: {}", verdict.why);
    }
    // Error pages that name no version are requests of before, too; the answers of the new version are not.
    let lines: Vec<String> = (0..600)
        .map(|second| match second {
            0..300 if second % 3 == 0 => probe_at(second, false),
            0..290 => with_version(&probe_at(second, true), "1.0"),
            290..300 => with_version(&probe_at(second, true), "2.0"),
            _ => with_version(&probe_at(second, second % 10 == 0), "2.0"),
        })
        .collect();
    let (verdict, _) = judged_by(&FIVE, since(299), lines);
    assert_eq!(verdict.verdict, Decision::Rollback, "{}", verdict.why);
    let baseline = verdict.baseline.unwrap();
    assert!((290..300).contains(&baseline.total) && baseline.errors == 100, "{baseline:?}");
}

#[test]
fn requests_of_before_the_deployment_do_not_make_the_watch_longer() {
    let start = START.replace(
        r#""interval_ms":1000"#,
        r#""interval_ms":1000,"watch_min_ms":200000,"watch_max_ms":600000"#,
    );
    let mut lines = vec![start.clone()];
    lines.extend((0..900).map(|second| probe_at(second, true)));
    let verdict = decide(&FIVE, &read_with(&lines, since(300)), DateTime::UNIX_EPOCH);
    assert_eq!((verdict.verdict, verdict.total), (Decision::Keep, 210));
    // The watch begins when the version is detected.
    let mut lines = vec![start];
    lines.extend((0..900).map(|second| {
        let probe = probe_at(second, true);
        if second < 150 { probe } else { with_version(&probe, "2.0") }
    }));
    let verdict = decide(&FIVE, &read_with(&lines, evidence::tests::FIVE), DateTime::UNIX_EPOCH);
    assert_eq!((verdict.verdict, verdict.total), (Decision::Keep, 201));
}

#[test]
fn a_clock_that_is_behind_makes_no_baseline_of_the_watch() {
    let now = SystemClock.now();
    let began = now - TimeDelta::seconds(750);
    let decided = |behind: i64| {
        let mut lines = vec![START.to_owned()];
        lines.extend((0..750).map(|second| {
            let ts = began + TimeDelta::seconds(second - behind);
            let ts = ts.to_rfc3339_opts(SecondsFormat::Millis, true);
            let probe = probe_at(0, second % if second < 150 { 13 } else { 40 } > 0);
            probe.replace("1970-01-01T00:00:00.000Z", &ts)
        }));
        lines.push(end(0, 750));
        let live = Subject { allow_recording: false, ..subject() };
        let criteria = Criteria { since: Some(began + TimeDelta::seconds(150)), ..evidence::tests::FIVE };
        let evidence = Evidence::read(lines.join("\n").as_bytes(), criteria, &live, &SystemClock, |_| {});
        decide(&FIVE, &evidence, now)
    };
    assert_eq!(decided(0).verdict, Decision::Keep, "{}", decided(0).why);
    let behind = decided(30);
    assert_eq!(behind.verdict, Decision::Inconclusive, "{}", behind.why);
    assert!(behind.why.contains("the records arrive 3"), "{}", behind.why);
}

#[test]
fn a_time_without_probes_is_no_outage() {
    let health = Policy { error_rate: None, health_fails: true, ..FIVE };
    let criteria = Criteria { outage: true, ..Criteria::default() };
    let decided = |lines: Vec<String>| judged_by(&health, criteria, lines).0.verdict;
    let good: Vec<String> = (0..100).map(|second| probe_at(second, true)).collect();
    let two = [good.clone(), vec![probe_at(100, false), probe_at(145, false)]].concat();
    assert_ne!(decided(two), Decision::Rollback);
    let between = (110..190).map(|second| local(&probe_at(second, false)));
    let cut: Vec<String> = good.iter().cloned().chain([probe_at(100, false)]).chain(between).collect();
    assert_ne!(decided([cut, vec![probe_at(195, false)]].concat()), Decision::Rollback);
    let five = (0..5).map(|at| probe_at(100 + 10 * at, false));
    assert_eq!(decided(good.into_iter().chain(five).collect()), Decision::Rollback);
}

#[test]
fn that_no_alert_fires_makes_no_version_known_good() {
    let policy = Policy { alert: true, ..Policy::default() };
    let mut evidence = Evidence::new(Criteria::default());
    evidence.alert = Some(evidence::Alert::Quiet);
    assert_eq!(standing(&policy, &evidence, Decision::Keep), Standing::NotGood);
}

#[test]
fn requests_that_never_ended_or_failed_are_not_quick() {
    let latency = Latency { limit: Duration::from_secs(1), share: 5.0 };
    let policy = Policy { latency: Some(latency), ..Policy::default() };
    let criteria = Criteria { latency: Some(latency), ..Criteria::default() };
    let decided = |every: usize, reason: &str, latency: &str| {
        let probe = |second: usize| {
            let fails = second % every == 1;
            let ms = if fails { latency } else { "20.0" };
            let probe =
                probe_at(second, !fails).replace(r#""latency_ms":null"#, &format!(r#""latency_ms":{ms}"#));
            if fails { probe.replace(r#""reason":null"#, &format!(r#""reason":"{reason}""#)) } else { probe }
        };
        judged_by(&policy, criteria, (0..300).map(probe).collect()).0
    };
    assert_eq!(decided(5, "read_timeout", "null").verdict, Decision::Rollback);
    for (every, reason, latency) in [(3, "refused", "null"), (2, "bad_status", "5.0")] {
        let verdict = decided(every, reason, latency);
        assert_eq!(verdict.verdict, Decision::Inconclusive, "{reason}: {}", verdict.why);
        assert!(verdict.why.contains("add --if-error-rate"), "{}", verdict.why);
    }
    assert_eq!(decided(100, "bad_status", "5.0").verdict, Decision::Keep);
    let untimed = (0..400).map(|second| {
        let probe = probe_at(second, true);
        if second % 3 == 0 { probe.replace(r#""latency_ms":null"#, r#""latency_ms":20.0"#) } else { probe }
    });
    let verdict = judged_by(&policy, criteria, untimed.collect()).0;
    assert_eq!(verdict.why, "only 134 of 400 requests (probe) have a known duration");
}

#[test]
fn a_record_that_arrives_twice_is_damage() {
    let numbered = |second: usize, seq: usize| {
        probe_at(second, true).replace(r#""type":"probe""#, &format!(r#""type":"probe","seq":{seq}"#))
    };
    let twice = (0..120).flat_map(|second| [(); 2].map(|()| numbered(second / 2, second + 1)));
    let verdict = judged(twice.collect());
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("or twice"), "{}", verdict.why);
    assert_eq!(
        judged((0..120).map(|second| numbered(second, 2 * second + 1)).collect()).verdict,
        Decision::Keep
    );
}

/// The verdict on a watch of at least a minute with these versions, five probes a second.
fn watched(seconds: usize, version: impl Fn(usize) -> &'static str) -> Verdict {
    let start = START.replace(r#""interval_ms""#, r#""watch_min_ms":60000,"interval_ms""#);
    let probes = (0..5 * seconds).map(|at| with_version(&probe_at(at / 5, true), version(at / 5)));
    let lines: Vec<String> = std::iter::once(start).chain(probes).chain([end(0, 5 * seconds)]).collect();
    decide(&FIVE, &read_with(&lines, evidence::tests::FIVE), DateTime::UNIX_EPOCH)
}

#[test]
fn a_version_that_answered_for_too_short_a_time_is_not_kept() {
    assert_eq!(watched(62, |_| "2.0").verdict, Decision::Keep);
    let verdict = watched(45, |_| "2.0");
    assert_eq!(verdict.verdict, Decision::Inconclusive, "its producer ended too early");
    assert!(
        verdict.why.contains("those of 44.0s, and the watch has to last for at least 1m00s"),
        "{}",
        verdict.why
    );
    // It replaced the old one near the end of the watch.
    let verdict = watched(120, |second| if second < 75 { "1.0" } else { "2.0" });
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert_eq!(watched(140, |second| if second < 75 { "1.0" } else { "2.0" }).verdict, Decision::Keep);
}

#[test]
fn a_producer_that_ends_long_after_its_last_probe_proves_nothing_about_the_present() {
    let ended = |seconds| {
        let probes: Vec<String> = (0..130).map(|second| probe_at(second, true)).collect();
        let lines = [vec![START.to_owned()], probes, vec![end_at(seconds, 130)]].concat();
        decide(&FIVE, &read_with(&lines, evidence::tests::FIVE), DateTime::UNIX_EPOCH)
    };
    assert_eq!(ended(160).verdict, Decision::Keep);
    let verdict = ended(600);
    assert_eq!(verdict.verdict, Decision::Inconclusive);
    assert!(verdict.why.contains("has had no requests lately"), "{}", verdict.why);
}
