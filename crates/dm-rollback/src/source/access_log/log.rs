//! A log: turns its lines into evidence. Pure; the clock is an argument.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use common::duration::format_duration;

use super::args::LogArgs;
use super::backlog::{Arrival, Backlog};
use super::entry::Entry;
use super::filters::Filters;
use super::lag::{Lag, SMALL};
use super::order::Order;
use super::outcome::Outcome;
use super::recent::Recent;
use super::tally::Tally;
use super::time::PlausibleTimes;
use super::{combined, json};
use crate::decision::baseline::MIN_BASELINE;
use crate::evidence::{Criteria, Evidence, MAX_AGE, MAX_LINE_BYTES, Requests};

/// The name of this source in records and labels.
const NAME: &str = "access_log";

/// The number of unreadable lines that are not worth a note.
const FEW_ODD: u64 = 10;

/// A request that takes this many milliseconds is one whose line may be late.
const PROMPT_MS: f64 = 1000.0;

/// If this number of requests is expected, the probability that none arrives is 1 in 20,000 (Poisson).
const FEW: f64 = 10.0;

const NO_DURATION: &str = "a line has no duration with a known unit, so it is no evidence for --if-latency: add rt=$request_time and urt=$upstream_response_time to nginx's log_format, or upstream_response_time, request_time (both in seconds) or duration_ms to JSON";

/// Counts the requests of a log.
#[derive(Debug)]
pub(super) struct Log {
    evidence: Evidence,
    filters: Filters,
    count_client_aborts: bool,
    lines: u64,
    odd: u64,
    /// Whether the rest of a line that is too long is skipped.
    skips: bool,
    /// The latest time in a line.
    newest: Option<DateTime<Utc>>,
    /// How old that may be. `None` if an old log is evidence too.
    oldest: Option<DateTime<Utc>>,
    /// Requests that are about the application, such as those of users.
    counted: u64,
    /// The earliest and the latest of their times, and when the last of them arrived.
    span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    last_arrival: Duration,
    before: Tally,
    after: Tally,
    recent: Recent,
    order: Order,
    live: Option<Live>,
    is_watched: bool,
    lag: Lag,
    notes: Vec<String>,
    noted_duration: bool,
    noted_lag: bool,
}

/// What a log that is watched needs in addition: its lines are from now on, except those that were there at the beginning.
#[derive(Debug)]
struct Live {
    since: DateTime<Utc>,
    /// `None` when the lines that were there have been read.
    backlog: Option<Backlog>,
}

/// A request with its time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    ts: DateTime<Utc>,
    tally: Tally,
    /// Whether its line was due at its time. That of a request that failed, or took long, may be late.
    is_prompt: bool,
}

impl Log {
    /// An empty log. `is_watched` if its lines arrive as they are written.
    pub(super) fn new(criteria: Criteria, args: &LogArgs, is_watched: bool) -> Self {
        let live = |since| Live { since, backlog: Some(Backlog::default()) };
        Self {
            evidence: Evidence::new(criteria),
            filters: Filters::new(args),
            count_client_aborts: args.count_client_aborts,
            lines: 0,
            odd: 0,
            skips: false,
            newest: None,
            oldest: None,
            counted: 0,
            span: None,
            last_arrival: Duration::ZERO,
            before: Tally::default(),
            after: Tally::default(),
            recent: Recent::new(criteria.bucket),
            order: Order::default(),
            live: criteria.since.filter(|_| is_watched).map(live),
            is_watched,
            lag: Lag::default(),
            notes: Vec::new(),
            noted_duration: false,
            noted_lag: false,
        }
    }

    /// Refuses a log that is a recording at this time: it says nothing about the version that is live.
    pub(super) fn refuse_recording(self, now: DateTime<Utc>) -> Self {
        Self { oldest: Some(now - MAX_AGE), ..self }
    }

    /// Whether reading can end: more lines change nothing.
    pub(super) fn is_over(&self) -> bool {
        if self.evidence.damage.is_some() || self.evidence.is_bad() {
            return self.evidence.damage.is_some() || !self.reads_on();
        }
        self.evidence.is_decisive() && self.complaint().is_none()
    }

    /// Whether a fault is proven, but the rest of the log may show that it is none: the baseline may be at its end, in the
    /// wrong order, or it may end long ago.
    pub(super) fn reads_on(&self) -> bool {
        let has_baseline =
            self.evidence.criteria().since.is_none() || self.before.requests.total >= MIN_BASELINE;
        !self.is_watched && (!has_baseline || self.age().is_some()) && self.evidence.is_bad()
    }

    /// How long ago the log ends, if that is too long.
    fn age(&self) -> Option<TimeDelta> {
        let (oldest, newest) = self.oldest.zip(self.newest)?;
        (newest < oldest).then(|| oldest + MAX_AGE - newest)
    }

