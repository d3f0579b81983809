//! What stdout says.

mod human;
mod live;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use common::records::{Probe, Record, RecordWriter, Start};
use common::term::style::Palette;

use crate::policy::{Found, Step};
use crate::probe::{Outcome, Target, milliseconds};
use crate::tally::Tallies;
use human::Human;

/// What stdout speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A record a line.
    JsonLines,
    /// Sentences.
    Human {
        /// Whether there is a live line, as on a terminal.
        live: bool,
        /// Its colours.
        paint: Palette,
    },
}

/// A report that is being written.
#[derive(Debug)]
pub enum Report<'a, W> {
    /// A record a line, of these targets.
    JsonLines(RecordWriter<W>, &'a [Target]),
    /// Sentences.
    Human(Human<'a, W>),
}

impl<'a, W: Write> Report<'a, W> {
    /// Begins it.
    pub fn begin(out: W, style: Style, targets: &'a [Target], start: Start) -> io::Result<Self> {
        match style {
            Style::JsonLines => Ok(Self::JsonLines(RecordWriter::begin(out, start)?, targets)),
            Style::Human { live, paint } => Human::begin(out, live, paint, targets, &start).map(Self::Human),
        }
    }

    /// Tells of the probe number `seq`, of the target with this index.
    pub fn probe(
        &mut self,
        seq: u64,
        target: usize,
        outcome: &Outcome,
        step: Step,
        seen: &Tallies,
    ) -> io::Result<()> {
        match self {
            Self::JsonLines(writer, targets) => match targets.get(target) {
                Some(target) => {
                    let src = src(target, targets.len());
                    writer.record(&Record::Probe(record(seq, target, src, outcome)))
                }
                None => Ok(()),
            },
            Self::Human(human) => human.probe(target, outcome, step, seen),
        }
    }

    /// Ends it. The sentence and the numbers are for people.
    pub fn end(&mut self, ts: DateTime<Utc>, exit: u8, sentence: &str, seen: &Tallies) -> io::Result<()> {
        match self {
            Self::JsonLines(writer, _) => writer.end(ts, exit),
            Self::Human(human) => human.end(sentence, seen),
        }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::JsonLines(writer, _) => writer.is_closed(),
            Self::Human(human) => human.is_closed(),
        }
    }
}

/// Several targets are sources of their own: one that fails is not diluted by those that do not, and failures before
/// the first success are failures before its own.
fn src(target: &Target, targets: usize) -> String {
    if targets == 1 { "probe".to_owned() } else { format!("probe:{}", target.name) }
}

fn record(seq: u64, target: &Target, src: String, outcome: &Outcome) -> Probe {
    Probe {
        seq,
        ts: outcome.sent_at,
        name: target.name.clone(),
        target: target.shown.clone(),
        src,
        ok: outcome.is_ok(),
        status: outcome.status,
        latency_ms: outcome.latency.map(milliseconds),
        phase_ms: outcome.phases,
        skipped: outcome.skipped,
        address: outcome.address.map(|address| address.to_string()),
        local: outcome.found() == Found::Nothing,
        reason: outcome.failure.as_ref().map(|failure| failure.reason),
    }
}
