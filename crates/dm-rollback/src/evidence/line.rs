//! One line of a stream, and of it only what a verdict needs, borrowed: a stream has millions of them.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
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
    let fields: Fields<'_> = serde_json::from_slice(line).ok()?;
    if fields.v != FORMAT {
        return None;
    }
    let ts = fields.ts.parse().ok()?;
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
