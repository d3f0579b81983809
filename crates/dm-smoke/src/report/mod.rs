//! The reports on stdout and in files: one format each, written test by test.

pub(crate) mod annotation;
mod human;
mod junit;
pub(crate) mod tap;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use common::output::LineWriter;
use common::records::{Record, RecordWriter, Start, Test};
use common::term::style::Palette;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::Format;
use crate::verdict::Verdict;

/// A report in progress.
#[derive(Debug)]
pub(crate) enum Report<W> {
    /// Lines to read.
    Human(LineWriter<W>, ProgressBar, Palette),
    /// JSON Lines.
    Jsonl(RecordWriter<W>),
    /// TAP.
    Tap(LineWriter<W>),
    /// JUnit XML, which is written at the end.
    Junit(LineWriter<W>, Header),
}

/// The facts about a run that are known before its first test.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    /// The first record.
    pub(crate) start: Start,
    /// The suite's name.
    pub(crate) suite: String,
    /// The number of tests.
    pub(crate) tests: usize,
}

impl<W: Write> Report<W> {
    /// Begins a report, without colours and progress bar.
    pub(crate) fn begin(format: Format, out: W, header: &Header) -> io::Result<Self> {
        Ok(match format {
            Format::Human => Self::Human(LineWriter::new(out), ProgressBar::hidden(), Palette::PLAIN),
            Format::Jsonl => Self::Jsonl(RecordWriter::begin(out, header.start.clone())?),
            Format::Tap => {
                let mut lines = LineWriter::new(out);
                lines.write(tap::begin(header.tests).as_bytes())?;
                Self::Tap(lines)
            }
            Format::Junit => Self::Junit(LineWriter::new(out), header.clone()),
        })
    }

    /// Adds colours to human output if stdout shows them, and a progress bar below the lines if stdout and stderr are
    /// terminals.
    #[must_use]
    pub(crate) fn for_terminal(self, tests: usize) -> Self {
        match self {
            Self::Human(lines, hidden, _) => {
                let is_terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
                let bar = if is_terminal { progress_bar(tests) } else { hidden };
                Self::Human(lines, bar, Palette::on(&io::stdout()))
            }
            report => report,
        }
    }

    /// Reports a test.
    pub(crate) fn test(&mut self, test: &Test) -> io::Result<()> {
        match self {
            Self::Human(lines, bar, palette) => {
                bar.inc(1);
                bar.suspend(|| lines.write(human::test(test, *palette).as_bytes()))
            }
            Self::Jsonl(writer) => writer.record(&Record::Test(test.clone())),
            Self::Tap(lines) => lines.write(tap::test(test).as_bytes()),
            Self::Junit(..) => Ok(()),
        }
    }

    /// Ends the report.
    pub(crate) fn end(&mut self, verdict: &Verdict, ts: DateTime<Utc>) -> io::Result<()> {
        match self {
            Self::Human(lines, bar, _) => {
                bar.finish_and_clear();
                lines.write(human::summary(verdict).as_bytes())
            }
            Self::Jsonl(writer) => writer.end(ts, verdict.exit().code()),
            Self::Tap(lines) => lines.write(tap::end(verdict).as_bytes()),
            Self::Junit(lines, header) => {
                lines.write(junit::document(&header.suite, header.start.ts, verdict)?.as_bytes())
            }
        }
    }

    /// Whether the reader has gone away.
    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Human(lines, ..) | Self::Tap(lines) | Self::Junit(lines, _) => lines.is_closed(),
            Self::Jsonl(writer) => writer.is_closed(),
        }
    }
}

fn progress_bar(tests: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} tests, {elapsed}");
    let bar = ProgressBar::new(tests as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.tick();
    bar
}

/// Writes a whole report to a file. A reader of the file sees the whole report or none of it.
pub(crate) fn write_file(
    path: &Path,
    format: Format,
    header: &Header,
    verdict: &Verdict,
    ts: DateTime<Utc>,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut report = Report::begin(format, &mut bytes, header)?;
    for test in &verdict.tests {
        report.test(test)?;
    }
    report.end(verdict, ts)?;
    common::fs::atomic::write(path, &bytes)
}

#[cfg(test)]
mod tests;
