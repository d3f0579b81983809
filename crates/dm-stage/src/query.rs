//! Questions about deployments, answered from the journals.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use common::args::{DeploymentArgs, non_empty};
use common::clock::{Clock as _, SystemClock};
use common::duration;
use common::exit::Exit;
use common::fs::atomic;
use common::label::Label;
use common::output;

use crate::audit::{Audit, AuditArgs};
use crate::deployment::{Records, Source};
use crate::follow::follow;
use crate::history::{Filter, History, table};
use crate::json;
use crate::page::{LinkArgs, LinkBases, page};
use crate::report_page::{deployment_report, period_report};
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

    /// Write a report to this file, or - for stdout, as a page of HTML that needs no network: about the last deployment, about the one that
    /// --deployment names, or with --last about all of some time. --service and --environment select deployments
    #[arg(long, value_name = "FILE", group = "query", conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    report: Option<PathBuf>,

    /// Compare what Prometheus has recorded with the journal: each rule that counts, over its window. Prints each difference
    /// with its cause; exits with 1 if something differs, and with 3 if the journal may not have everything
    #[arg(long, group = "query", conflicts_with_all = ["stage", "command", "start", "finish", "timeout"])]
    audit: bool,

    #[command(flatten)]
    audit_args: AuditArgs,

    /// With --report: the deployment
    #[arg(long, value_name = "ID", requires = "report", conflicts_with = "last")]
    deployment: Option<Label>,

    /// With --report: all deployments that began within this time, such as 30d
    #[arg(long, value_name = "DURATION", requires = "report", value_parser = duration::parse_positive)]
    last: Option<Duration>,

    /// With --history: only deployments that began within this time, such as 30d
    #[arg(long, value_name = "DURATION", requires = "history", value_parser = duration::parse_positive)]
    since: Option<Duration>,

    /// With --timeline or --history: human, json, or markdown, which is the page of a deployment [default: human]
    #[arg(long, value_enum, value_name = "FORMAT", requires = "query", conflicts_with_all = ["follow", "report", "audit"])]
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
    Report(PathBuf, ReportSubject),
    Audit(Box<Audit>),
}

/// What a report is about.
#[derive(Debug)]
enum ReportSubject {
    /// A deployment, or the last one that the filter selects.
    Deployment(Option<Label>, Filter),
    Period(Filter),
}

impl QueryArgs {
    /// Whether a question is asked.
    pub(crate) fn is_wanted(&self) -> bool {
        self.timeline.is_some()
            || self.history
            || self.follow.is_some()
            || self.report.is_some()
            || self.audit
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
        let since = args.since.or(args.last).and_then(|since| TimeDelta::from_std(since).ok());
        let filter = Filter {
            service: non_empty(deployment.service.as_ref()),
            environment: non_empty(deployment.environment.as_ref()),
            since,
        };
        let subject = match (args.timeline, args.follow, args.report) {
            _ if args.audit => Subject::Audit(Box::new(Audit::plan(args.audit_args, filter)?)),
            (Some(id), ..) => Subject::Timeline(id),
            (None, Some(id), _) => Subject::Follow(id),
            (None, None, Some(file)) if args.last.is_some() => {
                Subject::Report(file, ReportSubject::Period(filter))
            }
            (None, None, Some(file)) => {
                Subject::Report(file, ReportSubject::Deployment(args.deployment, filter))
            }
            (None, None, None) => Subject::History(filter),
        };
        Ok(Self { source, subject, format, links: links.into() })
    }
}

/// Prints the answer.
pub(crate) fn answer(query: &Query) -> Result<Exit> {
    let now = SystemClock.now();
    let text = match &query.subject {
        Subject::Follow(id) => return follow(&query.source, id.as_ref()),
        Subject::Audit(audit) => {
            let (text, exit) = audit.run(&query.source, now)?;
            output::print(&text).context("cannot print the answer")?;
            return Ok(exit);
        }
        Subject::Report(file, subject) => {
            let html = report(&query.source, subject, &query.links, now)?;
            if file == Path::new("-") {
                output::print(&html).context("cannot print the report")?;
                return Ok(Exit::Success);
            }
            atomic::write(file, html.as_bytes())
                .with_context(|| format!("cannot write the report to {}", file.display()))?;
            return Ok(Exit::Success);
        }
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
            let records = read(&query.source, filter, now)?;
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

/// What the journals say of the time that the filter selects.
fn read(source: &Source, filter: &Filter, now: DateTime<Utc>) -> Result<Records> {
    match filter.since.and_then(|since| now.checked_sub_signed(since)) {
        Some(since) => source.read_since(since),
        None => source.read(None),
    }
}

/// The report as HTML.
fn report(source: &Source, subject: &ReportSubject, links: &LinkBases, now: DateTime<Utc>) -> Result<String> {
    match subject {
        ReportSubject::Period(filter) => {
            let records = read(source, filter, now)?;
            let deployments = records.deployments(now);
            period_report(&History::of(&deployments, filter, now), filter, now)
        }
        ReportSubject::Deployment(id, filter) => {
            let records = source.read(id.as_ref())?;
            let selected = match id {
                Some(_) => None,
                None => History::of(&records.deployments(now), filter, now).newest().cloned(),
            };
            if let (None, None, Some(service)) = (id, &selected, &filter.service)
                && !records.is_empty()
            {
                bail!("{source} has no deployment of {service}{}", in_environment(filter));
            }
            let deployment = records.find(id.as_ref().or(selected.as_ref()), source, now)?;
            deployment_report(&deployment, &Conclusion::of(&deployment), links, now)
        }
    }
}

fn in_environment(filter: &Filter) -> String {
    filter.environment.as_ref().map(|environment| format!(" in {environment}")).unwrap_or_default()
}
