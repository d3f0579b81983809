//! The evidence for a verdict, counted while it is read: memory use does not depend on its length.

mod criteria;
mod line;
mod observation;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read};

use chrono::{DateTime, Utc};
use common::event::SourceCount;
use common::http::parse_url;
use common::label::{Label, MASK};
use url::Url;

pub(crate) use criteria::{Criteria, Latency};
use line::Line;
pub(crate) use observation::{ErrorCounts, Observation, Requests};

/// The maximum length of a line: no record of the tools is longer.
pub(crate) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The maximum number of sources, and of targets. A stream with more makes up names.
const MAX_NAMES: usize = 64;

/// The length of a bucket in milliseconds, at most; also for a stream that does not state its probe interval.
const BUCKET_MS: u64 = 10_000;

/// The number of probes in a bucket if that makes it shorter than [`BUCKET_MS`].
const PROBES_PER_BUCKET: u64 = 10;

/// Everything that a verdict is based on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// The deployment's id, as the producer states it.
    pub deployment: Option<String>,
    /// The tool that writes the stream.
    pub producer: Option<String>,
    /// The producer's exit code, from its `end` line.
    pub exit: Option<u8>,
    /// Why the evidence cannot be trusted; `None` if it can.
    pub damage: Option<String>,
    /// Smoke tests that neither passed nor were skipped.
    pub failed_tests: u64,
    /// The state of the alerts, if Alertmanager was queried.
    pub alert: Option<Alert>,
    criteria: Criteria,
    observations: BTreeMap<String, Observation>,
    targets: BTreeSet<String>,
    records: u64,
    bucket_ms: i64,
    bucket: i64,
}

/// The state of the requested alerts in Alertmanager, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// An alert of this service fires, and began after the deployment.
    Firing(String),
    /// An alert of this service fires, and began before the deployment.
    FiredBefore(String),
    /// Alerts fire, but only those of other services.
    Elsewhere(String),
    /// No alert fires.
    Quiet,
    /// The state could not be determined, for this reason.
    Unknown(String),
}

impl Evidence {
    /// Empty evidence.
    pub fn new(criteria: Criteria) -> Self {
        Self { criteria, bucket_ms: BUCKET_MS.cast_signed(), bucket: i64::MIN, ..Self::default() }
    }

    /// Reads a stream to its end, or until it proves that the version is worse than allowed. Calls `on_progress` at the
    /// end of each bucket. It never fails: [`Evidence::damage`] says what is wrong with the stream.
    pub fn read(mut input: impl BufRead, criteria: Criteria, mut on_progress: impl FnMut(&Self)) -> Self {
        let mut evidence = Self::new(criteria);
        let mut line = Vec::new();
        let mut bucket = evidence.bucket;
        while evidence.damage.is_none() && !evidence.is_decisive() {
            line.clear();
            match input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(MAX_LINE_BYTES) if line.last() != Some(&b'\n') => {
                    evidence.damage = Some(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
                }
                Ok(_) => evidence.take(&line),
                Err(error) => evidence.damage = Some(format!("stdin cannot be read: {error}")),
            }
            if evidence.bucket != bucket {
                bucket = evidence.bucket;
                on_progress(&evidence);
            }
        }
        if evidence.damage.is_none() && evidence.exit.is_none() && !evidence.is_decisive() {
            evidence.damage = Some(match evidence.producer {
                None => "stdin is empty: is --format jsonl missing?".to_owned(),
                Some(_) => "the stream has no end: its producer died".to_owned(),
            });
        }
        evidence.finish();
        evidence
    }

    /// Ends the evidence: evaluates the open buckets.
    pub fn finish(&mut self) {
        self.observations.values_mut().for_each(Observation::finish);
    }

    /// Whether the evidence proves a bad version already, so that the watch can end.
    pub fn is_decisive(&self) -> bool {
        matches!(self.alert, Some(Alert::Firing(_)))
            || self.observations.values().any(Observation::is_decisive)
    }

    /// The limits that the evidence is tested against.
    pub fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// The observation of each source, by its name.
    pub fn observations(&self) -> impl Iterator<Item = (&str, &Observation)> {
        self.observations.iter().map(|(name, observation)| (name.as_str(), observation))
    }

    /// The number of requests and errors of each source.
    pub fn sources(&self) -> Vec<SourceCount> {
        let count = |(name, observation): (&str, &Observation)| SourceCount {
            source: source_label(name),
            total: observation.errors.total,
            errors: observation.errors.bad,
        };
        self.observations().map(count).collect()
    }

    /// The probed targets that can be probed again: a target with masked secrets cannot.
    pub fn targets(&self) -> Vec<Url> {
        self.targets
            .iter()
            .filter(|target| !target.contains(MASK))
            .filter_map(|target| parse_url(target).ok())
            .collect()
    }

