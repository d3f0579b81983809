//! One line of a stream, and of it only what a verdict needs, borrowed: a stream has millions of them.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use common::event::{FORMAT, TestResult};
use common::stream::{self, Record};
use serde::Deserialize;

/// What a verdict needs of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line<'a> {
    Start {
        tool: String,
        deployment: String,
        interval_ms: Option<u64>,
    },
    Probe {
        ts: DateTime<Utc>,
        src: Cow<'a, str>,
        target: Cow<'a, str>,
        ok: bool,
        latency_ms: Option<f64>,
    },
    Count {
        ts: DateTime<Utc>,
        src: Cow<'a, str>,
        total: u64,
        errors: u64,
    },
    Test {
        failed: bool,
    },
    End {
        exit: u8,
        records: u64,
    },
    /// Of no weight: another type, or a probe that this machine could not make.
    Other,
}

/// The fields of the two records that come in millions.
#[derive(Deserialize)]
struct Fields<'a> {
    v: u32,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    ts: Cow<'a, str>,
    #[serde(borrow)]
    src: Cow<'a, str>,
    #[serde(borrow, default)]
    target: Cow<'a, str>,
    ok: Option<bool>,
    #[serde(default)]
    local: bool,
    latency_ms: Option<f64>,
    total: Option<u64>,
    errors: Option<u64>,
}

/// Reads a line. What it does not know is read by [`stream::parse`], which also says what is wrong.
pub(super) fn parse(line: &[u8]) -> Result<Line<'_>, String> {
    match quickly(line) {
        Some(line) => Ok(line),
        None => stream::parse(&String::from_utf8_lossy(line)).map(Line::from),
    }
}

fn quickly(line: &[u8]) -> Option<Line<'_>> {
    // Checked once, and not string by string.
    let fields: Fields<'_> = serde_json::from_str(str::from_utf8(line).ok()?).ok()?;
    if fields.v != FORMAT {
        return None;
    }
    let ts = time(fields.ts.as_bytes()).or_else(|| fields.ts.parse().ok())?;
    let src = fields.src;
    match (&*fields.kind, fields.ok, fields.total, fields.errors) {
        ("probe", Some(_), ..) if fields.local => Some(Line::Other),
        ("probe", Some(ok), ..) => {
            Some(Line::Probe { ts, src, target: fields.target, ok, latency_ms: fields.latency_ms })
        }
        ("count", _, Some(total), Some(errors)) => Some(Line::Count { ts, src, total, errors }),
        _ => None,
    }
}

/// A time as the tools write it, `2026-01-01T00:00:00.000Z`; the general way takes ten times as long.
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
            Record::Start(start) => {
                Self::Start { tool: start.tool, deployment: start.deployment, interval_ms: start.interval_ms }
            }
            Record::Probe(probe) if probe.local => Self::Other,
            Record::Probe(probe) => Self::Probe {
                ts: probe.ts,
                src: probe.src.into(),
                target: probe.target.into(),
                ok: probe.ok,
                latency_ms: probe.latency_ms,
            },
            Record::Count { ts, src, total, errors, .. } => {
                Self::Count { ts, src: src.into(), total, errors }
            }
            Record::Test(test) => {
                Self::Test { failed: matches!(test.result, TestResult::Fail | TestResult::Error) }
            }
            Record::End { exit, records, .. } => Self::End { exit, records },
            Record::Verdict(_) | Record::Unknown => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::tests::{START, end, probe};

    #[test]
    fn both_ways_read_the_same() {
        let count = r#"{"v":1,"type":"count","ts":"2026-01-01T00:00:00.000Z","window_ms":10000,"src":"ng\u0069nx","total":7,"errors":1}"#;
        let local = probe(false).replace(r#""ok":false"#, r#""ok":false,"local":true"#);
        for line in [probe(true), probe(false), count.to_owned(), local] {
            let quick = quickly(line.as_bytes());
            assert!(quick.is_some(), "{line}");
            assert_eq!(quick, stream::parse(&line).ok().map(Line::from));
        }
    }

    #[test]
    fn what_is_not_of_the_two_is_read_as_everywhere() {
        for line in [START.to_owned(), end(1, 2), r#"{"v":1,"type":"weather","ok":"sunny"}"#.to_owned()] {
            assert_eq!(quickly(line.as_bytes()), None);
            assert_eq!(parse(line.as_bytes()), stream::parse(&line).map(Line::from));
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
        fn a_time_is_the_same_in_both_ways(ms in -62_135_596_800_000..253_402_300_799_999_i64, at in 0..24_usize, byte: u8) {
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
        fn what_one_way_takes_the_other_takes_as_well(at in 0..400_usize, byte: u8) {
            let mut line = probe(true).into_bytes();
            let at = at % line.len();
            line[at] = byte;
            // A field that no verdict needs is not looked into; where both read it, they read the same.
            if let (Some(quick), Ok(slow)) = (quickly(&line), stream::parse(&String::from_utf8_lossy(&line))) {
                prop_assert_eq!(quick, Line::from(slow));
            }
        }
    }
}
