//! The output of a wrapped command: shown as it comes, or kept and shown only after a failure, with the result in a line.

use std::io::{self, Write as _};
use std::time::Duration;

use clap::ValueEnum;
use common::args::{EmptyAsNone, non_empty};
use common::duration::format_duration;
use common::event::Status;
use common::label::{Label, Stage};
use common::secrets::Redactor;
use common::term::style::Palette;
use common::term::text::short_line;

/// How many of the last lines are shown after a failure, unless `--tail` names another number.
pub(super) const SHOWN_LINES: usize = 30;

/// How much of a line is shown, in bytes.
const MAX_LINE_BYTES: usize = 1024;

/// The flag for the output of a wrapped command.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
    /// What is shown of the command's output: live (all of it, as it comes), with-result (the same, and at the end one
    /// line on stderr with result, stage and duration), or on-failure (only that line; after a failure also the last 30
    /// lines of stdout and stderr, with secrets masked) [default: live]
    #[arg(long, env = "DM_OUTPUT", value_name = "WHAT", value_parser = parse)]
    pub output: Option<EmptyAsNone<OutputMode>>,
}

impl OutputArgs {
    /// What is shown.
    pub fn mode(&self) -> OutputMode {
        non_empty(self.output.as_ref()).unwrap_or_default()
    }
}

fn parse(text: &str) -> Result<EmptyAsNone<OutputMode>, String> {
    let read = |text: &str| OutputMode::from_str(text, false);
    EmptyAsNone::parse_with(text, read).map_err(|_| "must be live, with-result or on-failure".to_owned())
}

/// What is shown of a command's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputMode {
    /// Everything, as it comes.
    #[default]
    Live,
    /// The same, and a line about the result at the end.
    WithResult,
    /// That line, and what was kept if the command did not succeed.
    OnFailure,
}

/// The result of a stage, for the line about it.
#[derive(Debug)]
pub(crate) struct StageResult<'a> {
    pub(crate) service: &'a Label,
    pub(crate) stage: &'a Stage,
    pub(crate) status: Status,
    pub(crate) duration: Option<Duration>,
    /// Why it did not succeed.
    pub(crate) explanation: &'a str,
}

impl StageResult<'_> {
    /// Prints the line, and below it these last lines of output.
    pub(crate) fn print(&self, lines: &[String]) {
        let secrets = Redactor::default().with_environment();
        let mut text = self.line(Palette::on(&io::stderr()));
        for line in lines {
            // A workflow command of GitHub Actions is one at the beginning of a line only.
            text.push_str("  | ");
            text.push_str(&short_line(&secrets.redact(line), MAX_LINE_BYTES));
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        // One write, because other stages may write to the same log. If stderr is closed, nobody reads it.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    fn line(&self, paint: Palette) -> String {
        let word = match self.status {
            Status::Success => "ok",
            Status::Failure | Status::Error | Status::Timeout => "FAILED",
            Status::Cancelled => "CANCELLED",
            Status::Skipped => "skipped",
        };
        let padded = format!("{word:<7}");
        let word = match self.status {
            Status::Success => paint.good(&padded),
            Status::Skipped => padded,
            Status::Cancelled => paint.warning(&padded),
            Status::Failure | Status::Error | Status::Timeout => paint.bad(&padded),
        };
        let duration =
            self.duration.map(|duration| format!(" {}", format_duration(duration))).unwrap_or_default();
        let explanation =
            if self.status == Status::Success { String::new() } else { format!(": {}", self.explanation) };
        let line = format!("{} {}{duration}{explanation}", self.service, self.stage);
        format!("{word} {}\n", short_line(&line, MAX_LINE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_result_service_stage_and_duration() {
        let line = |status, seconds: Option<u64>, explanation| {
            let (service, stage) = ("api".parse().unwrap(), "build".parse().unwrap());
            let duration = seconds.map(Duration::from_secs);
            StageResult { service: &service, stage: &stage, status, duration, explanation }
                .line(Palette::PLAIN)
        };
        assert_eq!(line(Status::Success, Some(12), "exit code 3"), "ok      api build 12.0s\n");
        assert_eq!(line(Status::Failure, Some(3), "exit code 2"), "FAILED  api build 3.0s: exit code 2\n");
        assert_eq!(line(Status::Timeout, Some(60), "timeout"), "FAILED  api build 1m00s: timeout\n");
        assert_eq!(
            line(Status::Cancelled, Some(1), "exit code 7"),
            "CANCELLED api build 1.0s: exit code 7\n"
        );
        assert_eq!(line(Status::Skipped, None, "no\n::error::x"), "skipped api build: no ::error::x\n");
    }
}
