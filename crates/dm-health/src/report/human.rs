//! The report for people: a line a probe, and a summary.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::records::Start;
use common::term::style::Palette;

use crate::policy::Step;
use crate::probe::{Outcome, Target, milliseconds};
use crate::tally::{Tallies, Tally};

use super::live::Live;

/// So many of several targets are listed.
const MAX_LISTED: usize = 20;

/// A report for people.
#[derive(Debug)]
pub struct Human<'a, W> {
    out: W,
    live: Option<Live>,
    paint: Palette,
    targets: &'a [Target],
    /// Of each target, whether its last probe succeeded.
    was_ok: Vec<bool>,
    closed: bool,
}

impl<'a, W: Write> Human<'a, W> {
    pub(super) fn begin(
        out: W,
        live: bool,
        paint: Palette,
        targets: &'a [Target],
        start: &Start,
    ) -> io::Result<Self> {
        let live = live.then(Live::begin);
        let mut human = Self { out, live, paint, targets, was_ok: vec![false; targets.len()], closed: false };
        let interval = start.interval_ms.map(Duration::from_millis).map(format_duration).unwrap_or_default();
        match targets {
            [target] => human.line(&format!("polling {} every {interval}", target.shown))?,
            several => {
                human.line(&format!("polling {} targets every {interval}", several.len()))?;
                for target in several.iter().take(MAX_LISTED) {
                    human.line(&format!("  {}: {}", target.name, target.shown))?;
                }
            }
        }
        Ok(human)
    }

    pub(super) fn probe(
        &mut self,
        target: usize,
        outcome: &Outcome,
        step: Step,
        seen: &Tallies,
    ) -> io::Result<()> {
        let was_ok = self.was_ok.get_mut(target).is_some_and(|was| mem::replace(was, outcome.is_ok()));
        if !outcome.is_ok() || !was_ok {
            let name = match self.targets {
                [_] => None,
                several => several.get(target).map(|target| target.name.as_str()),
            };
            self.line(&line(name, outcome, self.paint))?;
        }
        if step == Step::WatchBegins {
            self.line("healthy; watching on")?;
        }
        if let Some(live) = &self.live {
            // Of several, that of the one which was just probed would flicker.
            let sparkline =
                if self.targets.len() == 1 { seen.whole.course.sparkline() } else { String::new() };
            live.draw(&counts(&seen.whole), &sparkline);
        }
        Ok(())
    }

    pub(super) fn end(&mut self, sentence: &str, seen: &Tallies) -> io::Result<()> {
        if let Some(live) = self.live.take() {
            live.end();
        }
        self.line(sentence)?;
        if let [_] = self.targets {
            let lines = [numbers(&seen.whole), course(&seen.whole), seen.whole.course.sparkline()];
            return lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| self.line(line));
        }
        for (target, tally) in self.targets.iter().zip(&seen.each).take(MAX_LISTED) {
            let parts = [numbers(tally), course(tally), tally.course.sparkline()];
            let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            self.line(&format!("  {}: {}", target.name, parts.join("; ")))?;
        }
        self.line(&format!("  all: {}", numbers(&seen.whole)))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// As with records, a reader that goes away is no error.
    fn line(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let out = &mut self.out;
        let mut write = || out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush());
        let written = match &self.live {
            Some(live) => live.above(write),
            None => write(),
        };
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}

fn line(name: Option<&str>, outcome: &Outcome, paint: Palette) -> String {
    let time = time(outcome.sent_at);
    let name = name.map(|name| format!("{name}  ")).unwrap_or_default();
    let took = outcome.latency.map(|latency| shown_ms(milliseconds(latency))).unwrap_or_default();
    match (&outcome.failure, outcome.status) {
        (Some(failure), _) if failure.is_local => {
            let what = paint.warning("??? ");
            format!("{time}  {what} {took:>9}  {name}not probed: {}: {}", failure.reason, failure.message)
        }
        (Some(failure), _) => {
            let what = paint.bad("FAIL");
            format!("{time}  {what} {took:>9}  {name}{}: {}", failure.reason, failure.message)
        }
        (None, status) => {
            let what = paint.good("ok  ");
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            format!("{time}  {what} {took:>9}  {name}{status}").trim_end().to_owned()
        }
    }
}

