//! What is told: records on stdout for programs, sentences for people.

use std::io::{self, Stdout, Write, stderr, stdout};

use common::clock::Clock;
use common::context::Context;
use common::event::EventId;
use common::exit::Exit;
use common::flags::Format;
use common::paint::Paint;
use common::stream::{Answer, Record, Verdict, Writer};

use crate::TOOL;

/// A sentence for people while it is not decided yet: on stderr.
pub fn note(text: &str) {
    let _ = writeln!(stderr(), "{}: {text}", TOOL.name);
}

/// Where the tool tells.
#[derive(Debug)]
pub struct Report {
    /// `None` where stdout is for people.
    records: Option<Writer<Stdout>>,
}

impl Report {
    /// Begins the stream, if stdout carries one.
    pub fn begin(format: Format, context: &Context, clock: &dyn Clock) -> io::Result<Self> {
        let records = match format {
            Format::Human => None,
            Format::Jsonl => {
                let start = context.stream_start(&EventId::random(), clock.now(), None);
                Some(Writer::begin(stdout(), start)?)
            }
        };
        Ok(Self { records })
    }

    /// The verdict, before anything is done about it.
    pub fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        if let Some(records) = &mut self.records {
            records.record(&Record::Verdict(verdict.clone()))?;
        }
        let paint = if self.records.is_some() { Paint::on(&stderr()) } else { Paint::on(&stdout()) };
        let answer = verdict.verdict.as_str();
        let answer = match verdict.verdict {
            Answer::Keep => paint.good(answer),
            Answer::Rollback => paint.bad(answer),
            Answer::Inconclusive => paint.doubtful(answer),
        };
        self.say(&format!("{answer}: {}", verdict.why));
        Ok(())
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
    pub fn end(&mut self, exit: Exit, clock: &dyn Clock) -> io::Result<()> {
        match &mut self.records {
            None => Ok(()),
            Some(records) => records.end(clock.now(), exit.code()),
        }
    }
}
