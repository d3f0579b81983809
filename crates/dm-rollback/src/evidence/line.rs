//! One line of a stream, reduced to the fields that a verdict needs. Borrows from the line: a stream has millions of them.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use common::event::{Reason, TestResult};
use common::records::{self, FORMAT, Record, Start};
use common::term::text::short_line;

use super::scan::{Value, members};

/// The longest description of a failed test, in bytes.
const MAX_FAILURE_BYTES: usize = 300;

/// The fields of a line that a verdict needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line<'a> {
    Start(Box<Start>),
    Probe(Probe<'a>),
    Count {
        ts: DateTime<Utc>,
        src: Cow<'a, str>,
        total: u64,
        errors: u64,
    },
    /// A smoke test: how it ended; and its name, and why it failed, if it did not simply pass.
    Test {
        ts: DateTime<Utc>,
        result: TestResult,
        description: String,
    },
    End {
        ts: DateTime<Utc>,
        exit: u8,
        records: u64,
    },
    /// A probe that this machine could not make: it says nothing about the service.
    Local {
        ts: DateTime<Utc>,
        control: bool,
    },
    /// A line of a type that a verdict does not depend on.
    Other,
}

/// The fields of a probe that a verdict needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probe<'a> {
    /// The number of the probe in its stream, from 1; 0 if its producer counts none.
    pub(super) seq: u64,
    pub(super) ts: DateTime<Utc>,
    pub(super) src: Cow<'a, str>,
    pub(super) target: Cow<'a, str>,
    pub(super) ok: bool,
    pub(super) latency_ms: Option<f64>,
    pub(super) version: Option<Cow<'a, str>>,
    pub(super) control: bool,
    /// Whether the reason for a failure is the connection or the status.
    pub(super) is_repeatable: bool,
    /// Whether the response did not arrive within the time limit of the probe.
    pub(super) timed_out: bool,
}

/// Reads a line. [`records::parse`] reads each line that the fast parser does not know, and explains what is wrong.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    match parse_fast(line) {
        Some(line) => Ok(line),
        None => records::parse(&String::from_utf8_lossy(line)).map(Line::from),
    }
}

/// Parses the two records that come in millions, as the tools write them; `None` for anything else.
fn parse_fast(line: &[u8]) -> Option<Line<'_>> {
    const NAMES: [&str; 15] = [
        "v",
        "type",
        "seq",
        "ts",
        "src",
        "target",
        "ok",
        "local",
        "latency_ms",
        "total",
        "errors",
        "version",
        "control",
        "status",
        "reason",
    ];
    let mut values = [None; NAMES.len()];
    members(str::from_utf8(line).ok()?, |name, value| {
        // serde rejects a duplicate name.
        let index = NAMES.iter().position(|candidate| *candidate == name);
        index.is_none_or(|at| values[at].replace(value).is_none()).then_some(())
    })?;
    let [v, kind, seq, ts, src, target, ok, local, latency, total, errors, version, control, status, reason] =
        values;
    let text = |value| if let Some(Value::Text(text)) = value { Some(text) } else { None };
    let count =
        |value| if let Some(Value::Number(number)) = value { number.parse::<u64>().ok() } else { None };
    if count(v)? != u64::from(FORMAT) {
        return None;
    }
    let (ts, src) = (time(text(ts)?.as_bytes())?, Cow::Borrowed(text(src)?));
    let is_control = |control| match control {
        None => Some(false),
        Some(Value::Bool(control)) => Some(control),
        Some(_) => None,
    };
    match (text(kind)?, ok, local) {
        ("probe", Some(Value::Bool(_)), Some(Value::Bool(true))) => {
            Some(Line::Local { ts, control: is_control(control)? })
        }
        ("probe", Some(Value::Bool(ok)), None | Some(Value::Bool(false))) => {
            let latency_ms = match latency {
                None | Some(Value::Null) => None,
                Some(Value::Number(number)) => Some(number.parse().ok()?),
                Some(_) => return None,
            };
            let version = match version {
                None | Some(Value::Null) => None,
                version => named(Cow::Borrowed(text(version)?)),
            };
            let control = is_control(control)?;
            let seq = if seq.is_some() { count(seq)? } else { 0 };
            let target = Cow::Borrowed(text(target)?);
            let reason: Option<Reason> = match reason {
                None | Some(Value::Null) => None,
                reason => Some(text(reason)?.parse().ok()?),
            };
            let is_repeatable = is_repeatable(reason, count(status));
            let timed_out = reason.is_some_and(has_timed_out);
            Some(Line::Probe(Probe {
                seq,
                ts,
                src,
                target,
                ok,
                latency_ms,
                version,
                control,
                is_repeatable,
                timed_out,
            }))
        }
        ("count", ..) => Some(Line::Count { ts, src, total: count(total)?, errors: count(errors)? }),
        _ => None,
    }
}

/// Parses a time as the tools write it, `2026-01-01T00:00:00.000Z`. The parser for any RFC 3339 time takes ten times as long.
fn time(text: &[u8]) -> Option<DateTime<Utc>> {
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if text.len() != 24 || marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0, |number: u32, digit| {
            digit.is_ascii_digit().then(|| 10 * number + u32::from(digit - b'0'))
        })
    };
    let date = NaiveDate::from_ymd_opt(number(0, 4)?.cast_signed(), number(5, 7)?, number(8, 10)?)?;
    Some(
        date.and_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?)?.and_utc(),
    )
}