    /// The evidence so far.
    pub(super) fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Sentences for the operator since the last call.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Counts the complete lines, which arrive at `now`, and keeps the rest.
    pub(super) fn take_lines(&mut self, rest: &mut Vec<u8>, now: DateTime<Utc>, elapsed: Duration) {
        let times = PlausibleTimes::at(now);
        if std::mem::take(&mut self.skips) {
            self.skip(rest);
        }
        let mut begin = 0;
        let mut samples = Vec::new();
        while let Some(length) = rest[begin..].iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&rest[begin..begin + length]);
            samples.extend(self.parse(line.trim_end(), &times));
            begin += length + 1;
        }
        if samples.iter().any(|sample: &Sample| sample.tally.counts()) {
            self.last_arrival = elapsed;
        }
        rest.drain(..begin);
        self.place(&samples, now, elapsed);
        // What a client sends may be in it, so that it is one unreadable line, and no reason to doubt the others.
        if rest.len() > MAX_LINE_BYTES {
            self.lines += 1;
            self.odd += 1;
            self.skip(rest);
        }
    }

    /// Skips the rest of a line.
    fn skip(&mut self, rest: &mut Vec<u8>) {
        let end = rest.iter().position(|byte| *byte == b'\n');
        self.skips = end.is_none();
        rest.drain(..end.map_or(rest.len(), |end| end + 1));
    }

    /// The request in a line, if it counts.
    fn parse(&mut self, line: &str, times: &PlausibleTimes) -> Option<Sample> {
        if line.is_empty() {
            return None;
        }
        self.lines += 1;
        let is_json = line.trim_start().starts_with('{');
        let entry = if is_json { json::parse(line, times) } else { combined::parse(line, times) };
        let Some(entry) = entry else {
            self.odd += 1;
            return None;
        };
        self.newest = self.newest.max(Some(entry.ts));
        if !self.filters.select(&entry) {
            return None;
        }
        let (ts, tally) = (entry.ts, self.judge(&entry));
        if tally.counts() {
            self.counted += 1;
            self.span = Some(self.span.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))));
        }
        let is_quick = entry.milliseconds.is_none_or(|ms| ms < PROMPT_MS);
        let has_failed = matches!(entry.status, 0 | 408 | 499 | 500..600) || tally.requests.errors > 0;
        Some(Sample { ts, tally, is_prompt: is_quick && !has_failed })
    }

    fn judge(&mut self, entry: &Entry<'_>) -> Tally {
        let latency = self.evidence.criteria().latency;
        let slow = latency.zip(entry.milliseconds).map(|(latency, ms)| latency.is_slow(ms));
        let tally = Tally::one(Outcome::of(entry), slow, self.count_client_aborts);
        let needs_duration = latency.is_some() && entry.milliseconds.is_none() && tally.requests.total > 0;
        if needs_duration && !self.noted_duration {
            self.noted_duration = true;
            self.notes.push(NO_DURATION.to_owned());
        }
        tally
    }

    /// Finds out which of these requests are from after the deployment, and counts them.
    fn place(&mut self, samples: &[Sample], now: DateTime<Utc>, elapsed: Duration) {
        let Some(newest) = samples.iter().map(|sample| sample.ts).max() else { return };
        if newest > now {
            self.lag.observe(std::iter::once(newest), now);
        }
        let Some(live) = &mut self.live else {
            return self.place_recorded(samples, now);
        };
        let since = live.since;
        if let Some(why) = Lag::ahead(newest, now) {
            self.refuse(Some(why));
        } else if let Some(backlog) = &mut live.backlog
            && !backlog.is_over(elapsed, newest)
        {
            // Anything older is from before the deployment, by any clock that is accepted.
            let oldest = since - TimeDelta::minutes(2);
            let arrival = Arrival::at(elapsed);
            for Sample { ts, tally, .. } in samples {
                backlog.hold((*ts).max(oldest), arrival, *tally);
            }
        } else {
            let backlog = live.backlog.take();
            self.lag.observe(samples.iter().filter(|sample| sample.is_prompt).map(|sample| sample.ts), now);
            self.release(since, backlog);
            self.count_live(since, samples, now);
            self.judge_lag(now);
        }
    }

    /// Counts lines of a log that is read to its end. After a proof only their order matters.
    fn place_recorded(&mut self, samples: &[Sample], now: DateTime<Utc>) {
        for Sample { ts, tally, .. } in samples {
            self.order.observe(*ts, self.evidence.criteria().since);
            if !self.evidence.is_bad() {
                self.refuse(Lag::ahead(*ts, now));
                self.count((*ts).min(now), *tally);
            }
            if self.is_over() {
                return;
            }
        }
    }

    /// Damages the evidence, unless it proves something already.
    fn refuse(&mut self, why: Option<String>) {
        if why.is_some() && !self.evidence.is_bad() && !self.is_over() {
            self.evidence.damage = why;
        }
    }

    /// Counts the lines of the beginning. Those that arrived after the start become the baseline only if live lines showed the
    /// log's clock. Differences too small to be corrected leave it open on which side of the deployment its last seconds are.
    fn release(&mut self, since: DateTime<Utc>, backlog: Option<Backlog>) {
        let correction = self.lag.correction();
        let oldest_unclear = if self.lag.is_observed() {
            since - SMALL - TimeDelta::seconds(1)
        } else {
            DateTime::<Utc>::MIN_UTC
        };
        let unclear = oldest_unclear..=since;
        for (ts, arrival, tally) in backlog.into_iter().flat_map(Backlog::release) {
            let ts = ts + correction;
            if arrival == Arrival::AtOnce || !unclear.contains(&ts) {
                self.count(ts, tally);
            }
        }
    }

    /// Counts lines that arrived during the watch. They are never the baseline: if their time is before the deployment, the
    /// server wrote them late, or its clock is not known yet.
    fn count_live(&mut self, since: DateTime<Utc>, samples: &[Sample], now: DateTime<Utc>) {
        let correction = self.lag.correction();
        for Sample { ts, tally, .. } in samples {
            let ts = (*ts + correction).min(now);
            if ts > since && !self.is_over() {
                self.count(ts, *tally);
            }
        }
    }

    fn judge_lag(&mut self, now: DateTime<Utc>) {
        if !self.noted_lag && self.lag.is_known(now) {
            self.noted_lag = true;
            // A clock that cannot be corrected forbids a keep, but a fault may still be proven.
            self.notes.extend(self.lag.note().or_else(|| self.lag.complaint()));
        }
    }

    fn count(&mut self, ts: DateTime<Utc>, tally: Tally) {
        let is_before = self.evidence.criteria().since.is_some_and(|since| ts <= since);
        if is_before {
            self.before += tally;
        } else {
            self.after += tally;
            self.recent.add(ts, tally);
        }
        if tally.requests != Requests::default() {
            self.evidence.count(ts, NAME, tally.requests);
        }
    }

    /// Why requests are missing at the end of the watch, if they are. Lines that do not count, such as those of a load
    /// balancer's checks, do not show that users still get through. A server may buffer its log for a quarter of the watch;
    /// and if only a few requests are expected, silence is normal.
    pub(super) fn silence(&self, elapsed: Duration, watch: Duration) -> Option<String> {
        let silence = elapsed.saturating_sub(self.last_arrival);
        let (first, last) = self.span?;
        let covered = (last - first).to_std().unwrap_or_default().max(Duration::from_secs(1));
        #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
        let expected = self.counted as f64 * silence.as_secs_f64() / covered.as_secs_f64();
        (expected > FEW && silence > watch / 4).then(|| {
            let (shown, whole) = (format_duration(silence), format_duration(watch));
            format!("the log had no new requests that count in the last {shown} of {whole}")
        })
    }

    /// Ends the log; `why` says why its lines may be incomplete. Nothing that is odd about a log overrides a proof.
    pub(super) fn finish(mut self, why: Option<String>) -> (Evidence, Vec<String>) {
        if let Some(live) = self.live.take() {
            self.release(live.since, live.backlog);
        }
        if !self.noted_lag {
            self.notes.extend(self.lag.note());
        }
        self.evidence.finish();
        let (lines, odd) = (self.lines, self.odd);
        if 2 * odd <= lines && odd > FEW_ODD.max(lines / 100) {
            self.notes.push(self.unread());
        }
        self.notes.extend(self.after.notes(&self.before));
        let disorder = self.order.complaint();
        if disorder.is_some() {
            // Lines that came too late would have raised the limit, or are in the wrong bucket.
            self.evidence.damage = disorder;
        } else if let Some(age) = self.age() {
            let age = format_duration(age.to_std().unwrap_or_default());
            self.evidence.damage = Some(format!(
                "the log is a recording: its last request was {age} ago. Give --dry-run to judge it"
            ));
        } else if self.evidence.damage.is_none() && !self.evidence.is_bad() {
            self.evidence.damage = why.or_else(|| self.complaint());
        }
        (self.evidence, self.notes)
    }

    /// Why the log is no evidence of a good version; `None` if it may be one.
    fn complaint(&self) -> Option<String> {
        let (lines, odd) = (self.lines, self.odd);
        let mut complaint = self.lag.complaint();
        if 2 * odd > lines {
            complaint = complaint.or_else(|| Some(self.unread()));
        }
        if odd < lines {
            complaint = complaint.or_else(|| self.filters.complaint());
        }
        complaint
            .or_else(|| self.after.complaint(&self.before))
            .or_else(|| self.recent.complaint(&self.before))
    }

    fn unread(&self) -> String {
        let (lines, odd) = (self.lines, self.odd);
        format!("{odd} of {lines} lines are neither the combined format nor JSON with a time and a status")
    }
}

#[cfg(test)]
mod tests;
