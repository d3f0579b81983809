//! The timeline of a deployment, from the journal: one line per stage, with a bar that shows when it ran.

mod chart;
mod row;

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::cli::warn;
use common::clock::{Clock as _, SystemClock};
use common::exit::Exit;
use common::identity::Identity;
use common::label::Label;
use common::output;
use telemetry::{Contents, Context, Entry, Journal, Unfinished, read_deployment, read_journal};

use crate::args::TOOL;
use row::Row;

/// How long the shared state may take. Deployments of long ago are in many objects.
const LIMIT: Duration = Duration::from_secs(30);

/// How many ids are listed if the wanted one is unknown.
const LISTED: usize = 5;

/// The journals to read.
#[derive(Debug)]
pub enum Source {
    /// The one in this folder.
    Local(PathBuf),
    /// Those of all machines that deploy this service to this environment.
    Shared(Box<Context>),
}

impl Source {
    fn read(&self, deployment: Option<&Label>) -> Result<Contents> {
        match self {
            Self::Local(folder) => Journal::new(folder).read_all().with_context(|| self.unreadable()),
            Self::Shared(context) => {
                let Context { sinks, identity, .. } = context.as_ref();
                let journal = match deployment {
                    Some(id) => read_deployment(sinks, identity, id, LIMIT),
                    None => read_journal(sinks, identity),
                };
                let (contents, warning) = journal.with_context(|| self.unreadable())?;
                warn(context.tool, &Vec::from_iter(warning));
                Ok(contents)
            }
        }
    }

    /// What is running on this machine, or was killed there.
    fn unfinished(&self) -> Vec<Unfinished> {
        let folder = match self {
            Self::Local(folder) => Some(folder),
            Self::Shared(context) => context.sinks.state_dir.as_ref(),
        };
        folder.and_then(|folder| Unfinished::read(folder).ok()).unwrap_or_default()
    }

    fn unreadable(&self) -> String {
        format!("cannot read {self}")
    }
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => write!(f, "the journal in {}", folder.display()),
            Self::Shared(context) => {
                let Identity { service, environment, .. } = &context.identity;
                write!(f, "the journal of {service} in {environment}")?;
                context.sinks.state_url.iter().try_for_each(|url| write!(f, " in {url}"))
            }
        }
    }
}

/// Prints the timeline of the deployment with this id, or of the last one.
pub(crate) fn print(source: &Source, deployment: Option<&Label>) -> Result<Exit> {
    let contents = source.read(deployment)?;
    if let Some(first) = contents.unreadable.first() {
        let more = match contents.unreadable.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        warn(TOOL.name, &[format!("not shown, because it cannot be read: {}{more}", first.what)]);
    }
    let entries = contents.entries;
    let mut unfinished = source.unfinished();
    unfinished.retain(|work| !work.is_recorded(&entries));
    let known = newest(&entries, &unfinished);
    let Some(id) = deployment.or(known.first().copied()) else {
        bail!("{source} is empty: no deployment has been recorded yet");
    };
    let rows = Row::of_deployment(id, &entries, &unfinished, SystemClock.now());
    if rows.is_empty() {
        let listed: Vec<String> = known.iter().take(LISTED).map(ToString::to_string).collect();
        let listed = match listed.as_slice() {
            [] => "it is empty".to_owned(),
            ids => format!("the newest are {}", ids.join(", ")),
        };
        bail!("{source} has no deployment {id}; {listed}");
    }
    output::print(&chart::render(rows)).context("cannot print the timeline")?;
    Ok(Exit::Success)
}

/// The ids of the deployments, newest first.
fn newest<'a>(entries: &'a [Entry], unfinished: &'a [Unfinished]) -> Vec<&'a Label> {
    let mut ids: Vec<&Label> = Vec::new();
    let mut running = unfinished.iter().rev().peekable();
    let mut add = |id: &'a Label| {
        if !ids.contains(&id) {
            ids.push(id);
        }
    };
    for entry in entries.iter().rev() {
        let (identity, ts) = match entry {
            Entry::Finished(event) => (&event.identity, event.ts),
            Entry::Started(started) => (&started.identity, started.ts),
        };
        while let Some(work) = running.next_if(|work| work.started.ts > ts) {
            add(&work.started.identity.deployment);
        }
        add(&identity.deployment);
    }
    running.for_each(|work| add(&work.started.identity.deployment));
    ids
}
