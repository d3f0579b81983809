//! Events on their way to the gateway, in the state directory: a folder a group, a file an event, the state in the
//! file's name. A change of state is one rename, so that whatever is killed leaves one state or the other.
//!
//! | name ends in | state |
//! | --- | --- |
//! | `.new` | being journaled |
//! | `.unsent` | in the journal, never put |
//! | `.tried-TOKEN-BEFORE` | a PUT was begun |
//! | `.sent-TOKEN-BEFORE` | the gateway said that it took it |
//! | no file | verified, or too old to tell |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::dedup::{Put, Token};
use super::group_key::GroupKey;
use crate::journal::Journal;
use common::event::Event;
use common::fs::atomic;
use common::fs::lock::{self, Lock};

/// The outbox of one state directory.
#[derive(Debug, Clone)]
pub struct Outbox {
    state_dir: PathBuf,
}

/// The events of one group.
#[derive(Debug, Clone)]
pub struct GroupBox {
    folder: PathBuf,
    lock: PathBuf,
    journal: Journal,
}

/// One event on its way.
#[derive(Debug)]
pub struct Item {
    path: PathBuf,
    /// The event.
    pub event: Event,
    /// Its last PUT; `None` for one that was never put.
    pub put: Option<Put>,
}

impl Outbox {
    /// The outbox in `state_dir`, which need not exist yet.
    pub fn new(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned() }
    }

    /// The events of the group `key`.
    pub fn group(&self, key: &GroupKey) -> GroupBox {
        self.named(&key.file_name())
    }

    /// Every group that has an event on its way.
    pub fn groups(&self) -> Vec<GroupBox> {
        let folders = fs::read_dir(self.state_dir.join("outbox")).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names.iter().map(|name| self.named(name)).collect()
    }

    fn named(&self, name: &str) -> GroupBox {
        GroupBox {
            folder: self.state_dir.join("outbox").join(name),
            lock: self.state_dir.join("locks").join(name),
            journal: Journal::new(&self.state_dir),
        }
    }
}

impl GroupBox {
    /// One writer a group on this machine. Waiting is bounded by whoever waits for the caller.
    pub fn lock(&self) -> io::Result<Lock> {
        lock::exclusive(&self.lock)
    }

    /// Whether no event of the group is on its way.
    pub fn is_empty(&self) -> bool {
        self.names().is_empty()
    }

    /// Whether an event of the group was never put, or its PUT was never answered.
    pub fn has_unsent(&self) -> bool {
        self.names().iter().any(|name| !name.contains(".sent-"))
    }

    /// The files, without what a tool left that was killed while it wrote one anew.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    /// Journals the event and puts it here. Killed in between, the next tool finds it half done and finishes it.
    pub fn add(&self, event: &Event) -> io::Result<()> {
        let line = serde_json::to_vec(event)?;
        fs::create_dir_all(&self.folder)?;
        let name = format!("{:013}-{}", event.ts.timestamp_millis(), event.id.as_str());
        let journal = self.journal.lock()?;
        let new = self.folder.join(format!("{name}.new"));
        #[expect(
            clippy::disallowed_methods,
            reason = "a name that ends in .new says that it may be half a file"
        )]
        fs::write(&new, &line)?;
        journal.append(event)?;
        fs::rename(new, self.folder.join(format!("{name}.unsent")))
    }

    /// The events on their way, oldest first. Needs the group's lock.
    pub fn items(&self) -> Result<Vec<Item>> {
        let mut paths: Vec<PathBuf> = match fs::read_dir(&self.folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.folder.display()));
            }
        };
        paths.sort();
        let mut items = Vec::new();
        for path in paths {
            let path = if path.extension().is_some_and(|end| end == "new") {
                self.finish(&path)?
            } else {
                Some(path)
            };
            items.extend(path.and_then(Item::read));
        }
        Ok(items)
    }

    /// Takes an event up that was being journaled when its tool was killed; nothing where it was not whole yet.
    fn finish(&self, new: &Path) -> Result<Option<PathBuf>> {
        // Under the journal's lock there is nobody else who is about to do this.
        let journal = self.journal.lock()?;
        let Ok(line) = fs::read(new) else {
            // Finished in the meantime by the tool itself: the next look at the folder shows it.
            return Ok(None);
        };
        let Ok(event) = serde_json::from_slice::<Event>(&line) else {
            fs::remove_file(new)?;
            return Ok(None);
        };
        if !journal.has(&event.id)? {
            journal.append(&event)?;
        }
        let unsent = new.with_extension("unsent");
        fs::rename(new, &unsent)?;
        Ok(Some(unsent))
    }
}

