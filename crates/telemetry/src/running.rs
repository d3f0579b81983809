//! Work in progress on this machine: a small file for each piece of work, which its end removes. What remains belongs to a
//! process that was killed, together with everything that it was about to record.

use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use common::event::{ChildUse, Detail, Event, EventId, FORMAT, StartTag, Started, Status};
use common::fs::PrivateDir;
use common::identity::random_hex;
use common::label::{Label, Stage};
use serde::{Deserialize, Serialize};
use state_store::HolderProcess;

use crate::journal::Entry;
use crate::work::WorkItem;

/// The folder in the state directory.
pub(crate) const FOLDER: &str = "running";

/// How many files are read: the newest.
const MAX_FILES: usize = 1000;

/// The longest file, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A process of another machine, container or boot cannot be looked for. After this time, longer than CI systems let a job
/// run, it counts as gone.
pub(crate) const MAX_AGE: TimeDelta = TimeDelta::hours(24);

/// The file of work that this process does.
#[derive(Debug)]
pub(crate) struct Mark {
    folder: PrivateDir,
    name: String,
}

/// Work that has begun, and whose end is not on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The work.
    #[serde(flatten)]
    pub started: Started,
    /// The enclosing stage.
    #[serde(default)]
    pub(crate) parent: Option<Stage>,
    process: Option<HolderProcess>,
    /// The id of the event that would have been recorded at its end.
    #[serde(default)]
    id: Option<EventId>,
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
}

impl Mark {
    /// Notes that the work has begun. Waits for no other process and for no disk.
    pub(crate) fn set(state_dir: &Path, work: &WorkItem) -> io::Result<Self> {
        let unfinished = Unfinished {
            started: work.started(),
            parent: work.parent.clone(),
            process: HolderProcess::current(),
            id: work.id.clone(),
            name: String::new(),
        };
        let folder = PrivateDir::create(state_dir, &[FOLDER])?;
        let name = format!("{:013}-{}", work.started_at.timestamp_millis(), random_hex(8));
        let draft = format!(".{name}");
        folder.create_file(&draft, &serde_json::to_vec(&unfinished)?)?;
        folder.rename(&draft, &name)?;
        Ok(Self { folder, name })
    }

    /// Notes that the end of the work is on record.
    pub(crate) fn clear(self) {
        // A file that stays is compared with the journal.
        let _ = self.folder.remove(&self.name);
    }
}

impl WorkItem {
    /// The start of the work, as a record.
    pub(crate) fn started(&self) -> Started {
        Started {
            v: FORMAT,
            r#type: StartTag::Start,
            ts: self.started_at,
            tool: self.tool.to_owned(),
            identity: self.identity.clone(),
            stage: self.stage.clone(),
            interrupted: None,
        }
    }
}

impl Unfinished {
    /// The unfinished work on this machine, oldest first.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub fn read(state_dir: &Path) -> io::Result<Vec<Self>> {
        let Some(folder) = PrivateDir::open(state_dir, &[FOLDER])? else { return Ok(Vec::new()) };
        let mut names = folder.names()?;
        names.retain(|name| !name.starts_with('.'));
        names.drain(..names.len().saturating_sub(MAX_FILES));
        let read = |name: String| {
            let bytes = folder.read(&name, MAX_BYTES).ok()??;
            let unfinished: Self = serde_json::from_slice(&bytes).ok()?;
            Some(Self { name, ..unfinished })
        };
        Ok(names.into_iter().filter_map(read).collect())
    }

    /// Whether its process is gone.
    pub fn is_interrupted(&self, now: DateTime<Utc>) -> bool {
        match self.process.as_ref().filter(|process| process.is_visible()) {
            Some(process) => process.has_ended(),
            None => now - self.started.ts > MAX_AGE,
        }
    }

    /// Whether the journal has its end: its process was killed just after writing that.
    pub fn is_recorded(&self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| match entry {
            Entry::Finished(event) => {
                let its = (&event.identity.deployment, &event.identity.service, &event.stage);
                let began = event.started_at().unwrap_or(event.ts);
                its == self.work() && (began - self.started.ts).abs() < TimeDelta::seconds(1)
            }
            Entry::Started(_) => false,
        })
    }

    /// What its end would have recorded, if it had been known to end at `ended`; `None` if its id is not known.
    pub(crate) fn as_event(&self, ended: DateTime<Utc>) -> Option<Event> {
        let Started { identity, stage, ts, tool, .. } = &self.started;
        let ended = ended.max(*ts);
        Some(Event {
            v: FORMAT,
            detail: Detail::Stage(ChildUse::default()),
            id: self.id.clone()?,
            ts: ended,
            tool: tool.clone(),
            identity: identity.clone(),
            stage: stage.clone(),
            parent: self.parent.clone(),
            status: Status::Error,
            duration_s: (ended - *ts).to_std().ok().map(|duration| duration.as_secs_f64()),
            lead_time_s: None,
            restored_s: None,
            failing_since_s: None,
            cost_dollars: None,
            error_type: None,
            cause: Some("interrupted: its process was killed".to_owned()),
        })
    }

    fn work(&self) -> (&Label, &Label, &Stage) {
        let Started { identity, stage, .. } = &self.started;
        (&identity.deployment, &identity.service, stage)
    }

    /// Whether it began later in the same deployment.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        self.name != outer.name
            && self.started.identity.deployment == outer.started.identity.deployment
            && self.started.ts >= outer.started.ts
    }
}
