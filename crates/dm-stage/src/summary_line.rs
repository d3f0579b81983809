//! The line at the end of a deployment that says how it ended.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use common::args::{EmptyAsNone, non_empty};
use common::env;
use common::event::Event;
use telemetry::{Context, deployment_events};

use crate::sentence::sentence;

/// The flag for the line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SummaryLineArgs {
    /// At the end of the stage deployment, print one line on stderr: the outcome, the stage that failed and why, and what
    /// is live. auto (on a terminal, and in CI), always or never [default: auto]
    #[arg(long, env = "DM_SUMMARY_LINE", value_name = "WHEN", value_parser = parse)]
    summary_line: Option<EmptyAsNone<When>>,
}

/// When the line is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

impl SummaryLineArgs {
    /// Whether to print the line here.
    pub(crate) fn is_wanted(&self) -> bool {
        match non_empty(self.summary_line.as_ref()).unwrap_or_default() {
            When::Auto => {
                io::stderr().is_terminal() || env::system("CI").is_some_and(|ci| ci != "false" && ci != "0")
            }
            When::Always => true,
            When::Never => false,
        }
    }
}

fn parse(text: &str) -> Result<EmptyAsNone<When>, String> {
    let read = |text: &str| When::from_str(text, false);
    EmptyAsNone::parse_with(text, read).map_err(|_| "must be auto, always or never".to_owned())
}

/// Prints the line about the deployment that ended with this event.
pub(crate) fn print(context: &Context, whole: &Event) {
    // The recorder has warned of what cannot be read, if it could not be written either.
    let events = deployment_events(&context.sinks, &context.identity).unwrap_or_default();
    let line = format!("{}\n", sentence(&events, whole));
    // One write. If stderr is closed, nobody reads it.
    let _ = io::stderr().write_all(line.as_bytes());
}
