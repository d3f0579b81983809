//! Requests in an access log: nginx's combined format, or JSON Lines.

use std::io::{ErrorKind, Read, stdin};
use std::os::fd::AsFd;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::clock::{Clock, Stopwatch};
use common::duration::format_duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use regex_lite::Regex;
use serde_json::{Map, Value};

use crate::evidence::{Criteria, Evidence, MAX_LINE_BYTES, Requests};

/// The name of this source in records and labels.
const NAME: &str = "access_log";

/// The number of unreadable lines that any log may have; more mean that the log has another format.
const ODD_LINES: u64 = 10;

/// If this number of requests is expected, the probability that none arrives is 1 in 20,000 (Poisson).
const FEW: f64 = 10.0;

/// The combined format. Captures the time, the status, and any fields added at the end.
const COMBINED: &str = r#"^\S+ \S+ .*?\[([^\]]+)\] "(?:[^"\\]|\\.)*" (\d{3}) (?:\d+|-)(.*)$"#;

const TIMES: [&str; 7] = ["time_iso8601", "time_local", "@timestamp", "timestamp", "time", "ts", "msec"];
const STATUS: [&str; 3] = ["status", "status_code", "code"];
/// Names of the duration, with their unit in milliseconds. A bare `duration` is missing: its unit differs between servers.
const DURATIONS: [(&str, f64); 5] = [
    ("request_time", 1000.0),
    ("duration_seconds", 1000.0),
    ("duration_ms", 1.0),
    ("latency_ms", 1.0),
    ("response_time_ms", 1.0),
];

/// One request.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    ts: DateTime<Utc>,
    status: u16,
    milliseconds: Option<f64>,
}

/// Reads lines, and counts their requests.
#[derive(Debug)]
struct Log {
    evidence: Evidence,
    combined: Option<Regex>,
    lines: u64,
    odd: u64,
    /// The earliest and the latest time in the lines.
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Reads stdin to its end, or for the duration `watch`, or until the evidence is decisive.
pub(crate) fn read(
    criteria: Criteria,
    watch: Option<Duration>,
    clock: &dyn Clock,
    mut on_progress: impl FnMut(&Evidence),
) -> Evidence {
    let mut log = Log::new(criteria);
    let stopwatch = Stopwatch::start(clock);
    let mut last_read = Duration::ZERO;
    let mut input = stdin().lock();
    let mut chunk = vec![0; 64 * 1024];
    let mut rest: Vec<u8> = Vec::new();
    while log.evidence.damage.is_none() && !log.evidence.is_decisive() {
        if let Some(watch) = watch {
            let remaining = watch.saturating_sub(stopwatch.elapsed(clock));
            let timeout = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if stopwatch.elapsed(clock) >= watch => {
                    let silence = stopwatch.elapsed(clock).saturating_sub(last_read);
                    if log.went_silent(silence, watch) {
                        let (silence, whole) = (format_duration(silence), format_duration(watch));
                        log.evidence.damage =
                            Some(format!("the log had no new lines in the last {silence} of {whole}"));
                    }
                    break;
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                _ if remaining.is_zero() => break,
                _ => {}
            }
        }
        match input.read(&mut chunk) {
            Ok(0) => {
                if let Some(watch) = watch {
                    let (elapsed, whole) =
                        (format_duration(stopwatch.elapsed(clock)), format_duration(watch));
                    log.evidence.damage = Some(format!("the log ended after {elapsed} of {whole}"));
                }
                break;
            }
            Ok(count) => {
                last_read = stopwatch.elapsed(clock);
                rest.extend_from_slice(&chunk[..count]);
                log.take_lines(&mut rest);
                on_progress(&log.evidence);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => log.evidence.damage = Some(format!("stdin cannot be read: {error}")),
        }
    }
    log.finish()
}

impl Log {
    fn new(criteria: Criteria) -> Self {
        let evidence = Evidence::new(criteria);
        Self { evidence, combined: Regex::new(COMBINED).ok(), lines: 0, odd: 0, span: None }
    }

    /// Counts the complete lines, and keeps the rest.
    fn take_lines(&mut self, rest: &mut Vec<u8>) {
        let mut begin = 0;
        while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n')
            && !self.evidence.is_decisive()
        {
            self.take(&String::from_utf8_lossy(&rest[begin..begin + length]));
            begin += length + 1;
        }
        rest.drain(..begin);
        if rest.len() > MAX_LINE_BYTES {
            self.evidence.damage = Some(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
        }
    }

    fn take(&mut self, line: &str) {
        self.lines += 1;
        let entry =
            if line.trim_start().starts_with('{') { parse_json(line) } else { self.parse_combined(line) };
        let Some(Entry { ts, status, milliseconds }) = entry else {
            self.odd += 1;
            return;
        };
        self.span = Some(self.span.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))));
        let slow =
            self.evidence.criteria().latency.zip(milliseconds).map(|(latency, ms)| latency.is_slow(ms));
        let requests = Requests {
            total: 1,
            errors: u64::from((500..600).contains(&status)),
            timed: u64::from(slow.is_some()),
            slow: u64::from(slow == Some(true)),
        };
        self.evidence.count(ts, NAME, requests);
    }