impl From<Record> for Line<'_> {
    fn from(record: Record) -> Self {
        match record {
            Record::Start(start) => Self::Start(Box::new(start)),
            Record::Probe(probe) if probe.local => Self::Local { ts: probe.ts, control: probe.control },
            Record::Probe(probe) => Self::Probe(Probe {
                seq: probe.seq,
                ts: probe.ts,
                src: probe.src.into(),
                target: probe.target.into(),
                ok: probe.ok,
                latency_ms: probe.latency_ms,
                version: probe.version.map(Cow::Owned).and_then(named),
                control: probe.control,
                is_repeatable: is_repeatable(probe.reason, probe.status.map(u64::from)),
                timed_out: probe.reason.is_some_and(has_timed_out),
            }),
            Record::Count { ts, src, total, errors, .. } => {
                Self::Count { ts, src: src.into(), total, errors }
            }
            Record::Test(test) => {
                Self::Test { ts: test.ts, result: test.result, description: describe(&test) }
            }
            Record::End { ts, exit, records } => Self::End { ts, exit, records },
            Record::Verdict(_) | Record::Unknown => Self::Other,
        }
    }
}

/// The version that an answer names. A blank one is no name: the answer does not say which version it is from.
fn named(version: Cow<'_, str>) -> Option<Cow<'_, str>> {
    Some(version).filter(|version| !version.trim_ascii().is_empty())
}

/// Whether a probe with this reason and this status fails without expectations, too.
fn is_repeatable(reason: Option<Reason>, status: Option<u64>) -> bool {
    match reason {
        Some(Reason::BadStatus) => !status.is_some_and(|status| (200..300).contains(&status)),
        Some(reason) => matches!(
            reason,
            Reason::Dns | Reason::Refused | Reason::ConnectTimeout | Reason::ReadTimeout | Reason::Tls
        ),
        // A producer that gives no reason has no expectations that are known.
        None => true,
    }
}

fn has_timed_out(reason: Reason) -> bool {
    matches!(reason, Reason::ConnectTimeout | Reason::ReadTimeout)
}

/// The name of a test, and why it failed. The text is from the suite and the service, so it becomes one line.
fn describe(test: &records::Test) -> String {
    let name = if test.name.is_empty() { format!("test {}", test.seq) } else { test.name.clone() };
    let why = test.message.clone().or_else(|| test.reason.map(|reason| reason.as_str().to_owned()));
    let described = why.map_or_else(|| name.clone(), |why| format!("{name}: {why}"));
    short_line(&described, MAX_FAILURE_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tests::{START, end, probe};

    #[test]
    fn both_parsers_agree() {
        let count = r#"{"v":1,"type":"count","ts":"2026-01-01T00:00:00.000Z","window_ms":10000,"src":"nginx","total":7,"errors":1}"#;
        let local = probe(false).replace(r#""ok":false"#, r#""ok":false,"local":true"#);
        for line in [probe(true), probe(false), count.to_owned(), local] {
            let quick = parse_fast(line.as_bytes());
            assert!(quick.is_some(), "{line}");
            assert_eq!(quick, records::parse(&line).ok().map(Line::from));
        }
    }

    #[test]
    fn other_lines_are_left_to_serde() {
        let escaped = probe(true).replace("http", r"h\u0074tp");
        let exact = probe(true).replace(".000Z", ".000000001Z");
        let spaced = probe(false).replace("\":", "\": ");
        let weather = r#"{"v":1,"type":"weather","ok":"sunny"}"#.to_owned();
        for line in [START.to_owned(), end(1, 2), weather, escaped, exact, spaced] {
            assert_eq!(parse_fast(line.as_bytes()), None);
            assert_eq!(parse(line.as_bytes()), records::parse(&line).map(Line::from));
        }
        for bad in
            ["", "{", "[]", "null", r#"{"v":1,"type":"count","ts":"now","src":"a","total":1,"errors":1}"#]
        {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let newer = probe(true).replace(r#""v":1"#, r#""v":2"#);
        assert!(parse(newer.as_bytes()).unwrap_err().contains("format version 2"));
    }

    proptest! {
        #[test]
        fn both_parsers_agree_on_times(ms in -62_135_596_800_000..253_402_300_799_999_i64, at in 0..24_usize, byte: u8) {
            let ts = DateTime::from_timestamp_millis(ms).unwrap();
            let text = ts.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            prop_assert_eq!(time(text.as_bytes()), Some(ts));
            let mut other = text.into_bytes();
            other[at] = byte;
            if let (Some(quick), Ok(text)) = (time(&other), str::from_utf8(&other)) {
                prop_assert_eq!(Ok(quick), text.parse::<DateTime<Utc>>());
            }
        }

        #[test]
        fn the_fast_parser_accepts_only_json(
            at in 0..300_usize, over in 0..9_usize, with in proptest::collection::vec(proptest::sample::select(b"{}[]\":,0.-e\\ntrue1 \n".to_vec()), 0..5),
        ) {
            let mut line = probe(true).replace(r#""latency_ms":null"#, r#""latency_ms":41.5"#).into_bytes();
            let at = at % line.len();
            let until = (at + over).min(line.len());
            line.splice(at..until, with);
            if parse_fast(&line).is_some() {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
            }
        }

        #[test]
        fn both_parsers_agree_on_damaged_lines(at in 0..400_usize, byte: u8) {
            let mut line = probe(true).into_bytes();
            let at = at % line.len();
            line[at] = byte;
            // The fast parser does not check fields that no verdict needs; if both accept a line, they agree.
            if let (Some(quick), Ok(slow)) = (parse_fast(&line), records::parse(&String::from_utf8_lossy(&line))) {
                prop_assert_eq!(quick, Line::from(slow));
            }
        }
    }
}