fn time(when: DateTime<Utc>) -> String {
    when.format("%H:%M:%S%.3fZ").to_string()
}

/// How much of the time it served, as far as the probes tell; nothing without probes.
fn course(tally: &Tally) -> String {
    let Some(hundredths) = ((tally.probes - tally.failures) * 10_000).checked_div(tally.probes) else {
        return String::new();
    };
    // Cut off, not rounded: 100 % means that no probe failed.
    let availability = format!("availability {}.{:02} %", hundredths / 100, hundredths % 100);
    match tally.failures {
        0 => availability,
        _ => format!("{availability}, longest outage {}", format_duration(tally.course.longest_outage())),
    }
}

fn counts(tally: &Tally) -> String {
    let probes = if tally.probes == 1 { "probe" } else { "probes" };
    let mut text = format!("{} {probes}, {} failed", tally.probes, tally.failures);
    if tally.not_made > 0 {
        let _ = write!(text, ", {} could not be made", tally.not_made);
    }
    text
}

fn numbers(tally: &Tally) -> String {
    let mut text = counts(tally);
    if tally.skipped > 0 {
        let _ = write!(text, ", {} turns left out: a probe took longer than --interval", tally.skipped);
    }
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
    use common::records::Phases;

    use super::*;
    use crate::probe::Failure;

    fn outcome(ok: bool) -> Outcome {
        let failure = Failure::new(Reason::BadStatus, "status 503, expected 2xx");
        Outcome {
            sent_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            address: None,
            status: Some(if ok { 200 } else { 503 }),
            latency: Some(Duration::from_micros(8_149)),
            phases: Phases::default(),
            skipped: 0,
            failure: (!ok).then_some(failure),
        }
    }

    fn told(names: &[&str], oks: &[bool]) -> String {
        let start = Start {
            tool: String::new(),
            run: String::new(),
            service: String::new(),
            environment: String::new(),
            deployment: String::new(),
            ts: DateTime::UNIX_EPOCH,
            interval_ms: Some(1000),
        };
        let target = |name: &&str| {
            Target::new(&"http://u:p@h/?t=1".parse().unwrap(), Some(name.parse().unwrap())).unwrap()
        };
        let targets: Vec<Target> = names.iter().map(target).collect();
        let mut out = Vec::new();
        let mut human = Human::begin(&mut out, false, Palette::PLAIN, &targets, &start).unwrap();
        let mut seen = Tallies::new(targets.len());
        for (index, ok) in oks.iter().enumerate() {
            let target = index % targets.len();
            seen.add(target, &outcome(*ok));
            human.probe(target, &outcome(*ok), Step::Continue, &seen).unwrap();
        }
        human.end("that was it", &seen).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_failure_and_every_change_is_told() {
        assert_eq!(
            told(&["h"], &[false, true, true, true]),
            "\
polling http://***@h/?t=*** every 1.0s
00:00:00.000Z  FAIL     8.1ms  bad_status: status 503, expected 2xx
00:00:00.000Z  ok       8.1ms  200
that was it
4 probes, 1 failed; latency p50 8.1ms, p95 8.1ms, max 8.1ms
availability 75.00 %, longest outage 0ms
✗███
"
        );
    }

    #[test]
    fn several_targets_are_told_by_their_names() {
        assert_eq!(
            told(&["api", "web"], &[true, false, true, true]),
            "\
polling 2 targets every 1.0s
  api: http://***@h/?t=***
  web: http://***@h/?t=***
00:00:00.000Z  ok       8.1ms  api  200
00:00:00.000Z  FAIL     8.1ms  web  bad_status: status 503, expected 2xx
00:00:00.000Z  ok       8.1ms  web  200
that was it
  api: 2 probes, 0 failed; latency p50 8.1ms, p95 8.1ms, max 8.1ms; availability 100.00 %; ██
  web: 2 probes, 1 failed; latency p50 8.1ms, p95 8.1ms, max 8.1ms; availability 50.00 %, longest outage 0ms; ✗█
  all: 4 probes, 1 failed; latency p50 8.1ms, p95 8.1ms, max 8.1ms
"
        );
    }
}
