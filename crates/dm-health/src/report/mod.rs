//! What stdout says.

mod human;

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use common::stream::{Probe, Record, Start, Writer};

use crate::policy::Step;
use crate::probe::{Outcome, Target, milliseconds};
use crate::tally::Tally;
use human::Human;

/// What stdout speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A record a line.
    JsonLines,
    /// Sentences.
    Human {
        /// Whether every probe is a line; else only failures and changes are.
        every_probe: bool,
    },
}

/// A report that is being written.
#[derive(Debug)]
pub enum Report<W> {
    /// A record a line.
    JsonLines(Writer<W>),
    /// Sentences.
    Human(Human<W>),
}

impl<W: Write> Report<W> {
    /// Begins it.
    pub fn begin(out: W, style: Style, target: &Target, start: Start) -> io::Result<Self> {
        match style {
            Style::JsonLines => Writer::begin(out, start).map(Self::JsonLines),
            Style::Human { every_probe } => Human::begin(out, every_probe, target, &start).map(Self::Human),
        }
    }

    /// Tells of the probe number `seq`.
    pub fn probe(&mut self, seq: u64, target: &Target, outcome: &Outcome, step: Step) -> io::Result<()> {
        match self {
            Self::JsonLines(writer) => writer.record(&Record::Probe(record(seq, target, outcome))),
            Self::Human(human) => human.probe(outcome, step),
        }
    }

    /// Ends it. The sentence and the numbers are for people.
    pub fn end(&mut self, ts: DateTime<Utc>, exit: u8, sentence: &str, tally: &Tally) -> io::Result<()> {
        match self {
            Self::JsonLines(writer) => writer.end(ts, exit),
            Self::Human(human) => human.end(sentence, tally),
        }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::JsonLines(writer) => writer.is_closed(),
            Self::Human(human) => human.is_closed(),
        }
    }
}

fn record(seq: u64, target: &Target, outcome: &Outcome) -> Probe {
    Probe {
        seq,
        ts: outcome.sent_at,
        name: target.name.clone(),
        target: target.shown.clone(),
        src: "probe".to_owned(),
        ok: outcome.is_ok(),
        status: outcome.status,
        latency_ms: outcome.latency.map(milliseconds),
        phase_ms: outcome.phases,
        address: outcome.address.map(|address| address.to_string()),
        reason: outcome.failure.as_ref().map(|failure| failure.reason),
    }
}
