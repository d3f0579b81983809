//! The report on stdout.

mod human;
mod live;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use common::records::{Probe, Record, RecordWriter, Start};
use common::term::style::Palette;
use common::term::text::short_line;

use crate::policy::{ProbeResult, Step};
use crate::probe::{ProbeOutcome, Target, milliseconds};
use crate::stats::RunStats;
use human::Human;

/// The most bytes of a message in a record.
const MAX_MESSAGE: usize = 500;

/// The format of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// JSON Lines.
    JsonLines,
    /// Text to read.
    Human {
        /// Whether to show a live status line, as on a terminal.
        live: bool,
        /// The colours.
        palette: Palette,
    },
}

/// A report in progress.
#[derive(Debug)]
pub(crate) enum Report<'a, W> {
    /// JSON Lines about these targets.
    JsonLines(RecordWriter<W>, &'a [Target]),
    /// Text to read.
    Human(Human<'a, W>),
}

impl<'a, W: Write> Report<'a, W> {
    /// Begins the report.
    pub(crate) fn begin(out: W, style: Style, targets: &'a [Target], start: Start) -> io::Result<Self> {
        match style {
            Style::JsonLines => Ok(Self::JsonLines(RecordWriter::begin(out, start)?, targets)),
            Style::Human { live, palette } => {
                Human::begin(out, live, palette, targets, &start).map(Self::Human)
            }
        }
    }

    /// Reports probe number `seq`, of the target with this index.
    pub(crate) fn probe(
        &mut self,
        seq: u64,
        target: usize,
        outcome: &ProbeOutcome,
        step: Step,
        stats: &RunStats,
    ) -> io::Result<()> {
        match self {
            Self::JsonLines(writer, targets) => match targets.get(target) {
                Some(target) => {
                    let src = src(target, targets);
                    writer.record(&Record::Probe(record(seq, target, src, outcome)))
                }
                None => Ok(()),
            },
            Self::Human(human) => human.probe(target, outcome, step, stats),
        }
    }

    /// Ends the report. Only human output contains the sentence and the statistics.
    pub(crate) fn end(
        &mut self,
        ts: DateTime<Utc>,
        exit: u8,
        sentence: &str,
        stats: &RunStats,
    ) -> io::Result<()> {
        match self {
            Self::JsonLines(writer, _) => writer.end(ts, exit),
            Self::Human(human) => human.end(sentence, stats),
        }
    }

    /// Writes elsewhere, such as a warning on stderr, without a conflict with a live status line.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match self {
            Self::JsonLines(..) => write(),
            Self::Human(human) => human.aside(write),
        }
    }

    /// Whether the reader has gone away.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::JsonLines(writer, _) => writer.is_closed(),
            Self::Human(human) => human.is_closed(),
        }
    }
}

/// The name of the source. Each of several targets is a separate source, so that healthy targets do not dilute a failing
/// one, and each has its own first success. The control group is counted separately.
fn src(target: &Target, targets: &[Target]) -> String {
    let kind = if target.is_control { "control" } else { "probe" };
    let alike = targets.iter().filter(|other| other.is_control == target.is_control);
    if alike.take(2).count() == 1 { kind.to_owned() } else { format!("{kind}:{}", target.name) }
}

fn record(seq: u64, target: &Target, src: String, outcome: &ProbeOutcome) -> Probe {
    Probe {
        seq,
        ts: outcome.sent_at,
        name: target.name.clone(),
        target: target.display.clone(),
        src,
        ok: outcome.is_ok(),
        status: outcome.status,
        latency_ms: outcome.latency.map(milliseconds),
        phase_ms: outcome.phases,
        skipped: outcome.skipped,
        address: outcome.address.map(|address| address.to_string()),
        local: outcome.result() == ProbeResult::NotProbed,
        reason: outcome.failure.as_ref().map(|failure| failure.reason),
        message: outcome.failure.as_ref().map(|failure| short_line(&failure.message, MAX_MESSAGE)),
        version: outcome.version.clone().map(String::from),
        control: target.is_control,
    }
}
