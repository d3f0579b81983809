//! The evidence of whole streams.

use std::time::Duration;

use chrono::DateTime;
use common::clock::{Clock as _, SystemClock};
use proptest::prelude::*;

use super::*;

pub(crate) const START: &str = r#"{"v":1,"type":"start","tool":"dm-health","run":"r","service":"api","environment":"production","deployment":"d-42","ts":"2026-01-01T00:00:00.000Z","interval_ms":1000}"#;

pub(crate) const FIVE: Criteria = Criteria {
    error_rate: Some(5.0),
    latency: None,
    outage: false,
    since: None,
    baseline: None,
    watch_min: None,
    restored: false,
    bucket: BUCKET,
    has_control: false,
    control_tolerance: 1.0,
};

/// What the streams here are about.
pub(crate) fn subject() -> Subject {
    Subject {
        service: "api".parse().unwrap(),
        environment: "production".parse().unwrap(),
        deployment: None,
        versions: Versions::of(Some("2.0".parse().unwrap())),
        allow_recording: true,
        required_sources: BTreeSet::new(),
    }
}

pub(crate) fn probe(ok: bool) -> String {
    probe_at(1, ok)
}

/// A probe, this number of seconds after the start.
pub(crate) fn probe_at(seconds: usize, ok: bool) -> String {
    let ts = DateTime::UNIX_EPOCH + Duration::from_secs(seconds as u64);
    let ts = ts.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    format!(
        r#"{{"v":1,"type":"probe","ts":"{ts}","name":"api","target":"http://h/health","src":"probe","ok":{ok},"status":null,"latency_ms":null,"phase_ms":{{}},"address":null,"reason":null}}"#
    )
}

