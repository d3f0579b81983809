//! What a stream showed, counted as it is read: the memory does not grow with the stream.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};

use chrono::{DateTime, Utc};
use common::event::{SourceCount, TestResult};
use common::http::parse_url;
use common::label::MASK;
use common::stream::{self, Record};
use url::Url;

use crate::rule::Rule;
use crate::source_label;

/// A line longer than this is no record of ours.
const MAX_LINE_BYTES: u64 = 1024 * 1024;

/// So many sources and targets are kept apart; more are a stream that makes up names.
const MAX_NAMES: usize = 64;

/// The longest bucket, for a stream that does not say how often it looks.
const BUCKET_MS: u64 = 10_000;

/// A bucket of a quick stream is shorter: so many looks.
const LOOKS_A_BUCKET: u64 = 10;

/// Everything that a verdict rests on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The deployment, as the producer named it.
    pub deployment: Option<String>,
    /// The producer.
    pub producer: Option<String>,
    /// How the producer ended, by its own `end` line.
    pub exit: Option<u8>,
    /// Why the stream cannot be trusted, where it cannot.
    pub damage: Option<String>,
    /// Smoke tests that neither passed nor were skipped.
    pub failed_tests: u64,
    counts: BTreeMap<String, Count>,
    targets: BTreeSet<String>,
    records: u64,
    /// The error rate that is allowed, in percent.
    allowed: Option<f64>,
    bucket_ms: i64,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Count {
    total: u64,
    errors: u64,
    /// Failures before the first success: the service was still starting.
    starting: u64,
    succeeded: bool,
    /// The evidence, where an error rate was asked for.
    rule: Option<Rule>,
}

impl Evidence {
    /// Reads a stream to its end, or until its errors prove that the version is worse than is allowed, in percent.
    /// What is wrong with it is kept in [`Evidence::damage`]: it never fails.
    pub fn read(mut input: impl BufRead, allowed: Option<f64>) -> Self {
        let mut evidence = Self { allowed, ..Self::default() };
        let mut line = Vec::new();
        while evidence.damage.is_none() && !evidence.is_decisive() {
            line.clear();
            match input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE_BYTES => {
                    evidence.damage = Some(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
                }
                Ok(_) => evidence.take(&String::from_utf8_lossy(&line)),
                Err(error) => evidence.damage = Some(format!("stdin cannot be read: {error}")),
            }
        }
        if evidence.damage.is_none() && evidence.exit.is_none() && !evidence.is_decisive() {
            evidence.damage = Some(match evidence.producer {
                None => "stdin is empty: is --format jsonl missing?".to_owned(),
                Some(_) => "the stream has no end: its producer died".to_owned(),
            });
        }
        for rule in evidence.counts.values_mut().filter_map(|count| count.rule.as_mut()) {
            rule.close();
        }
        evidence
    }

    /// Whether the errors of a source are proof already. A service that never answered may still be starting: its
    /// failures wait for the end.
    fn is_decisive(&self) -> bool {
        self.counts
            .values()
            .any(|count| count.succeeded && count.rule.as_ref().is_some_and(Rule::is_decisive))
    }

