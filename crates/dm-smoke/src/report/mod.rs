//! What stdout carries: one format, told test by test.

pub mod human;
pub mod tap;

use std::io::{self, ErrorKind, Write};

use chrono::{DateTime, Utc};
use common::stream::{Record, Start, Test, Writer};

use crate::args::Format;
use crate::verdict::Verdict;

/// A report that has begun.
#[derive(Debug)]
pub enum Report<W> {
    /// Lines for people.
    Human(Lines<W>),
    /// JSON Lines.
    Jsonl(Writer<W>),
    /// TAP.
    Tap(Lines<W>),
}

impl<W: Write> Report<W> {
    /// Begins a report of so many tests.
    pub fn begin(format: Format, out: W, start: Start, tests: usize) -> io::Result<Self> {
        Ok(match format {
            Format::Human => Self::Human(Lines { out, closed: false }),
            Format::Jsonl => Self::Jsonl(Writer::begin(out, start)?),
            Format::Tap => {
                let mut lines = Lines { out, closed: false };
                lines.write(&tap::begin(tests))?;
                Self::Tap(lines)
            }
        })
    }

    /// Tells of one test.
    pub fn test(&mut self, test: &Test) -> io::Result<()> {
        match self {
            Self::Human(lines) => lines.write(&human::test(test)),
            Self::Jsonl(writer) => writer.record(&Record::Test(test.clone())),
            Self::Tap(lines) => lines.write(&tap::test(test)),
        }
    }

    /// Ends the report.
    pub fn end(&mut self, verdict: &Verdict, ts: DateTime<Utc>) -> io::Result<()> {
        match self {
            Self::Human(lines) => lines.write(&human::end(verdict)),
            Self::Jsonl(writer) => writer.end(ts, verdict.exit().code()),
            Self::Tap(lines) => lines.write(&tap::end(verdict)),
        }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Human(lines) | Self::Tap(lines) => lines.closed,
            Self::Jsonl(writer) => writer.is_closed(),
        }
    }
}

/// Text to a reader who may go away, which is no error.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    closed: bool,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            told => told,
        }
    }
}
