//! The events that wait for a collector: a file for each, in a folder for each signal.

use std::io;
use std::path::Path;
use std::time::Duration;

use common::event::Event;
use common::fs::PrivateDir;
use common::fs::lock::Lock;
use otlp::{Settings, Signal};

/// The folder in the state directory.
const FOLDER: &str = "otlp";

/// The largest file of an event.
const MAX_BYTES: u64 = 1024 * 1024;

/// The most events that wait. If a collector is down for long, the oldest are lost.
const MAX_WAITING: usize = 10_000;

/// Adds an event for each signal that is exported.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn enqueue(state_dir: &Path, settings: &Settings, event: &Event) -> io::Result<()> {
    let bytes = serde_json::to_vec(event)?;
    let name = format!("{:013}-{}.json", event.ts.timestamp_millis(), event.id.as_str());
    for target in &settings.targets {
        let folder = PrivateDir::create(state_dir, &[FOLDER, target.signal.as_str()])?;
        folder.replace_unsynced(&name, &bytes)?;
    }
    Ok(())
}

/// The events that wait as one signal.
#[derive(Debug)]
pub(super) struct Queue {
    root: PrivateDir,
    folder: PrivateDir,
    signal: Signal,
}

impl Queue {
    /// The queue of this signal.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(super) fn open(state_dir: &Path, signal: Signal) -> io::Result<Self> {
        Ok(Self {
            root: PrivateDir::create(state_dir, &[FOLDER])?,
            folder: PrivateDir::create(state_dir, &[FOLDER, signal.as_str()])?,
            signal,
        })
    }

    /// Keeps other processes from sending at the same time, for at most `limit` until it is free.
    pub(super) fn lock(&self, limit: Duration) -> io::Result<Lock> {
        self.root.lock(&format!("{}.lock", self.signal.as_str()), limit)
    }

    /// The names of the events, oldest first.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.folder.names()?;
        // Others are being written.
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    /// Reads an event; `None` if the file is gone or damaged, such as after a power failure.
    pub(super) fn read(&self, name: &str) -> Option<Event> {
        let bytes = self.folder.read(name, MAX_BYTES).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    pub(super) fn remove(&self, names: &[String]) {
        for name in names {
            // Another process may have done it.
            let _ = self.folder.remove(name);
        }
    }

    /// Removes the oldest events if too many wait. Returns how many that were.
    pub(super) fn trim(&self) -> io::Result<usize> {
        let names = self.names()?;
        let surplus = names.len().saturating_sub(MAX_WAITING);
        self.remove(&names[..surplus]);
        Ok(surplus)
    }
}