impl Item {
    fn read(path: PathBuf) -> Option<Self> {
        let put = match path.extension()?.to_str()?.split('-').collect::<Vec<_>>().as_slice() {
            ["unsent"] => None,
            [state @ ("tried" | "sent"), token, before] => Some(Put {
                token: Token::parse(token)?,
                before: Token::parse(before),
                acknowledged: *state == "sent",
            }),
            _ => return None,
        };
        let event = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        Some(Self { path, event, put })
    }

    /// Keeps what became known of the event. Only before its first PUT: what was put is put again as it was.
    pub fn keep(&self) -> io::Result<()> {
        atomic::write(&self.path, &serde_json::to_vec(&self.event)?)
    }

    /// Writes down how far its PUT came.
    pub fn record(&mut self, put: Put) -> io::Result<()> {
        let state = if put.acknowledged { "sent" } else { "tried" };
        let before = put.before.map_or_else(|| "none".to_owned(), |token| token.to_string());
        let renamed = self.path.with_extension(format!("{state}-{}-{before}", put.token));
        fs::rename(&self.path, &renamed)?;
        self.path = renamed;
        self.put = Some(put);
        Ok(())
    }

    /// It needs no more care.
    pub fn done(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Entry;
    use crate::testing::stage_event;

    fn group(state_dir: &Path) -> GroupBox {
        let event = stage_event("build");
        Outbox::new(state_dir).group(&GroupKey::counters(&event.identity, &event.stage))
    }

    fn journaled(state_dir: &Path) -> Vec<Entry> {
        Journal::new(state_dir).read().unwrap()
    }

    #[test]
    fn an_event_goes_from_unsent_to_tried_to_sent_to_gone() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        let event = stage_event("build");
        group.add(&event).unwrap();
        assert_eq!(journaled(folder.path()), [Entry::Finished(event.clone())]);
        let [mut item] = group.items().unwrap().try_into().unwrap();
        assert_eq!((&item.event, item.put), (&event, None));
        for acknowledged in [false, true] {
            let put = Put { token: Token::of(&event.id), before: None, acknowledged };
            item.record(put).unwrap();
            [item] = group.items().unwrap().try_into().unwrap();
            assert_eq!(item.put, Some(put));
        }
        item.done().unwrap();
        assert!(group.is_empty());
    }

    #[test]
    fn an_event_that_was_being_journaled_is_journaled_once() {
        for was_journaled in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let group = group(folder.path());
            let event = stage_event("build");
            fs::create_dir_all(&group.folder).unwrap();
            let new = group.folder.join(format!("1-{}.new", event.id.as_str()));
            atomic::write(&new, &serde_json::to_vec(&event).unwrap()).unwrap();
            if was_journaled {
                Journal::new(folder.path()).append(&event).unwrap();
            }
            assert_eq!(group.items().unwrap().len(), 1);
            assert_eq!(journaled(folder.path()), [Entry::Finished(event)]);
        }
    }

    #[test]
    fn half_a_new_event_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let group = group(folder.path());
        fs::create_dir_all(&group.folder).unwrap();
        atomic::write(&group.folder.join("1-x.new"), b"{\"v\":1,").unwrap();
        assert_eq!(group.items().unwrap().len(), 0);
        assert!(group.is_empty());
    }
}
