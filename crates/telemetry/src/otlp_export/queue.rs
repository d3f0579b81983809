//! The events that wait for a collector: a file for each, in a folder for each signal.

use std::io;
use std::path::Path;
use std::time::Duration;

use common::event::Event;
use common::fs::PrivateDir;
use common::fs::lock::Lock;
use otlp::{Settings, Signal};

use crate::async_lock;

/// The folder in the state directory.
pub(super) const FOLDER: &str = "otlp";

/// The largest file of an event.
const MAX_BYTES: u64 = 1024 * 1024;

/// The size of the files in one batch: a larger one is cut.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The most events that wait. If a collector is down for long, the oldest are lost.
const MAX_WAITING: usize = 10_000;

/// How long another process may be busy with a queue.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// Adds an event for each signal that is exported.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn enqueue(state_dir: &Path, settings: &Settings, event: &Event) -> io::Result<()> {
    enqueue_as(state_dir, settings, event, |_| true)
}

/// Adds an event that is in no journal: as a span, so that those within it have a parent, and as nothing else.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn enqueue_span(state_dir: &Path, settings: &Settings, event: &Event) -> io::Result<()> {
    enqueue_as(state_dir, settings, event, |signal| signal == Signal::Traces)
}

fn enqueue_as(
    state_dir: &Path,
    settings: &Settings,
    event: &Event,
    is_wanted: impl Fn(Signal) -> bool,
) -> io::Result<()> {
    let bytes = serde_json::to_vec(event)?;
    let name = format!("{:013}-{}.json", event.ts.timestamp_millis(), event.id.as_str());
    for target in settings.targets.iter().filter(|target| is_wanted(target.signal)) {
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

/// The oldest events of a queue.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    /// The names of their files.
    pub(super) names: Vec<String>,
    /// The names of files that contain no event, such as after a power failure.
    damaged: Vec<String>,
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

    /// Keeps other processes from sending at the same time.
    pub(super) async fn lock(&self) -> io::Result<Lock> {
        async_lock::acquire(&self.root, &format!("{}.lock", self.signal.as_str()), LOCK_LIMIT).await
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        Ok(self.names()?.is_empty())
    }

    /// Reads the oldest events: at most `most`, and few enough for one request.
    pub(super) fn oldest(&self, most: usize) -> io::Result<Batch> {
        let mut batch = Batch::default();
        let mut size = 0;
        for name in self.names()? {
            // If the file is gone, another process has removed it.
            let Some(bytes) = self.folder.read(&name, MAX_BYTES)? else { continue };
            let Ok(event) = serde_json::from_slice(&bytes) else {
                batch.damaged.push(name);
                continue;
            };
            size += bytes.len();
            if batch.events.len() == most || (size > MAX_BATCH_BYTES && !batch.events.is_empty()) {
                break;
            }
            batch.events.push(event);
            batch.names.push(name);
        }
        Ok(batch)
    }

    /// Removes the events of a batch.
    pub(super) fn remove(&self, batch: &Batch) {
        self.remove_files(&batch.names);
    }

    /// Removes the files of a batch that contain no event. Returns how many they were.
    pub(super) fn remove_damaged(&self, batch: &Batch) -> usize {
        self.remove_files(&batch.damaged);
        batch.damaged.len()
    }

    /// Removes the oldest events if too many wait. Returns how many they were.
    pub(super) fn trim(&self) -> io::Result<usize> {
        let names = self.names()?;
        let surplus = names.len().saturating_sub(MAX_WAITING);
        self.remove_files(&names[..surplus]);
        Ok(surplus)
    }

    /// The names of the events, oldest first.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.folder.names()?;
        // Others are being written.
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        Ok(names)
    }

    /// Removes these files.
    pub(super) fn remove_files(&self, names: &[String]) {
        for name in names {
            // Another process may have done it.
            let _ = self.folder.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::stage_event;

    fn add(queue: &Queue, name: &str, bytes: &[u8]) {
        queue.folder.replace_unsynced(name, bytes).unwrap();
    }

    #[test]
    fn a_batch_is_limited_by_number_and_by_size_and_contains_no_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Signal::Traces).unwrap();
        assert!(queue.is_empty().unwrap());
        let mut event = stage_event("build");
        let small = serde_json::to_vec(&event).unwrap();
        event.cause = Some("x".repeat(MAX_BATCH_BYTES / 2));
        let large = serde_json::to_vec(&event).unwrap();
        for (name, bytes) in
            [("1", b"".as_slice()), ("2", &small), ("3", &small), ("4", &large), ("5", &large)]
        {
            add(&queue, name, bytes);
        }
        let read = |most| queue.oldest(most).unwrap();
        assert_eq!(read(1).names, ["2"]);
        assert_eq!(read(10).names, ["2", "3", "4"]);
        assert_eq!(queue.remove_damaged(&read(10)), 1);
        queue.remove(&read(10));
        assert_eq!(read(10).names, ["5"]);
        assert_eq!(queue.trim().unwrap(), 0);
    }
}
