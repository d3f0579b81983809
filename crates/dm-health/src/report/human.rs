//! The report as text: a line per probe, and a summary.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::mem;
use std::time::Duration;

use chrono::{DateTime, Utc};
use common::duration::format_duration;
use common::output::LineWriter;
use common::records::Start;
use common::term::style::Palette;

use crate::policy::Step;
use crate::probe::{ProbeOutcome, Target, milliseconds, without_control};
use crate::stats::{RunStats, Stats};

use super::live::LiveLine;

/// How many targets are listed.
const MAX_LISTED: usize = 20;

/// A report as text.
#[derive(Debug)]
pub(crate) struct Human<'a, W> {
    out: LineWriter<W>,
    live: Option<LiveLine>,
    palette: Palette,
    targets: &'a [Target],
    /// For each target, whether its last probe succeeded.
    was_ok: Vec<bool>,
}

impl<'a, W: Write> Human<'a, W> {
    pub(super) fn begin(
        out: W,
        live: bool,
        palette: Palette,
        targets: &'a [Target],
        start: &Start,
    ) -> io::Result<Self> {
        let live = live.then(LiveLine::begin);
        let out = LineWriter::new(out);
        let mut human = Self { out, live, palette, targets, was_ok: vec![false; targets.len()] };
        let interval = start.interval_ms.map(Duration::from_millis).map(format_duration).unwrap_or_default();
        let decisive = without_control(targets);
        match decisive {
            [target] => human.line(&format!("polling {} every {interval}", target.display))?,
            several => {
                human.line(&format!("polling {} targets every {interval}", several.len()))?;
                for target in several.iter().take(MAX_LISTED) {
                    human.line(&format!("  {}: {}", target.name, target.display))?;
                }
            }
        }
        for target in targets.iter().skip(decisive.len()).take(MAX_LISTED) {
            human.line(&format!("  control {}: {}", target.name, target.display))?;
        }
        Ok(human)
    }

    pub(super) fn probe(
        &mut self,
        target: usize,
        outcome: &ProbeOutcome,
        step: Step,
        stats: &RunStats,
    ) -> io::Result<()> {
        let was_ok = self.was_ok.get_mut(target).is_some_and(|was| mem::replace(was, outcome.is_ok()));
        if !outcome.is_ok() || !was_ok {
            let name = self.name(target);
            self.line(&probe_line(name.as_deref(), outcome, self.palette))?;
        }
        if step == Step::WatchStarts {
            self.line("healthy; still watching")?;
        }
        if let Some(live) = &self.live {
            // With several targets, the sparkline of the one just probed would flicker.
            let is_one = without_control(self.targets).len() == 1;
            let sparkline = if is_one { stats.total.timeline.sparkline() } else { String::new() };
            live.draw(&counts(&stats.total), &sparkline);
        }
        Ok(())
    }

    pub(super) fn end(&mut self, sentence: &str, stats: &RunStats) -> io::Result<()> {
        if let Some(live) = self.live.take() {
            live.end();
        }
        self.line(sentence)?;
        let (decisive, targets) = (without_control(self.targets).len(), self.targets.iter());
        let each = targets.zip(&stats.per_target);
        if decisive == 1 {
            for line in lines(&stats.total) {
                self.line(&line)?;
            }
        } else {
            for (target, stats) in each.clone().take(decisive.min(MAX_LISTED)) {
                self.line(&format!("  {}: {}", target.name, lines(stats).join("; ")))?;
            }
            self.line(&format!("  all: {}", summary(&stats.total)))?;
        }
        for (target, stats) in each.skip(decisive).take(MAX_LISTED) {
            self.line(&format!("  control {}: {}", target.name, lines(stats).join("; ")))?;
        }
        Ok(())
    }

    pub(super) fn aside(&self, write: impl FnOnce()) {
        match &self.live {
            Some(live) => live.above(write),
            None => write(),
        }
    }