    /// Whether lines are missing from the `silence` at the end of the watch. A server may buffer its log for a quarter of
    /// the watch; and if only a few lines are expected, silence is normal.
    fn went_silent(&self, silence: Duration, watch: Duration) -> bool {
        let Some((first, last)) = self.span else { return false };
        let covered = (last - first).to_std().unwrap_or_default().max(Duration::from_secs(1));
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let expected = self.lines as f64 * silence.as_secs_f64() / covered.as_secs_f64();
        expected > FEW && silence > watch / 4
    }

    fn parse_combined(&self, line: &str) -> Option<Entry> {
        let captures = self.combined.as_ref()?.captures(line)?;
        let milliseconds = captures[3]
            .split_ascii_whitespace()
            .rev()
            .find_map(|field| seconds_of_nginx(field.rsplit_once('=').map_or(field, |(_, value)| value)));
        let milliseconds = milliseconds.map(|seconds| seconds * 1000.0);
        Some(Entry { ts: time(&captures[1])?, status: captures[2].parse().ok()?, milliseconds })
    }

    fn finish(mut self) -> Evidence {
        let Self { lines, odd, .. } = self;
        if self.evidence.damage.is_none() && odd > 0 && (odd == lines || odd > ODD_LINES.max(lines / 100)) {
            let what = "neither nginx's combined format nor JSON with a time and a status";
            self.evidence.damage = Some(format!("{odd} of {lines} lines are {what}"));
        }
        self.evidence.finish();
        self.evidence
    }
}

/// Parses seconds with three decimals, as nginx writes them. Any other number may have another unit, or be no duration.
fn seconds_of_nginx(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.')?;
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole) && is_number(decimals) && decimals.len() == 3).then(|| text.parse().ok())?
}

fn parse_json(line: &str) -> Option<Entry> {
    let fields: Map<String, Value> = serde_json::from_str(line).ok()?;
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let ts = TIMES.iter().find_map(|name| {
        let value = fields.get(*name)?;
        value.as_str().and_then(time).or_else(|| parse_epoch(number(value)?))
    })?;
    let status = STATUS.iter().find_map(|name| number(fields.get(*name)?))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    let status = (100.0..600.0).contains(&status).then_some(status as u16)?;
    let milliseconds =
        DURATIONS.iter().find_map(|(name, unit)| number(fields.get(*name)?).map(|value| value * unit));
    Some(Entry { ts, status, milliseconds: milliseconds.filter(|ms| *ms >= 0.0) })
}

/// Parses a time in RFC 3339, or in nginx's format.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let nginx = || DateTime::parse_from_str(text, "%d/%b/%Y:%H:%M:%S %z").ok();
    DateTime::parse_from_rfc3339(text).ok().or_else(nginx).map(|time| time.to_utc())
}

