//! What GitHub Actions is told by workflow commands: groups, annotations, and the step's summary.
//!
//! Commands go to stderr, where the runner reads them too: stdout belongs to the wrapped command.
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::duration::format_duration;
use crate::env::Env;
use crate::event::Completion;
use crate::event::Status;

/// What GitHub Actions is told.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GitHubArgs {
    /// In GitHub Actions: any of group (fold the output), error (annotate a failure), summary (add a row to the step's)
    #[arg(long, env = "DM_GITHUB", value_name = "NOTICES")]
    pub github: Option<GitHubOutputs>,
}

impl GitHubArgs {
    /// The runner that is told.
    pub fn outputs(&self) -> GitHub {
        GitHub::from_env(self.github.unwrap_or_default(), &crate::env::system)
    }
}

/// What is wanted of it: any of `group`, `error` and `summary`, with commas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GitHubOutputs {
    /// A group around the command's output, which can be folded.
    pub group: bool,
    /// An annotation of the run where the command fails.
    pub error: bool,
    /// A row in the step's summary.
    pub summary: bool,
}

impl FromStr for GitHubOutputs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut notices = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "group" => notices.group = true,
                "error" => notices.error = true,
                "summary" => notices.summary = true,
                _ => return Err(format!("{word} is none of group, error and summary")),
            }
        }
        Ok(notices)
    }
}

/// The runner that is told. Outside of GitHub Actions, nobody.
#[derive(Debug, Clone, Default)]
pub struct GitHub {
    notices: GitHubOutputs,
    summary: Option<PathBuf>,
}

impl GitHub {
    /// The runner that `env` tells of.
    pub fn from_env(notices: GitHubOutputs, env: &Env<'_>) -> Self {
        if env("GITHUB_ACTIONS").is_none() {
            return Self::default();
        }
        let summary = env("GITHUB_STEP_SUMMARY").filter(|_| notices.summary).map(PathBuf::from);
        Self { notices, summary }
    }

    /// The stage of this name begins.
    pub fn begin_group(&self, stage: &str) {
        if self.notices.group {
            say(&format!("::group::{stage}"));
        }
    }

    /// The command of the stage has ended.
    pub fn end_group(&self) {
        if self.notices.group {
            say("::endgroup::");
        }
    }

    /// How the stage ended; `told` says in words how the command did.
    pub fn report_stage(&self, stage: &str, ended: &Completion, told: &str) {
        let failed = matches!(ended.status, Status::Failure | Status::Error | Status::Timeout);
        if failed {
            let duration =
                ended.duration.map(|took| format!(" after {}", format_duration(took))).unwrap_or_default();
            self.annotate("error", &format!("{stage} failed"), &format!("{told}{duration}"));
        }
        self.add_row(stage, ended.status.as_str(), ended.duration, if failed { told } else { "" });
    }

    /// Annotates the run, at this level: `error`, `warning` or `notice`.
    pub fn annotate(&self, level: &str, title: &str, message: &str) {
        if self.notices.error {
            say(&annotation(level, None, title, message));
        }
    }

    /// Adds a row about the stage to the step's summary.
    pub fn add_row(&self, stage: &str, status: &str, took: Option<Duration>, why: &str) {
        if let Some(path) = &self.summary {
            let took = took.map(format_duration).unwrap_or_default();
            // A summary that cannot be written is no reason to say anything: the log has it all.
            let _ = add_row(path, &[stage, status, &took, why]);
        }
    }
}

/// A workflow command that annotates the run, as one line without its end. `place` is a file and a line.
pub fn annotation(level: &str, place: Option<(&Path, usize)>, title: &str, message: &str) -> String {
    let place = place
        .map(|(file, line)| format!("file={},line={line},", property(&file.to_string_lossy())))
        .unwrap_or_default();
    format!("::{level} {place}title={}::{}", property(title), data(message))
}

/// A message, which ends with its line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property, which ends with a comma or with `::`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn say(line: &str) {
    // At once, and so in one piece; without a stderr there is nobody to tell.
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Adds a row to the table in a summary, which it begins where there is none.
fn add_row(path: &PathBuf, cells: &[&str]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let mut text = String::new();
    if file.metadata()?.len() == 0 {
        text.push_str("| stage | status | duration | why |\n| --- | --- | ---: | --- |\n");
    }
    for cell in cells {
        let _ = write!(text, "| {} ", cell.replace('|', "\\|").replace(['\r', '\n'], " "));
    }
    text.push_str("|\n");
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_they_are_typed() {
        let all = GitHubOutputs { group: true, error: true, summary: true };
        assert_eq!("group,error, summary".parse(), Ok(all));
        assert_eq!("".parse(), Ok(GitHubOutputs::default()));
        assert!("warning".parse::<GitHubOutputs>().unwrap_err().contains("warning is none of"));
    }

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(
            annotation("error", None, "a:b,c", "50%\r\nx:y"),
            "::error title=a%3Ab%2Cc::50%25%0D%0Ax:y"
        );
    }
}
