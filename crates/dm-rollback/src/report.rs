//! The output: records on stdout for programs, sentences on stdout or stderr for an operator.

use std::io::{self, Stdout, Write, stderr, stdout};

use common::args::Format;
use common::cli;
use common::clock::Clock;
use common::event::EventId;
use common::exit::Exit;
use common::records::{Decision, Record, RecordWriter, Verdict};
use common::term::style::Palette;
use common::term::text::one_line;
use telemetry::Context;

use crate::args::TOOL;

/// Prints a sentence on stderr, whatever the format of stdout is.
pub(crate) fn note(text: &str) {
    cli::warn(TOOL.name, &[text.to_owned()]);
}

/// The output of the tool.
#[derive(Debug)]
pub(crate) struct Report {
    /// `None` if stdout carries sentences; an error after writing to stdout failed.
    records: Option<io::Result<RecordWriter<Stdout>>>,
}

impl Report {
    /// Begins the stream of records, if stdout carries one. A failure to write does not stop a rollback:
    /// [`Report::end`] returns it.
    pub(crate) fn begin(format: Format, context: &Context, clock: &dyn Clock) -> Self {
        let begin =
            || RecordWriter::begin(stdout(), context.stream_start(&EventId::random(), clock.now(), None));
        Self { records: (format == Format::Jsonl).then(begin) }
    }

    /// Reports the verdict. Called before any action.
    pub(crate) fn verdict(&mut self, verdict: &Verdict) {
        if let Some(Ok(records)) = &mut self.records
            && let Err(error) = records.record(&Record::Verdict(verdict.clone()))
        {
            self.records = Some(Err(error));
        }
        let paint = if self.records.is_some() { Palette::on(&stderr()) } else { Palette::on(&stdout()) };
        let answer = verdict.verdict.as_str();
        let answer = match verdict.verdict {
            Decision::Keep => paint.good(answer),
            Decision::Rollback => paint.bad(answer),
            Decision::Inconclusive => paint.warning(answer),
        };
        let why = one_line(&verdict.why);
        // A reader that has gone away must not stop a rollback.
        if self.records.is_some() {
            let _ = writeln!(stderr(), "{}: {answer}: {why}", TOOL.name);
        } else {
            let _ = writeln!(stdout(), "{answer}: {why}");
        }
    }

    /// Prints a sentence: on stderr if stdout carries records, otherwise on stdout.
    pub(crate) fn print(&mut self, text: &str) {
        if self.records.is_some() {
            note(text);
        } else {
            let _ = writeln!(stdout(), "{}", one_line(text));
        }
    }

    /// Ends the stream of records, and returns the first error of writing to it.
    pub(crate) fn end(self, exit: Exit, clock: &dyn Clock) -> io::Result<()> {
        match self.records {
            None => Ok(()),
            Some(records) => records?.end(clock.now(), exit.code()),
        }
    }
}