    /// What the errors of each source prove, in the order of [`Evidence::sources`].
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.counts.values().filter_map(|count| count.rule.as_ref())
    }

    /// Requests and errors of each source.
    pub fn sources(&self) -> Vec<SourceCount> {
        self.counts
            .iter()
            .map(|(source, count)| {
                let starting = if count.succeeded { 0 } else { count.starting };
                SourceCount {
                    source: source_label(source),
                    total: count.total + starting,
                    errors: count.errors + starting,
                }
            })
            .collect()
    }

    /// What was probed, as far as it can be probed again: a target whose secrets were masked cannot.
    pub fn targets(&self) -> Vec<Url> {
        self.targets
            .iter()
            .filter(|target| !target.contains(MASK))
            .filter_map(|target| parse_url(target).ok())
            .collect()
    }

    fn take(&mut self, line: &str) {
        let record = match stream::parse(line) {
            Ok(record) => record,
            Err(why) => {
                self.damage = Some(format!("line {} of the stream is not a record: {why}", self.records + 1));
                return;
            }
        };
        if self.exit.is_some() {
            self.damage = Some("the stream goes on after its end: more than one producer?".to_owned());
            return;
        }
        match record {
            Record::Start(_) if self.producer.is_some() => {
                self.damage = Some("the stream starts twice: more than one producer?".to_owned());
            }
            Record::Start(start) => {
                self.producer = Some(start.tool);
                self.deployment = Some(start.deployment);
                let looks = start.interval_ms.unwrap_or(BUCKET_MS).saturating_mul(LOOKS_A_BUCKET);
                self.bucket_ms = looks.clamp(1, BUCKET_MS).cast_signed();
            }
            Record::End { exit, records, .. } => {
                self.exit = Some(exit);
                if records != self.records {
                    self.damage =
                        Some(format!("the producer wrote {records} records and {} arrived", self.records));
                }
            }
            record => {
                self.records += 1;
                self.count(record);
            }
        }
    }

    fn count(&mut self, record: Record) {
        match record {
            // Trouble of the machine that probes is none of the version's.
            Record::Probe(probe) if probe.local => {}
            Record::Probe(probe) => {
                if self.targets.len() < MAX_NAMES {
                    self.targets.insert(probe.target);
                }
                let bucket = self.bucket(probe.ts);
                let allowed = self.allowed;
                let Some(count) = self.source(&probe.src) else { return };
                if probe.ok && !count.succeeded {
                    // What failed until now was a service that was starting.
                    count.rule = allowed.map(Rule::new);
                }
                if let Some(rule) = &mut count.rule {
                    rule.add(bucket, 1, u64::from(!probe.ok));
                }
                if probe.ok {
                    count.succeeded = true;
                    count.total += 1;
                } else if count.succeeded {
                    count.total += 1;
                    count.errors += 1;
                } else {
                    count.starting += 1;
                }
            }
            Record::Count { ts, src, total, errors, .. } => {
                if errors > total {
                    self.damage = Some(format!("{src} counts {errors} errors in {total} requests"));
                    return;
                }
                let bucket = self.bucket(ts);
                let Some(count) = self.source(&src) else { return };
                if let Some(rule) = &mut count.rule {
                    rule.add(bucket, total, errors);
                }
                count.total = count.total.saturating_add(total);
                count.errors = count.errors.saturating_add(errors);
                count.succeeded |= total > errors;
            }
            Record::Test(test) => {
                if matches!(test.result, TestResult::Fail | TestResult::Error) {
                    self.failed_tests += 1;
                }
            }
            Record::Start(_) | Record::End { .. } | Record::Verdict(_) | Record::Unknown => {}
        }
    }

    /// By the record's own time: a recorded stream gives the verdict that it gave live.
    fn bucket(&self, ts: DateTime<Utc>) -> i64 {
        ts.timestamp_millis().div_euclid(self.bucket_ms.max(1))
    }

    fn source(&mut self, src: &str) -> Option<&mut Count> {
        if self.counts.len() >= MAX_NAMES && !self.counts.contains_key(src) {
            self.damage = Some(format!("the stream has more than {MAX_NAMES} sources"));
            return None;
        }
        let rule = self.allowed.map(Rule::new);
        Some(self.counts.entry(src.to_owned()).or_insert_with(|| Count { rule, ..Count::default() }))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const START: &str = r#"{"v":1,"type":"start","tool":"dm-health","run":"r","service":"api","environment":"production","deployment":"d-42","ts":"2026-01-01T00:00:00.000Z","interval_ms":1000}"#;

    pub(crate) fn probe(ok: bool) -> String {
        probe_at(1, ok)
    }

    /// A probe so many seconds after the start.
    pub(crate) fn probe_at(seconds: usize, ok: bool) -> String {
        let ts = DateTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds as u64);
        let ts = ts.to_rfc3339();
        format!(
            r#"{{"v":1,"type":"probe","seq":1,"ts":"{ts}","name":"api","target":"http://h/health","src":"probe","ok":{ok},"status":null,"latency_ms":null,"phase_ms":{{}},"address":null,"reason":null}}"#
        )
    }

    pub(crate) fn end(exit: u8, records: usize) -> String {
        format!(r#"{{"v":1,"type":"end","ts":"2026-01-01T00:01:00.000Z","exit":{exit},"records":{records}}}"#)
    }

    /// A whole stream of these probes.
    pub(crate) fn stream(exit: u8, probes: &[bool]) -> Evidence {
        let mut lines = vec![START.to_owned()];
        lines.extend(probes.iter().enumerate().map(|(second, ok)| probe_at(second, *ok)));
        lines.push(end(exit, probes.len()));
        read(&lines)
    }

    pub(crate) fn read(lines: &[String]) -> Evidence {
        Evidence::read(lines.join("\n").as_bytes(), Some(5.0))
    }

    fn seen(evidence: &Evidence) -> Vec<(u64, u64)> {
        evidence.sources().iter().map(|source| (source.total, source.errors)).collect()
    }

    #[test]
    fn a_whole_stream_is_counted() {
        let evidence = stream(0, &[true, false, true]);
        assert_eq!(evidence.damage, None);
        assert_eq!(seen(&evidence), [(3, 1)]);
        assert_eq!(evidence.targets(), [Url::parse("http://h/health").unwrap()]);
        assert_eq!(evidence.deployment.as_deref(), Some("d-42"));
    }

    #[test]
    fn failures_before_the_first_success_count_only_when_none_follows() {
        assert_eq!(seen(&stream(0, &[false, false, true, false])), [(2, 1)]);
        assert_eq!(seen(&stream(1, &[false, false])), [(2, 2)]);
    }

    #[test]
    fn what_could_not_be_asked_is_no_evidence() {
        let local = probe(false).replace(r#""ok":false"#, r#""ok":false,"local":true"#);
        let evidence = read(&[START.to_owned(), probe(true), local, end(0, 2)]);
        assert_eq!((evidence.damage.as_deref(), seen(&evidence)), (None, vec![(1, 0)]));
    }

    #[test]
    fn a_cut_or_damaged_stream_is_told_of() {
        let damage = |lines: &[String]| read(lines).damage.unwrap_or_default();
        let start = START.to_owned();
        assert!(damage(&[]).contains("empty"));
        assert!(damage(&[start.clone(), probe(true)]).contains("producer died"));
        assert!(damage(&[start.clone(), probe(true), end(0, 2)]).contains("wrote 2 records and 1 arrived"));
        assert!(damage(&[start.clone(), "{\"v\":1,".to_owned()]).contains("not a record"));
        assert!(damage(&[start.clone(), start.clone()]).contains("starts twice"));
        assert!(damage(&[start.clone(), end(0, 0), probe(false)]).contains("goes on after its end"));
        assert!(damage(&["x".repeat(2_000_000)]).contains("longer than"));
        assert!(damage(&[start, r#"{"v":2,"type":"end"}"#.to_owned()]).contains("format version 2"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let evidence = Evidence::read(bytes.as_slice(), Some(5.0));
            prop_assert!(evidence.damage.is_some());
        }
    }
}