/// The same probe with a version.
pub(crate) fn with_version(probe: &str, version: &str) -> String {
    probe.replace(r#""reason":null"#, &format!(r#""reason":null,"version":"{version}""#))
}

pub(crate) fn end(exit: u8, records: usize) -> String {
    format!(r#"{{"v":1,"type":"end","ts":"1970-01-01T00:00:00.000Z","exit":{exit},"records":{records}}}"#)
}

/// The end of a stream, this number of seconds after its start.
pub(crate) fn end_at(seconds: u32, records: usize) -> String {
    end(0, records).replace("00:00:00.", &format!("00:{:02}:{:02}.", seconds / 60, seconds % 60))
}

/// A whole stream of these probes, one a second.
pub(crate) fn stream(exit: u8, probes: &[bool]) -> Evidence {
    let mut lines = vec![START.to_owned()];
    lines.extend(probes.iter().enumerate().map(|(second, ok)| probe_at(second, *ok)));
    lines.push(end(exit, probes.len()));
    read(&lines)
}

pub(crate) fn read(lines: &[String]) -> Evidence {
    read_with(lines, FIVE)
}

pub(crate) fn read_with(lines: &[String], criteria: Criteria) -> Evidence {
    read_bytes(lines.join("\n").as_bytes(), criteria)
}

pub(crate) fn read_bytes(bytes: &[u8], criteria: Criteria) -> Evidence {
    Evidence::read(bytes, criteria, &subject(), &SystemClock, |_| {})
}

fn counts(evidence: &Evidence) -> Vec<(u64, u64)> {
    evidence.sources().iter().map(|source| (source.total, source.errors)).collect()
}

#[test]
fn a_whole_stream_is_counted() {
    let evidence = stream(0, &[true, false, true]);
    assert_eq!(evidence.damage, None);
    assert_eq!(counts(&evidence), [(3, 1)]);
    assert_eq!(evidence.targets(), [Url::parse("http://h/health").unwrap()]);
    assert_eq!(evidence.deployment.as_deref(), Some("d-42"));
}

#[test]
fn failures_before_the_first_success_count_only_when_none_follows() {
    assert_eq!(counts(&stream(0, &[false, false, true, false])), [(2, 1)]);
    assert_eq!(counts(&stream(1, &[false, false])), [(2, 2)]);
}

#[test]
fn probes_that_could_not_be_made_are_no_evidence() {
    let local = probe(false).replace(r#""ok":false"#, r#""ok":false,"local":true"#);
    let evidence = read(&[START.to_owned(), probe(true), local, end(0, 2)]);
    assert_eq!((evidence.damage.as_deref(), counts(&evidence)), (None, vec![(1, 0)]));
}

#[test]
fn only_requests_that_the_new_version_answered_are_counted() {
    let mut lines = vec![START.to_owned()];
    lines.extend((0..20).map(|second| with_version(&probe_at(second, true), "1.0")));
    lines.extend((20..25).map(|second| with_version(&probe_at(second, second != 22), "2.0")));
    lines.push(end(0, 25));
    assert_eq!(counts(&read(&lines)), [(5, 1)]);
}

#[test]
fn requests_of_the_control_group_are_counted_apart() {
    let control = probe(false).replace(r#""reason":null"#, r#""reason":null,"control":true"#);
    let evidence = read(&[START.to_owned(), probe(true), control, probe(true), end(0, 3)]);
    assert_eq!((evidence.damage.as_deref(), counts(&evidence)), (None, vec![(2, 0)]));
    let (_, observation) = evidence.observations().next().unwrap();
    assert_eq!(observation.errors.control.map(|control| (control.total, control.errors)), Some((1, 1)));
}

#[test]
fn a_truncated_or_damaged_stream_is_reported() {
    let damage = |lines: &[String]| read(lines).damage.unwrap_or_default();
    let start = START.to_owned();
    assert!(damage(&[]).contains("empty"));
    assert!(damage(&[start.clone(), probe(true)]).contains("producer died"));
    assert!(damage(&[start.clone(), probe(true), end(0, 2)]).contains("wrote 2 records and 1 arrived"));
    for (at, line) in [(1, "line 1 "), (2, "line 2 "), (3, "line 3 ")] {
        let mut lines = vec![start.clone(), probe(true), probe(true)];
        lines[at - 1] = "{\"v\":1,".to_owned();
        assert!(damage(&lines).contains(line), "{line}: {}", damage(&lines));
    }
    assert!(damage(&[start.clone(), start.clone()]).contains("starts twice"));
    assert!(damage(&[start.clone(), end(0, 0), probe(false)]).contains("goes on after its end"));
    assert!(damage(&[probe(true), end(0, 1)]).contains("beginning of the stream is missing"));
    assert!(damage(&[start.clone(), end(0, 3), String::new()]).contains("wrote 3 records and 0 arrived"));
    assert!(damage(&["x".repeat(2_000_000)]).contains("longer than"));
    assert!(damage(&[start, r#"{"v":2,"type":"end"}"#.to_owned()]).contains("format version 2"));
}

#[test]
fn a_stream_that_is_cut_off_is_no_proof_however_good_it_was() {
    let start = START.replace(r#""interval_ms""#, r#""watch_min_ms":60000,"interval_ms""#);
    let first = |count: usize| {
        let probes = (0..count).map(|second| probe_at(second, true));
        read(&std::iter::once(start.clone()).chain(probes).collect::<Vec<_>>())
    };
    // With the first record of a bucket the watch is over, and the rest of the stream is not read.
    let decided = counts(&first(200))[0].0;
    for count in 100..140 {
        let evidence = first(count);
        assert_eq!(evidence.damage.is_none(), count as u64 >= decided, "{count}: {:?}", evidence.damage);
    }
}

#[test]
fn an_answer_with_a_blank_version_names_none() {
    for blank in ["", " "] {
        let mut lines = vec![START.to_owned()];
        lines.extend((0..30).map(|second| probe_at(second, true)));
        lines.extend((30..40).map(|second| with_version(&probe_at(second, false), blank)));
        lines.push(end(1, 40));
        assert_eq!(counts(&read(&lines)), [(40, 10)], "{blank:?}");
    }
}

#[test]
fn counts_of_any_size_are_judged() {
    for (total, errors) in [(u64::MAX, u64::MAX), (u64::MAX, 1 << 62), (1 << 63, 1), (3_000_000, 600_000)] {
        for has_control in [false, true] {
            let mut evidence = Evidence::new(FIVE);
            for bucket in 0..20 {
                let ts = DateTime::UNIX_EPOCH + BUCKET * bucket;
                let requests = |errors| Requests { total, errors, ..Requests::default() };
                evidence.count(ts, "cdn", requests(errors));
                if has_control {
                    evidence.count_control(ts, "cdn", requests(errors / 100));
                }
            }
            evidence.finish();
            assert_eq!(evidence.is_bad(), errors > 1, "{errors} of {total}, {has_control}");
            let restored = evidence.criteria_to_restore().unwrap().error_rate.unwrap_or_default();
            assert!((0.0..=50.0).contains(&restored), "{errors} of {total}: {restored}");
        }
    }
}

#[test]
fn blank_lines_are_no_records() {
    let evidence =
        read(&[String::new(), START.to_owned(), probe(true), " ".to_owned(), end(0, 1), "\n".to_owned()]);
    assert_eq!((evidence.damage.as_deref(), counts(&evidence)), (None, vec![(1, 0)]));
}

#[test]
fn a_stream_about_something_else_or_from_another_time_is_no_evidence() {
    let damage = |start: &str, subject: &Subject| {
        let lines = [start.to_owned(), probe(true), end(0, 1)].join("\n");
        Evidence::read(lines.as_bytes(), FIVE, subject, &SystemClock, |_| {}).damage
    };
    assert_eq!(damage(START, &subject()), None);
    for (ours, theirs) in [("\"api\"", "\"web\""), ("production", "staging")] {
        assert!(
            damage(&START.replace(ours, theirs), &subject()).unwrap().contains("not about api in production")
        );
    }
    let other = Subject { deployment: Some("d-43".parse().unwrap()), ..subject() };
    assert!(damage(START, &other).unwrap().contains("about deployment d-42, not about d-43"));
    let strict = Subject { allow_recording: false, ..subject() };
    assert!(damage(START, &strict).unwrap().contains("is a recording"));
}

#[test]
fn the_start_the_tests_and_the_end_tell_the_age_of_a_stream_without_requests() {
    let strict = Subject { allow_recording: false, ..subject() };
    let now = SystemClock.now();
    let stream = |minutes: i64| {
        let ts = (now - chrono::TimeDelta::minutes(minutes)).to_rfc3339();
        let test = format!(r#"{{"v":1,"type":"test","ts":"{ts}","result":"pass"}}"#);
        let lines = [START.to_owned(), test, end(0, 1).replace("1970-01-01T00:00:00.000Z", &ts)].join("\n");
        Evidence::read(lines.as_bytes(), FIVE, &strict, &SystemClock, |_| {})
    };
    assert_eq!((stream(9).damage, stream(9).clock_problem()), (None, None));
    assert!(stream(60 * 24 * 365).damage.unwrap().contains("is a recording: it ended "));
    assert!(stream(-60).clock_problem().unwrap().contains("from the future"));
    let timeless = [START, r#"{"v":1,"type":"end","exit":1,"records":0}"#]
        .map(|line| line.replace(r#","ts":"2026-01-01T00:00:00.000Z""#, ""));
    let evidence = Evidence::read(timeless.join("\n").as_bytes(), FIVE, &strict, &SystemClock, |_| {});
    assert!(evidence.damage.unwrap().contains("no line of the stream has a time"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let evidence = read_bytes(bytes.as_slice(), FIVE);
        prop_assert!(evidence.damage.is_some());
    }
}
