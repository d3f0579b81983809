//! What is reported at the end of a deployment: a line that says how it ended, an annotation of the CI run, and a page.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use common::args::{EmptyAsNone, non_empty};
use common::cli::warn;
use common::env;
use common::event::Event;
use common::github_actions::GitHub;
use telemetry::Context;

use crate::deployment::at_end;
use crate::page::{LinkArgs, LinkBases, page};
use crate::sentence::{Conclusion, Outcome};

/// The flags for the report.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ReportArgs {
    /// At the end of the stage deployment, print one line on stderr: the outcome, the stage that failed and why, and what
    /// is live. auto (on a terminal, and in CI), always or never [default: auto]
    #[arg(long, env = "DM_SUMMARY_LINE", value_name = "WHEN", value_parser = parse)]
    summary_line: Option<EmptyAsNone<When>>,
    /// At the end of the stage deployment, write its page to this file, in Markdown: how it ended and why, its stages, a
    /// chart, the output of what failed. --github summary writes it to the summary of a run of GitHub Actions
    #[arg(long, env = "DM_SUMMARY", value_name = "FILE")]
    summary: Option<EmptyAsNone<PathBuf>>,
    #[command(flatten)]
    pub(crate) links: LinkArgs,
}

/// When the line is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// What to report.
#[derive(Debug)]
pub struct Report {
    has_line: bool,
    file: Option<PathBuf>,
    github: GitHub,
    links: LinkBases,
}

fn parse(text: &str) -> Result<EmptyAsNone<When>, String> {
    let read = |text: &str| When::from_str(text, false);
    EmptyAsNone::parse_with(text, read).map_err(|_| "must be auto, always or never".to_owned())
}

impl Report {
    /// What the flags ask for.
    pub(crate) fn plan(args: ReportArgs, github: GitHub) -> Self {
        let has_line = match non_empty(args.summary_line.as_ref()).unwrap_or_default() {
            When::Auto => {
                io::stderr().is_terminal() || env::system("CI").is_some_and(|ci| ci != "false" && ci != "0")
            }
            When::Always => true,
            When::Never => false,
        };
        Self { has_line, file: non_empty(args.summary.as_ref()), github, links: args.links.into() }
    }

    /// Reports on the deployment that ended with this event. Changes neither its outcome nor an exit code.
    pub(crate) fn end(&self, context: &Context, whole: &Event) {
        let records = at_end(context, whole);
        let Some(deployment) = records.deployment(&whole.identity.deployment, whole.ts) else { return };
        let conclusion = Conclusion::of(&deployment);
        // Before the line, which is the last one.
        self.annotate(context, &conclusion);
        if self.has_line {
            // One write. If stderr is closed, nobody reads it.
            let _ = io::stderr().write_all(format!("{}\n", conclusion.sentence).as_bytes());
        }
        if self.file.is_some() || self.github.has_summary() {
            let page = page(&deployment, &conclusion, &self.links);
            self.github.add_page(&page);
            if let Some(file) = &self.file
                && let Err(error) = write(file, &page)
            {
                let message =
                    format!("cannot write the page of the deployment to {}: {error}", file.display());
                warn(context.tool, &[message]);
            }
        }
    }

    fn annotate(&self, context: &Context, conclusion: &Conclusion) {
        let level = match conclusion.outcome {
            Outcome::Failed | Outcome::Inconclusive => "error",
            Outcome::Cancelled => "warning",
            _ => return,
        };
        let at = conclusion.failed_stage.as_ref().map(|stage| format!(" at {stage}")).unwrap_or_default();
        let title = format!("{}: deployment {}{at}", context.identity.service, conclusion.outcome.as_str());
        self.github.annotate(level, &title, &conclusion.sentence);
    }
}

fn write(file: &Path, page: &str) -> io::Result<()> {
    // A pipe that nobody reads must not make the deployment wait.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).custom_flags(flags).open(file)?.write_all(page.as_bytes())
}
