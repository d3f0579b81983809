//! What stdout and the report files carry: each one format, told test by test.

pub mod annotation;
pub mod human;
pub mod junit;
pub mod tap;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use common::records::{Record, RecordWriter, Start, Test};
use common::term::style::Palette;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Format;
use crate::verdict::Verdict;

/// A report that has begun.
#[derive(Debug)]
pub enum Report<W> {
    /// Lines for people.
    Human(Lines<W>, ProgressBar, Palette),
    /// JSON Lines.
    Jsonl(RecordWriter<W>),
    /// TAP.
    Tap(Lines<W>),
    /// JUnit XML, which is told at the end.
    Junit(Lines<W>, Head),
}

/// What is known of a run before its first test.
#[derive(Debug, Clone)]
pub struct Head {
    /// Who runs it.
    pub start: Start,
    /// The suite's name.
    pub suite: String,
    /// How many tests it has.
    pub tests: usize,
}

impl<W: Write> Report<W> {
    /// Begins a report.
    pub fn begin(format: Format, out: W, head: &Head) -> io::Result<Self> {
        Ok(match format {
            Format::Human => Self::Human(Lines { out, closed: false }, ProgressBar::hidden(), Palette::PLAIN),
            Format::Jsonl => Self::Jsonl(RecordWriter::begin(out, head.start.clone())?),
            Format::Tap => {
                let mut lines = Lines { out, closed: false };
                lines.write(&tap::begin(head.tests))?;
                Self::Tap(lines)
            }
            Format::Junit => Self::Junit(Lines { out, closed: false }, head.clone()),
        })
    }

    /// Lets people see how far it is, where both streams are a terminal's: lines stand above the bar. With colours, where
    /// stdout shows them.
    #[must_use]
    pub fn for_people(self, tests: usize) -> Self {
        match self {
            Self::Human(lines, hidden, _) => {
                let both = io::stdout().is_terminal() && io::stderr().is_terminal();
                Self::Human(lines, if both { progress(tests) } else { hidden }, Palette::on(&io::stdout()))
            }
            report => report,
        }
    }

    /// Tells of one test.
    pub fn test(&mut self, test: &Test) -> io::Result<()> {
        match self {
            Self::Human(lines, bar, paint) => {
                bar.inc(1);
                bar.suspend(|| lines.write(&human::test(test, *paint)))
            }
            Self::Jsonl(writer) => writer.record(&Record::Test(test.clone())),
            Self::Tap(lines) => lines.write(&tap::test(test)),
            Self::Junit(..) => Ok(()),
        }
    }

    /// Ends the report.
    pub fn end(&mut self, verdict: &Verdict, ts: DateTime<Utc>) -> io::Result<()> {
        match self {
            Self::Human(lines, bar, _) => {
                bar.finish_and_clear();
                lines.write(&human::end(verdict))
            }
            Self::Jsonl(writer) => writer.end(ts, verdict.exit().code()),
            Self::Tap(lines) => lines.write(&tap::end(verdict)),
            Self::Junit(lines, head) => lines.write(&junit::document(&head.suite, head.start.ts, verdict)?),
        }
    }

    /// Whether the reader has gone away.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Human(lines, ..) | Self::Tap(lines) | Self::Junit(lines, _) => lines.closed,
            Self::Jsonl(writer) => writer.is_closed(),
        }
    }
}

fn progress(tests: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} tests, {elapsed}");
    let bar = ProgressBar::new(tests as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.tick();
    bar
}

/// Writes a whole report as a file. Whoever looks at it sees all of it or none.
pub fn write_file(
    path: &Path,
    format: Format,
    head: &Head,
    verdict: &Verdict,
    ts: DateTime<Utc>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut report = Report::begin(format, &mut bytes, head)?;
    for test in &verdict.tests {
        report.test(test)?;
    }
    report.end(verdict, ts)?;
    common::fs::atomic::write(path, &bytes)
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
