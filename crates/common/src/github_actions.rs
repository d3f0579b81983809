//! Workflow commands of GitHub Actions: groups, annotations, and the job summary.
//!
//! Commands go to stderr, which the runner reads too: stdout belongs to the wrapped command.
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::duration::format_duration;
use crate::env::Env;
use crate::event::Completion;
use crate::markdown;
use crate::term::text::{is_unsafe, one_line};

/// The flag for output to GitHub Actions.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GitHubArgs {
    /// In GitHub Actions, any of: group (fold the output), error (annotate a failure), summary (write the page of the deployment, or the row of a stage outside of one, to the step summary)
    #[arg(long, env = "DM_GITHUB", value_name = "NOTICES")]
    pub github: Option<GitHubOutputs>,
}

impl GitHubArgs {
    /// The outputs that are enabled in this environment.
    pub fn outputs(&self) -> GitHub {
        GitHub::from_env(self.github.unwrap_or_default(), &crate::env::system)
    }
}

/// The selected outputs: any of `group`, `error` and `summary`, separated by commas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GitHubOutputs {
    /// A foldable group around the command's output.
    pub group: bool,
    /// An annotation of the run if the command fails.
    pub error: bool,
    /// The page of a deployment in the step summary, or a row for a stage outside of one.
    pub summary: bool,
}

impl FromStr for GitHubOutputs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut outputs = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "group" => outputs.group = true,
                "error" => outputs.error = true,
                "summary" => outputs.summary = true,
                _ => return Err(format!("{word} is none of group, error and summary")),
            }
        }
        Ok(outputs)
    }
}

/// The runner of GitHub Actions. Outside GitHub Actions, all its methods do nothing.
#[derive(Debug, Clone, Default)]
pub struct GitHub {
    outputs: GitHubOutputs,
    summary: Option<PathBuf>,
}

impl GitHub {
    /// The runner that the environment describes.
    pub fn from_env(outputs: GitHubOutputs, env: &Env<'_>) -> Self {
        if env("GITHUB_ACTIONS").is_none() {
            return Self::default();
        }
        let summary = env("GITHUB_STEP_SUMMARY").filter(|_| outputs.summary).map(PathBuf::from);
        Self { outputs, summary }
    }

    /// The same within another stage, whose page in the summary includes this one.
    #[must_use]
    pub fn within_stage(self, is_inner: bool) -> Self {
        Self { summary: self.summary.filter(|_| !is_inner), ..self }
    }

    /// Begins a foldable group with the name of the stage.
    pub fn begin_group(&self, stage: &str) {
        if self.outputs.group {
            write_command(&format!("::group::{stage}"));
        }
    }

    /// Ends the group.
    pub fn end_group(&self) {
        if self.outputs.group {
            write_command("::endgroup::");
        }
    }

    /// Reports how the stage ended: a row in the summary and, after a failure, an annotation. `explanation` says why it
    /// did not succeed, such as `exit code 1: no space left on device`.
    pub fn report_stage(&self, stage: &str, completion: &Completion, explanation: &str) {
        let failed = completion.status.is_failed();
        if failed {
            let duration = completion
                .duration
                .map(|duration| format!(" after {}", format_duration(duration)))
                .unwrap_or_default();
            self.annotate("error", &format!("{stage} failed{duration}"), explanation);
        }
        self.add_row(
            stage,
            completion.status.as_str(),
            completion.duration,
            if failed { explanation } else { "" },
        );
    }

    /// Adds an annotation to the run. `level` is `error`, `warning` or `notice`.
    pub fn annotate(&self, level: &str, title: &str, message: &str) {
        if self.outputs.error {
            write_command(&annotation(level, None, title, &one_line(message)));
        }
    }

    /// Whether there is a step summary to write to.
    pub fn has_summary(&self) -> bool {
        self.summary.is_some()
    }

    /// Adds a page in Markdown to the step summary.
    pub fn add_page(&self, markdown: &str) {
        if let Some(path) = &self.summary {
            let _ = open(path).and_then(|mut file| {
                let separator = if file.metadata()?.len() == 0 { "" } else { "\n" };
                file.write_all(format!("{separator}{markdown}").as_bytes())
            });
        }
    }

    /// Adds a row about the stage to the step summary.
    pub fn add_row(&self, stage: &str, status: &str, duration: Option<Duration>, reason: &str) {
        if let Some(path) = &self.summary {
            let duration = duration.map(format_duration).unwrap_or_default();
            // The log has everything, so a summary that cannot be written needs no warning.
            let _ = add_row(path, &[stage, status, &duration, reason]);
        }
    }
}

/// A workflow command that annotates the run, without the line feed at its end. `place` is a file and a line number.
pub fn annotation(level: &str, place: Option<(&Path, usize)>, title: &str, message: &str) -> String {
    let place = place
        .map(|(file, line)| format!("file={},line={line},", escape_property(&file.to_string_lossy())))
        .unwrap_or_default();
    format!("::{level} {place}title={}::{}", escape_property(title), escape_data(message))
}

/// Escapes a message, which ends at the end of the line.
fn escape_data(text: &str) -> String {
    let text = text.replace(|c| is_unsafe(c) && c != '\r' && c != '\n', " ");
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property, which ends at a comma or `::`.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

fn write_command(line: &str) {
    // One write, so that the line stays in one piece. If stderr is closed, there is nowhere left to report it.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Opens the summary to append to it.
fn open(path: &Path) -> io::Result<File> {
    // A pipe that nobody reads must not make the command wait.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    OpenOptions::new().append(true).create(true).custom_flags(flags).open(path)
}

/// Appends a row to the table in the summary. Begins the table if the file is empty.
fn add_row(path: &Path, cells: &[&str]) -> io::Result<()> {
    let mut file = open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() == 0 {
        text.push_str("| stage | status | duration | why |\n| --- | --- | ---: | --- |\n");
    }
    for cell in cells {
        let _ = write!(text, "| {} ", markdown::text(cell));
    }
    text.push_str("|\n");
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_parsed_as_typed() {
        let all = GitHubOutputs { group: true, error: true, summary: true };
        assert_eq!("group,error, summary".parse(), Ok(all));
        assert_eq!("".parse(), Ok(GitHubOutputs::default()));
        assert!("warning".parse::<GitHubOutputs>().unwrap_err().contains("warning is none of"));
    }

    #[test]
    fn a_summary_that_is_a_pipe_without_a_reader_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("summary");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(add_row(&pipe, &["build", "success"]).is_err());
    }

    #[test]
    fn characters_that_would_end_a_command_are_escaped() {
        assert_eq!(
            annotation("error", None, "a:b,c", "50%\r\nx:y"),
            "::error title=a%3Ab%2Cc::50%25%0D%0Ax:y"
        );
        assert_eq!(annotation("error", None, "a", "\x1b[1m\u{202e}b"), "::error title=a:: [1m b");
    }
}
