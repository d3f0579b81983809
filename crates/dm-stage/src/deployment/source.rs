//! The journals to read.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use common::cli::warn;
use common::event::Event;
use common::identity::Identity;
use common::label::Label;
use telemetry::{
    Contents, Context, Journal, JournalOfAll, Unfinished, deployment_events, read_deployment, read_journal,
    read_since,
};

use super::Records;
use crate::tool::TOOL;

/// How long the shared state may take. Deployments of long ago are in many objects.
const LIMIT: Duration = Duration::from_secs(30);

/// The journals to read.
#[derive(Debug)]
pub(crate) enum Source {
    /// The one in this folder.
    Local(PathBuf),
    /// Those of all machines that deploy this service to this environment.
    Shared(Box<Context>),
}

impl Source {
    /// Reads everything, or if the journals are long, what is needed for `deployment`. Warns of what cannot be read.
    ///
    /// # Errors
    /// A journal exists but cannot be read.
    pub(crate) fn read(&self, deployment: Option<&Label>) -> Result<Records> {
        self.records(|context| {
            let Context { sinks, identity, .. } = context;
            match deployment {
                Some(id) => read_deployment(sinks, identity, id, LIMIT),
                None => read_journal(sinks, identity),
            }
        })
    }

    /// Reads everything since this time. Warns of what cannot be read.
    ///
    /// # Errors
    /// A journal exists but cannot be read.
    pub(crate) fn read_since(&self, since: DateTime<Utc>) -> Result<Records> {
        self.records(|context| read_since(&context.sinks, &context.identity, since, LIMIT))
    }

    /// Whether the journals are those of all machines.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// The state directory of this machine.
    pub(crate) fn state_dir(&self) -> Option<&Path> {
        match self {
            Self::Local(folder) => Some(folder),
            Self::Shared(context) => context.sinks.state_dir.as_deref(),
        }
    }

    fn records(&self, shared: impl FnOnce(&Context) -> io::Result<JournalOfAll>) -> Result<Records> {
        let contents = self.contents(shared).with_context(|| format!("cannot read {self}"))?;
        if let Some(first) = contents.unreadable.first() {
            let more = match contents.unreadable.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            warn(TOOL.name, &[format!("not shown, because it cannot be read: {}{more}", first.what)]);
        }
        let records = Records { entries: contents.entries, unfinished: Vec::new() };
        Ok(records.with_unfinished(self.unfinished()))
    }

    fn contents(&self, shared: impl FnOnce(&Context) -> io::Result<JournalOfAll>) -> Result<Contents> {
        match self {
            Self::Local(folder) => Ok(Journal::new(folder).read_all()?),
            Self::Shared(context) => {
                let (contents, warning) = shared(context)?;
                warn(context.tool, &Vec::from_iter(warning));
                Ok(contents)
            }
        }
    }

    /// What is running on this machine, or was killed there.
    fn unfinished(&self) -> Vec<Unfinished> {
        self.state_dir().and_then(|folder| Unfinished::read(folder).ok()).unwrap_or_default()
    }
}

/// What is known of the deployment that ended with this event. A stage that is being stopped may not be on record yet.
pub(crate) fn at_end(context: &Context, whole: &Event) -> Records {
    // First: a stage that is recorded meanwhile is in the journal.
    let unfinished = context.sinks.state_dir.as_ref().and_then(|folder| Unfinished::read(folder).ok());
    // The recorder has warned of what cannot be read, if it could not be written either.
    let events = deployment_events(&context.sinks, &context.identity).unwrap_or_default();
    Records::at_end(events, whole).with_unfinished(unfinished.unwrap_or_default())
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