    fn take(&mut self, line: &[u8]) {
        let line = match line::parse(line) {
            Ok(line) => line,
            Err(why) => {
                self.damage = Some(format!("line {} of the stream is not a record: {why}", self.records + 1));
                return;
            }
        };
        if self.exit.is_some() {
            self.damage = Some("the stream goes on after its end: more than one producer?".to_owned());
            return;
        }
        match line {
            Line::Start { .. } if self.producer.is_some() => {
                self.damage = Some("the stream starts twice: more than one producer?".to_owned());
            }
            Line::Start { tool, deployment, interval_ms } => {
                self.producer = Some(tool);
                self.deployment = Some(deployment);
                let bucket_ms = interval_ms.unwrap_or(BUCKET_MS).saturating_mul(PROBES_PER_BUCKET);
                self.bucket_ms = bucket_ms.clamp(1, BUCKET_MS).cast_signed();
            }
            Line::End { exit, records } => {
                self.exit = Some(exit);
                if records != self.records {
                    self.damage =
                        Some(format!("the producer wrote {records} records and {} arrived", self.records));
                }
            }
            Line::Probe { ts, src, target, ok, latency_ms } => {
                self.records += 1;
                if !self.targets.contains(&*target) && self.targets.len() < MAX_NAMES {
                    self.targets.insert(target.into_owned());
                }
                let slow = self.criteria.latency.zip(latency_ms).map(|(latency, ms)| latency.is_slow(ms));
                let (timed, slow) = (u64::from(slow.is_some()), u64::from(slow == Some(true)));
                let probe = Requests { total: 1, errors: u64::from(!ok), timed, slow };
                let bucket = self.bucket(ts);
                let criteria = self.criteria;
                if let Some(observation) = self.source(&src) {
                    observation.probe(bucket, probe, &criteria);
                }
            }
            Line::Count { ts, src, total, errors } => {
                self.records += 1;
                self.count(ts, &src, Requests { total, errors, ..Requests::default() });
            }
            Line::Test { failed } => {
                self.records += 1;
                self.failed_tests += u64::from(failed);
            }
            Line::Other => self.records += 1,
        }
    }

    /// Adds requests that a source counted in a window that ends at `ts`.
    pub fn count(&mut self, ts: DateTime<Utc>, src: &str, requests: Requests) {
        let Requests { total, errors, .. } = requests;
        if errors > total {
            self.damage = Some(format!("{src} counts {errors} errors in {total} requests"));
            return;
        }
        let bucket = self.bucket(ts);
        let criteria = self.criteria;
        if let Some(observation) = self.source(src) {
            observation.add(bucket, requests, &criteria);
        }
    }

    /// The bucket of a record's own time, so that a recorded stream gives the verdict that it gave live. `None` before the
    /// deployment.
    fn bucket(&mut self, ts: DateTime<Utc>) -> Option<i64> {
        if self.criteria.since.is_some_and(|since| ts <= since) {
            return None;
        }
        let bucket = ts.timestamp_millis().div_euclid(self.bucket_ms);
        self.bucket = self.bucket.max(bucket);
        Some(bucket)
    }

    fn source(&mut self, src: &str) -> Option<&mut Observation> {
        if !self.observations.contains_key(src) {
            if self.observations.len() >= MAX_NAMES {
                self.damage = Some(format!("the stream has more than {MAX_NAMES} sources"));
                return None;
            }
            let mut observation = Observation::default();
            observation.errors.baseline = self.criteria.baseline.unwrap_or_default();
            self.observations.insert(src.to_owned(), observation);
        }
        self.observations.get_mut(src)
    }
}

/// A source's name as a label value. Streams choose these names, so they are bounded before they become series.
pub(crate) fn source_label(src: &str) -> Label {
    Label::sanitize(src).or_else(|| Label::sanitize("unknown")).expect("not empty")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    pub(crate) const START: &str = r#"{"v":1,"type":"start","tool":"dm-health","run":"r","service":"api","environment":"production","deployment":"d-42","ts":"2026-01-01T00:00:00.000Z","interval_ms":1000}"#;

    pub(crate) const FIVE: Criteria =
        Criteria { error_rate: Some(5.0), latency: None, since: None, baseline: None };

    pub(crate) fn probe(ok: bool) -> String {
        probe_at(1, ok)
    }

    /// A probe, this number of seconds after the start.
    pub(crate) fn probe_at(seconds: usize, ok: bool) -> String {
        let ts = DateTime::UNIX_EPOCH + Duration::from_secs(seconds as u64);
        let ts = ts.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
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
        Evidence::read(lines.join("\n").as_bytes(), FIVE, |_| {})
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
    fn a_truncated_or_damaged_stream_is_reported() {
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
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let evidence = Evidence::read(bytes.as_slice(), FIVE, |_| {});
            prop_assert!(evidence.damage.is_some());
        }
    }
}