    /// How a line names the target; `None` if there is no other to tell it from.
    fn name(&self, target: usize) -> Option<String> {
        match (self.targets.get(target)?, without_control(self.targets)) {
            (target, _) if target.is_control => Some(format!("control {}", target.name)),
            (_, [_]) => None,
            (target, _) => Some(target.name.clone()),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let text = format!("{text}\n");
        match &self.live {
            Some(live) => live.above(|| self.out.write(text.as_bytes())),
            None => self.out.write(text.as_bytes()),
        }
    }
}

/// The statistics of a target, in lines.
fn lines(stats: &Stats) -> Vec<String> {
    let lines = [summary(stats), availability(stats), stats.timeline.sparkline()];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

fn probe_line(name: Option<&str>, outcome: &ProbeOutcome, palette: Palette) -> String {
    let time = time(outcome.sent_at);
    let name = name.map(|name| format!("{name}  ")).unwrap_or_default();
    let latency = outcome.latency.map(|latency| format_ms(milliseconds(latency))).unwrap_or_default();
    match (&outcome.failure, outcome.status) {
        (Some(failure), _) if failure.is_local => {
            let what = palette.warning("??? ");
            format!("{time}  {what} {latency:>9}  {name}not probed: {}: {}", failure.reason, failure.message)
        }
        (Some(failure), _) => {
            let what = palette.bad("FAIL");
            format!("{time}  {what} {latency:>9}  {name}{}: {}", failure.reason, failure.message)
        }
        (None, status) => {
            let what = palette.good("ok  ");
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            format!("{time}  {what} {latency:>9}  {name}{status}").trim_end().to_owned()
        }
    }
}

fn time(when: DateTime<Utc>) -> String {
    when.format("%H:%M:%S%.3fZ").to_string()
}

/// The share of successful probes, and the longest outage; empty without probes.
fn availability(stats: &Stats) -> String {
    let Some(hundredths) = ((stats.probes - stats.failures) * 10_000).checked_div(stats.probes) else {
        return String::new();
    };
    // Truncated, not rounded: 100 % means that no probe failed.
    let availability = format!("availability {}.{:02} %", hundredths / 100, hundredths % 100);
    match stats.failures {
        0 => availability,
        _ => format!("{availability}, longest outage {}", format_duration(stats.timeline.longest_outage())),
    }
}

fn counts(stats: &Stats) -> String {
    let probes = if stats.probes == 1 { "probe" } else { "probes" };
    let mut text = format!("{} {probes}, {} failed", stats.probes, stats.failures);
    if stats.not_probed > 0 {
        let _ = write!(text, ", {} could not be sent", stats.not_probed);
    }
    text
}

fn summary(stats: &Stats) -> String {
    let mut text = counts(stats);
    if stats.skipped > 0 {
        let _ = write!(text, ", {} turns skipped: a probe took longer than --interval", stats.skipped);
    }
    if let Some(quantiles) = stats.latencies.quantiles() {
        let [p50, p95, max] = [quantiles.p50, quantiles.p95, quantiles.max].map(format_ms);
        // Writing into a String cannot fail.
        let _ = write!(text, "; latency p50 {p50}, p95 {p95}, max {max}");
    }
    text
}

/// Formats milliseconds, with tenths below 10 ms.
fn format_ms(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.1}ms") } else { format!("{ms:.0}ms") }
}

#[cfg(test)]
mod tests {
    use common::event::Reason;
    use common::records::Phases;

    use super::*;
    use crate::failure::Failure;

    fn outcome(ok: bool) -> ProbeOutcome {
        let failure = Failure::new(Reason::BadStatus, "status 503, expected 2xx");
        ProbeOutcome {
            sent_at: DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            address: None,
            status: Some(if ok { 200 } else { 503 }),
            version: None,
            clock_difference: None,
            latency: Some(Duration::from_micros(8_149)),
            phases: Phases::default(),
            skipped: 0,
            failure: (!ok).then_some(failure),
        }
    }

    /// The report on probes of these targets in turn. `control` of them belong to the control group.
    fn report(names: &[&str], control: usize, oks: &[bool]) -> String {
        let start = Start {
            tool: String::new(),
            run: String::new(),
            service: String::new(),
            environment: String::new(),
            deployment: String::new(),
            ts: DateTime::UNIX_EPOCH,
            interval_ms: Some(1000),
            expectations: false,
            watch_min_ms: None,
            watch_max_ms: None,
        };
        let target = |name: &&str| {
            Target::new(&"http://u:p@h/?t=1".parse().unwrap(), Some(name.parse().unwrap())).unwrap()
        };
        let mut targets: Vec<Target> = names.iter().map(target).collect();
        for target in targets.iter_mut().skip(names.len() - control) {
            target.is_control = true;
        }
        let mut out = Vec::new();
        let mut human = Human::begin(&mut out, false, Palette::PLAIN, &targets, &start).unwrap();
        let mut stats = RunStats::new(&targets);
        for (index, ok) in oks.iter().enumerate() {
            let target = index % targets.len();
            stats.add(target, &outcome(*ok));
            human.probe(target, &outcome(*ok), Step::Continue, &stats).unwrap();
        }
        human.end("the sentence", &stats).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_failure_and_every_change_is_reported() {
        insta::assert_snapshot!(report(&["h"], 0, &[false, true, true, true]));
    }

    #[test]
    fn several_targets_are_reported_by_name() {
        insta::assert_snapshot!(report(&["api", "web"], 0, &[true, false, true, true]));
    }

    #[test]
    fn the_control_group_is_reported_apart() {
        insta::assert_snapshot!(report(&["new", "old"], 1, &[true, true, true, false]));
    }

    #[test]
    fn a_probe_that_could_not_be_sent_is_not_a_failure_of_the_target() {
        let local = Failure::local(Reason::Dns, "no resolver responded within 2.0s");
        let outcome = ProbeOutcome { failure: Some(local), status: None, latency: None, ..outcome(false) };
        let mut stats = Stats::default();
        stats.add(&ProbeOutcome { skipped: 2, ..outcome.clone() });
        let lines =
            [probe_line(Some("api"), &outcome, Palette::PLAIN), summary(&stats), availability(&stats)];
        insta::assert_snapshot!(lines.join("\n"));
    }
}
