//! What is told: records on stdout for programs, sentences for people.

use std::io::{self, Stdout, Write, stderr, stdout};

use common::args::Format;
use common::clock::Clock;
use common::event::EventId;
use common::exit::Exit;
use common::records::{Decision, Record, RecordWriter, Verdict};
use common::term::style::Palette;
use telemetry::context::Context;

use crate::TOOL;

/// A sentence for people while it is not decided yet: on stderr.
pub fn note(text: &str) {
    let _ = writeln!(stderr(), "{}: {text}", TOOL.name);
}

/// Where the tool tells.
#[derive(Debug)]
pub struct Report {
    /// `None` where stdout is for people; an error from when it could not be written on.
    records: Option<io::Result<RecordWriter<Stdout>>>,
}

impl Report {
    /// Begins the stream, if stdout carries one. A stdout that cannot be written stops no rollback: it is told at the end.
    pub fn begin(format: Format, context: &Context, clock: &dyn Clock) -> Self {
        let begin =
            || RecordWriter::begin(stdout(), context.stream_start(&EventId::random(), clock.now(), None));
        Self { records: (format == Format::Jsonl).then(begin) }
    }

    /// The verdict, before anything is done about it.
    pub fn verdict(&mut self, verdict: &Verdict) {
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
        self.say(&format!("{answer}: {}", verdict.why));
    }

    /// A sentence for people: on stdout where that is theirs, else on stderr.
    pub fn say(&mut self, text: &str) {
        // A reader who went away must not stop a rollback.
        if self.records.is_some() {
            note(text);
        } else {
            let _ = writeln!(stdout(), "{text}");
        }
    }

    /// Ends the stream.
    pub fn end(self, exit: Exit, clock: &dyn Clock) -> io::Result<()> {
        match self.records {
            None => Ok(()),
            Some(records) => records?.end(clock.now(), exit.code()),
        }
    }
}