/// Converts seconds since 1970. Numbers that would be thousands of years ahead are milliseconds.
fn parse_epoch(number: f64) -> Option<DateTime<Utc>> {
    let milliseconds = if number > 1e11 { number } else { number * 1000.0 };
    #[expect(clippy::cast_possible_truncation, reason = "a float-to-integer cast saturates")]
    DateTime::from_timestamp_millis(milliseconds as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tests::FIVE;

    fn log() -> Log {
        Log::new(FIVE)
    }

    #[test]
    fn both_formats_give_time_status_and_duration() {
        let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let combined =
            r#"203.0.113.9 - ada [01/Jan/2026:01:00:00 +0100] "GET /a\"b] HTTP/1.1" 503 12 "-" "curl/8""#;
        let entry = |milliseconds| Some(Entry { ts, status: 503, milliseconds });
        assert_eq!(log().parse_combined(combined), entry(None));
        assert_eq!(log().parse_combined(&format!("{combined} 0.250")), entry(Some(250.0)));
        assert_eq!(log().parse_combined(&format!("{combined} rt=0.250")), entry(Some(250.0)));
        assert_eq!(log().parse_combined(&format!("{combined} rt=0.250 len=512")), entry(Some(250.0)));
        // Apache's %D is in microseconds, but the log does not state the unit.
        assert_eq!(log().parse_combined(&format!("{combined} 35210")), entry(None));
        assert_eq!(log().parse_combined(&format!("{combined} -0.250 1.5 \"a.250\"")), entry(None));
        assert_eq!(parse_json(r#"{"ts":1767225600.0,"status":503,"duration":58.33}"#), entry(None));
        for json in [
            r#"{"time_iso8601":"2026-01-01T01:00:00+01:00","status":503,"request_time":0.25}"#,
            r#"{"time":"01/Jan/2026:00:00:00 +0000","status":"503","request_time":"0.250"}"#,
            r#"{"ts":1767225600.0,"status":503,"duration_seconds":0.25}"#,
            r#"{"timestamp":1767225600000,"status_code":503,"latency_ms":250}"#,
        ] {
            assert_eq!(parse_json(json), entry(Some(250.0)), "{json}");
        }
    }

    #[test]
    fn another_format_is_reported_and_a_few_odd_lines_are_not() {
        let good = r#"{"ts":1767225600,"status":200}"#;
        let read = |good_lines: usize, odd: usize| {
            let mut log = log();
            let mut bytes =
                format!("{}{}torn", format!("{good}\n").repeat(good_lines), "\u{0}\n".repeat(odd));
            log.take_lines(&mut std::mem::take(&mut bytes).into_bytes());
            let evidence = log.finish();
            (evidence.damage.is_some(), evidence.sources().first().map_or(0, |source| source.total))
        };
        assert_eq!(read(100, 10), (false, 100));
        assert_eq!(read(100, 11), (true, 100));
        assert_eq!(read(0, 1), (true, 0));
    }

    #[test]
    fn a_log_that_stops_is_not_a_log_with_little_traffic() {
        let silent = |lines: u64, covered: i64, silence: u64| {
            let first = DateTime::UNIX_EPOCH;
            let span = Some((first, first + chrono::TimeDelta::seconds(covered)));
            Log { lines, span, ..log() }.went_silent(Duration::from_secs(silence), Duration::from_mins(1))
        };
        assert!(silent(600, 30, 30));
        assert!(!silent(600, 45, 15), "a server that writes four times a minute");
        assert!(!silent(6, 30, 30), "one request in five seconds");
        assert!(!silent(10_000, 86_400, 30), "old lines show how little traffic there is");
        assert!(!log().went_silent(Duration::from_mins(1), Duration::from_mins(1)));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut log = log();
            log.take_lines(&mut bytes.clone());
            let _ = log.finish();
        }
    }
}
