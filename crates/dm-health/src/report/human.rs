//! The report for people: a line a probe, and a summary.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::show;
use common::stream::Start;

use crate::policy::Step;
use crate::probe::{Outcome, Target, milliseconds};
use crate::tally::Tally;

/// A report for people.
#[derive(Debug)]
pub struct Human<W> {
    out: W,
    every_probe: bool,
    /// Whether the last probe succeeded.
    was_ok: Option<bool>,
    closed: bool,
}

impl<W: Write> Human<W> {
    pub(super) fn begin(out: W, every_probe: bool, target: &Target, start: &Start) -> io::Result<Self> {
        let mut human = Self { out, every_probe, was_ok: None, closed: false };
        let interval = start.interval_ms.map(Duration::from_millis).map(show).unwrap_or_default();
        human.line(&format!("polling {} every {interval}", target.shown))?;
        Ok(human)
    }

    pub(super) fn probe(&mut self, outcome: &Outcome, step: Step) -> io::Result<()> {
        let is_news = !outcome.is_ok() || self.was_ok != Some(true);
        self.was_ok = Some(outcome.is_ok());
        if self.every_probe || is_news {
            self.line(&line(outcome))?;
        }
        if step == Step::WatchBegins {
            self.line("healthy; watching on")?;
        }
        Ok(())
    }

    pub(super) fn end(&mut self, sentence: &str, tally: &Tally) -> io::Result<()> {
        self.line(sentence)?;
        self.line(&numbers(tally))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// As with records, a reader that goes away is no error.
    fn line(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.out.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}

fn line(outcome: &Outcome) -> String {
    let time = time(outcome.sent_at);
    let took = outcome.latency.map(|latency| shown_ms(milliseconds(latency))).unwrap_or_default();
    match (&outcome.failure, outcome.status) {
        (Some(failure), _) => {
            format!("{time}  FAIL {took:>9}  {}: {}", failure.reason, failure.message)
        }
        (None, Some(status)) => format!("{time}  ok   {took:>9}  {status}"),
        (None, None) => format!("{time}  ok   {took:>9}"),
    }
}

fn time(when: DateTime<Utc>) -> String {
    when.format("%H:%M:%S%.3fZ").to_string()
}

fn numbers(tally: &Tally) -> String {
    let probes = if tally.probes == 1 { "probe" } else { "probes" };
    let mut text = format!("{} {probes}, {} failed", tally.probes, tally.failures);
    if let Some(quantiles) = tally.latencies.quantiles() {
        let [p50, p95, max] = [quantiles.p50, quantiles.p95, quantiles.max].map(shown_ms);
        // Writing into a String cannot fail.
        let _ = write!(text, "; latency p50 {p50}, p95 {p95}, max {max}");
    }
    text
}

/// Below 10 ms the tenths matter.
fn shown_ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}ms") } else { format!("{ms:.0}ms") }
}

#[cfg(test)]
mod tests {
    use common::event::Reason;
    use common::stream::Phases;
    use url::Url;

    use super::*;
    use crate::probe::Failure;

    fn outcome(ok: bool) -> Outcome {
        let failure = Failure { reason: Reason::BadStatus, message: "status 503, expected 2xx".to_owned() };
        Outcome {
            sent_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            address: None,
            status: Some(if ok { 200 } else { 503 }),
            latency: Some(Duration::from_micros(8_149)),
            phases: Phases::default(),
            failure: (!ok).then_some(failure),
        }
    }

    fn told(every_probe: bool, oks: &[bool]) -> String {
        let start = Start {
            tool: String::new(),
            run: String::new(),
            service: String::new(),
            environment: String::new(),
            deployment: String::new(),
            ts: DateTime::UNIX_EPOCH,
            interval_ms: Some(1000),
        };
        let target = Target::new(&Url::parse("http://u:p@h/?t=1").unwrap(), None).unwrap();
        let mut out = Vec::new();
        let mut human = Human::begin(&mut out, every_probe, &target, &start).unwrap();
        let mut tally = Tally::default();
        for ok in oks {
            tally.add(&outcome(*ok));
            human.probe(&outcome(*ok), Step::Continue).unwrap();
        }
        human.end("that was it", &tally).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_failure_and_every_change_is_told() {
        assert_eq!(
            told(false, &[false, true, true, true]),
            "\
polling http://***@h/?t=*** every 1.0s
00:00:00.000Z  FAIL     8.1ms  bad_status: status 503, expected 2xx
00:00:00.000Z  ok       8.1ms  200
that was it
4 probes, 1 failed; latency p50 8.1ms, p95 8.1ms, max 8.1ms
"
        );
    }

    #[test]
    fn on_a_terminal_every_probe_is_told() {
        assert_eq!(told(true, &[true, true, true]).lines().count(), 6);
    }
}
