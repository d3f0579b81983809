//! Reads the evidence from a stream of records on stdin.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::clock::Clock;
use common::duration::format_duration;
use common::event::TestResult;
use common::label::Label;

use super::criteria::MAX_NAMES;
use super::intake::Detection;
use super::line::{self, Line};
use super::versions::{Answered, Versions};
use super::{Criteria, Evidence, Latency, MAX_LINE_BYTES, Requests};

/// The maximum age of a stream, from its last record, and of a log.
pub(crate) const MAX_AGE: TimeDelta = TimeDelta::minutes(10);

/// The maximum number of failed tests, and of flaky ones, that are named.
const MAX_FAILURES: usize = 5;

/// What the stream has to be about.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// The service that is deployed.
    pub service: Label,
    /// The environment that it is deployed to.
    pub environment: Label,
    /// The deployment, if it was given: otherwise the stream names it.
    pub deployment: Option<Label>,
    /// The version that has to answer.
    pub versions: Versions,
    /// Whether an old stream is evidence too, because nothing will be rolled back.
    pub allow_recording: bool,
    /// The sources that have to be observed, because a rollback was due to them.
    pub required_sources: BTreeSet<String>,
}

/// The state of reading.
struct Reader<'a> {
    evidence: Evidence,
    subject: &'a Subject,
    clock: &'a dyn Clock,
    /// The number of the current line, from 1.
    line: u64,
    records: u64,
    /// The latest time of the lines that are no requests: the start, the tests and the end.
    latest: Option<DateTime<Utc>>,
    /// The number of the last probe.
    seq: u64,
    /// Whether the beginning of the stream was read before.
    is_continued: bool,
    /// Whether reading stopped before the end of the stream, because its requests are decisive.
    has_decided: bool,
}

impl Evidence {
    /// Reads a stream to its end, or until it is decided. Calls `on_progress` at the end of each bucket. It never fails:
    /// [`Evidence::damage`] says what is wrong with the stream.
    pub(crate) fn read(
        input: impl BufRead,
        criteria: Criteria,
        subject: &Subject,
        clock: &dyn Clock,
        on_progress: impl FnMut(&Self),
    ) -> Self {
        let mut reader = Reader::new(criteria, subject, clock);
        reader.read(input, on_progress);
        reader.check_end();
        let mut evidence = reader.evidence;
        evidence.finish();
        evidence
    }

    /// Reads on in a stream whose beginning was read before, until it is decided or ends.
    pub(crate) fn read_on(
        input: impl BufRead,
        criteria: Criteria,
        subject: &Subject,
        clock: &dyn Clock,
    ) -> Self {
        let mut reader = Reader { is_continued: true, ..Reader::new(criteria, subject, clock) };
        reader.read(input, |_| {});
        let mut evidence = reader.evidence;
        evidence.finish();
        evidence
    }
}

impl<'a> Reader<'a> {
    fn new(criteria: Criteria, subject: &'a Subject, clock: &'a dyn Clock) -> Self {
        let mut evidence = Evidence::new(criteria);
        evidence.versions = subject.versions.clone();
        evidence.is_stream = true;
        evidence.required.clone_from(&subject.required_sources);
        Self {
            evidence,
            subject,
            clock,
            line: 0,
            records: 0,
            latest: None,
            seq: 0,
            is_continued: false,
            has_decided: false,
        }
    }

