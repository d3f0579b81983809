//! Questions about deployments, answered from the journals.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::TimeDelta;
use clap::ValueEnum;
use common::args::{DeploymentArgs, non_empty};
use common::clock::{Clock as _, SystemClock};
use common::duration;
use common::exit::Exit;
use common::label::Label;
use common::output;

use crate::deployment::Source;
use crate::follow::follow;
use crate::history::{Filter, History, table};
use crate::json;
use crate::page::{LinkArgs, LinkBases, page};
use crate::sentence::Conclusion;
use crate::timeline;

/// The flags for questions.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::option_option, reason = "to clap, a flag whose value can be left out")]
pub(crate) struct QueryArgs {
    /// Print the timeline of a deployment from the journal; without an ID, of the last one
    #[arg(long, value_name = "ID", num_args = 0..=1, group = "query", conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    timeline: Option<Option<Label>>,

    /// Print a line for each deployment in the journal, the newest first: when, which version, how it ended, the stage that
    /// failed, how long it took, who started it, and what is live. --service and --environment select deployments
    #[arg(long, group = "query", conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    history: bool,

    /// Print what a deployment does while it runs, a line for each stage that starts or ends; without an ID, of the one that
    /// runs on this machine
    #[arg(long, value_name = "ID", num_args = 0..=1, group = "query", conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    follow: Option<Option<Label>>,

    /// With --history: only deployments that began within this time, such as 30d
    #[arg(long, value_name = "DURATION", requires = "history", value_parser = duration::parse_positive)]
    since: Option<Duration>,

    /// With --timeline or --history: human, json, or markdown, which is the page of a deployment [default: human]
    #[arg(long, value_enum, value_name = "FORMAT", requires = "query", conflicts_with = "follow")]
    format: Option<Format>,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Format {
    #[default]
    Human,
    Json,
    Markdown,
}

/// A question.
#[derive(Debug)]
pub struct Query {
    source: Source,
    subject: Subject,
    format: Format,
    links: LinkBases,
}

#[derive(Debug)]
enum Subject {
    /// A deployment, or the last one.
    Timeline(Option<Label>),
    History(Filter),
    /// A deployment, or the running one.
    Follow(Option<Label>),
}

impl QueryArgs {
    /// Whether a question is asked.
    pub(crate) fn is_wanted(&self) -> bool {
        self.timeline.is_some() || self.history || self.follow.is_some()
    }
}

impl Query {
    /// The question that the flags ask.
    ///
    /// # Errors
    /// The answer does not have the wanted form.
    pub(crate) fn plan(
        args: QueryArgs,
        source: Source,
        deployment: &DeploymentArgs,
        links: LinkArgs,
    ) -> Result<Self> {
        let format = args.format.unwrap_or_default();
        if args.history && format == Format::Markdown {
            bail!(
                "--format markdown is the page of one deployment: write dm-stage --timeline --format markdown"
            );
        }
        let since = args.since.and_then(|since| TimeDelta::from_std(since).ok());
        let subject = match (args.timeline, args.follow) {
            (Some(id), _) => Subject::Timeline(id),
            (None, Some(id)) => Subject::Follow(id),
            (None, None) => Subject::History(Filter {
                service: non_empty(deployment.service.as_ref()),
                environment: non_empty(deployment.environment.as_ref()),
                since,
            }),
        };
        Ok(Self { source, subject, format, links: links.into() })
    }
}

/// Prints the answer.
pub(crate) fn answer(query: &Query) -> Result<Exit> {
    let now = SystemClock.now();
    let text = match &query.subject {
        Subject::Follow(id) => return follow(&query.source, id.as_ref()),
        Subject::Timeline(id) => {
            let records = query.source.read(id.as_ref())?;
            let deployment = records.find(id.as_ref(), &query.source, now)?;
            match query.format {
                Format::Human => timeline::render(&deployment),
                Format::Json => format!("{:#}\n", json::deployment(&deployment)),
                Format::Markdown => page(&deployment, &Conclusion::of(&deployment), &query.links),
            }
        }
        Subject::History(filter) => {
            let records = query.source.read(None)?;
            let deployments = records.deployments(now);
            let history = History::of(&deployments, filter, now);
            match query.format {
                Format::Json => format!("{:#}\n", json::history(&history)),
                Format::Human | Format::Markdown => table(&history),
            }
        }
    };
    output::print(&text).context("cannot print the answer")?;
    Ok(Exit::Success)
}