    fn read(&mut self, mut input: impl BufRead, mut on_progress: impl FnMut(&Evidence)) {
        let mut line = Vec::new();
        let mut bucket = None;
        while self.evidence.damage.is_none() && !self.evidence.is_bad() {
            line.clear();
            match input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(MAX_LINE_BYTES) if line.last() != Some(&b'\n') => {
                    self.damage(format!("a line is longer than {MAX_LINE_BYTES} bytes"));
                }
                Ok(_) => self.take(&line),
                Err(error) => self.damage(format!("stdin cannot be read: {error}")),
            }
            if self.evidence.timeline.latest_bucket() != bucket {
                bucket = self.evidence.timeline.latest_bucket();
                on_progress(&self.evidence);
                if self.evidence.is_decisive() {
                    self.has_decided = true;
                    break;
                }
            }
        }
        self.has_decided |= self.evidence.is_bad();
    }

    fn check_end(&mut self) {
        let evidence = &self.evidence;
        // A producer that died proves nothing by what it wrote until then, however good that was.
        if evidence.damage.is_none() && evidence.exit.is_none() && !self.has_decided {
            self.damage(match evidence.producer {
                None => "stdin is empty: is --format jsonl missing?".to_owned(),
                Some(_) => "the stream has no end: its producer died".to_owned(),
            });
        }
        self.check_age();
    }

    fn damage(&mut self, why: String) {
        self.evidence.damage.get_or_insert(why);
    }

    /// A stream of another time is no evidence about the version that is live.
    fn check_age(&mut self) {
        // The time of requests is corrected; other lines tell the time of a stream without any.
        let Some(latest) = self.evidence.timeline.latest().or(self.latest) else { return };
        let now = self.clock.now();
        self.evidence.timeline.check_future(latest, now);
        if self.subject.allow_recording {
            return;
        }
        let age = now - latest;
        if latest == DateTime::UNIX_EPOCH {
            self.damage(
                "no line of the stream has a time, so it may be a recording: add ts to its lines, or give --dry-run to \
                 judge it"
                    .to_owned(),
            );
        } else if age > MAX_AGE {
            let age = format_duration(age.to_std().unwrap_or_default());
            self.damage(format!("the stream is a recording: it ended {age} ago. Give --dry-run to judge it"));
        }
    }

    fn take(&mut self, line: &[u8]) {
        self.line += 1;
        if line.trim_ascii().is_empty() {
            return;
        }
        let line = match line::parse(line) {
            Ok(line) => line,
            Err(why) => {
                return self.damage(format!("line {} of the stream is not a record: {why}", self.line));
            }
        };
        if self.evidence.exit.is_some() {
            return self.damage("the stream goes on after its end: more than one producer?".to_owned());
        }
        match line {
            Line::Start(_) if self.evidence.producer.is_some() => {
                self.damage("the stream starts twice: more than one producer?".to_owned());
            }
            Line::Start(start) => self.start(*start),
            // What came before is not known: neither whom the rest is about, nor what it was.
            _ if self.evidence.producer.is_none() && !self.is_continued => {
                self.damage(
                    "the beginning of the stream is missing: its first record is not start".to_owned(),
                );
            }
            Line::End { ts, exit, records } => {
                self.latest = self.latest.max(Some(ts));
                self.evidence.timeline.end(ts);
                self.evidence.exit = Some(exit);
                if records != self.records {
                    let arrived = self.records;
                    self.damage(format!("the producer wrote {records} records and {arrived} arrived"));
                }
            }
            Line::Probe(probe) => {
                self.records += 1;
                self.probe(&probe);
            }
            Line::Count { ts, src, total, errors } => {
                self.records += 1;
                let ts = self.arrive(ts);
                self.evidence.count(ts, &src, Requests { total, errors, ..Requests::default() });
            }
            Line::Test { ts, result, description } => {
                self.records += 1;
                self.latest = self.latest.max(Some(ts));
                self.test(result, description);
            }
            Line::Local { ts, control } => {
                self.records += 1;
                let ts = self.arrive(ts);
                // Time goes on, also if nothing can be observed.
                self.evidence.bucket(ts);
                if control {
                    self.evidence.expect_control();
                }
            }
            Line::Other => self.records += 1,
        }
    }

    fn start(&mut self, start: common::records::Start) {
        let Subject { service, environment, deployment, .. } = self.subject;
        let differs = |theirs: &str, ours: &Label| !theirs.is_empty() && theirs != ours.as_str();
        if differs(&start.service, service) || differs(&start.environment, environment) {
            let (theirs, there) = (&start.service, &start.environment);
            self.damage(format!(
                "the stream is about {theirs} in {there}, not about {service} in {environment}: set DM_SERVICE and \
                 DM_ENVIRONMENT for both tools"
            ));
        }
        if let Some(ours) = deployment.as_ref().filter(|ours| differs(&start.deployment, ours)) {
            self.damage(format!("the stream is about deployment {}, not about {ours}", start.deployment));
        }
        self.latest = self.latest.max(Some(start.ts));
        self.evidence.criteria.watch_min = start.watch_min_ms.map(Duration::from_millis);
        self.evidence.has_expectations = start.expectations;
        self.evidence.producer = Some(start.tool);
        self.evidence.deployment = Some(start.deployment);
    }

    fn test(&mut self, result: TestResult, description: String) {
        let evidence = &mut self.evidence;
        let named = match result {
            TestResult::Fail | TestResult::Error => {
                evidence.failed_tests += 1;
                &mut evidence.failures
            }
            TestResult::Flaky => {
                evidence.passed_tests += 1;
                &mut evidence.flaky
            }
            TestResult::Pass => {
                evidence.passed_tests += 1;
                return;
            }
            TestResult::Skip => return,
        };
        if named.len() < MAX_FAILURES {
            named.push(description);
        }
    }

    fn probe(&mut self, probe: &line::Probe<'_>) {
        let last = std::mem::replace(&mut self.seq, probe.seq);
        if probe.seq > 0 && probe.seq <= last {
            return self.damage(format!(
                "probe {} arrives after probe {last} or twice: is the stream written by two producers?",
                probe.seq
            ));
        }
        // Whoever gave up waiting has no duration, but it was not quick.
        let is_slow = |latency: Latency| match probe.latency_ms {
            Some(ms) => Some(latency.is_slow(ms)),
            None => probe.timed_out.then_some(true),
        };
        let slow = self.evidence.criteria.latency.and_then(is_slow);
        let (timed, slow) = (u64::from(slow.is_some()), u64::from(slow == Some(true)));
        let requests = Requests { total: 1, errors: u64::from(!probe.ok), timed, slow };
        let ts = self.arrive(probe.ts);
        let evidence = &mut self.evidence;
        if probe.control {
            evidence.add_control_probe(ts, &probe.src, requests, probe.version.as_deref());
            return;
        }
        if !evidence.targets.contains(&*probe.target) && evidence.targets.len() < MAX_NAMES {
            evidence.targets.insert(probe.target.clone().into_owned());
        }
        // The bucket ends also if another version answered.
        let bucket = evidence.bucket(ts);
        let is_first = bucket.is_some() && probe.ok && !evidence.has_succeeded();
        // While a version is rolled out, the previous one answers, which fails if dm-health expects a version.
        let is_other = evidence.versions.recognize(probe.version.as_deref()) == Answered::Other;
        evidence.has_expectations |= !probe.ok && !probe.is_repeatable && !is_other;
        let detection =
            evidence.add_probe(bucket, (&probe.src, &probe.target), requests, probe.version.as_deref());
        // The watch begins with the first request that counts.
        if is_first || detection == Detection::Began {
            evidence.timeline.begin(ts);
        }
    }

    /// The time of a record, corrected if the producer's clock was set.
    fn arrive(&mut self, ts: DateTime<Utc>) -> DateTime<Utc> {
        let clock = self.clock;
        let timeline = &mut self.evidence.timeline;
        // Only where it makes a difference: asking for our time for each record would be slow.
        if self.evidence.criteria.since.is_some() && !self.subject.allow_recording {
            timeline.arrived(ts, clock.now());
        }
        timeline.correct(ts, || clock.now())
    }
}
