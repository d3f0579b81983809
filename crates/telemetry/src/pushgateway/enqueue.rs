//! Writes an event to the journal and to the outbox as if in one step: if the tool is killed in between, the next tool
//! completes the second step, and no event is journaled twice.

use std::io;

use super::outbox::GroupOutbox;
use crate::journal::Journal;
use common::event::Event;

/// Appends the event to the journal, and adds it to the group's outbox.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn journal_and_enqueue(journal: &Journal, group: &GroupOutbox, event: &Event) -> io::Result<()> {
    // One lock for both, so that a tool that finds a file being journaled knows that its writer is dead.
    let journal = journal.lock()?;
    let draft = group.draft(event)?;
    journal.append(event)?;
    draft.commit()
}

/// Completes what a killed tool left half done in this group.
///
/// # Errors
/// The state directory cannot be read or written.
pub(crate) fn complete_interrupted(group: &GroupOutbox) -> io::Result<()> {
    let drafts = group.drafts()?;
    if drafts.is_empty() {
        return Ok(());
    }
    let journal = group.journal().lock()?;
    for draft in drafts {
        // A draft that cannot be read is gone: its own tool has committed it in the meantime.
        let Ok(content) = draft.read() else { continue };
        let Some(event) = content else {
            draft.discard()?;
            continue;
        };
        if !journal.has(&event.id)? {
            journal.append(&event)?;
        }
        draft.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::Entry;
    use crate::pushgateway::outbox::Outbox;
    use crate::testing::{build_outbox, stage_event};

    #[test]
    fn an_interrupted_event_is_journaled_once() {
        for was_journaled in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let group = build_outbox(&Outbox::new(folder.path()));
            let event = stage_event("build");
            drop(group.draft(&event).unwrap());
            if was_journaled {
                Journal::new(folder.path()).append(&event).unwrap();
            }
            complete_interrupted(&group).unwrap();
            assert_eq!(group.entries().unwrap().len(), 1);
            assert_eq!(Journal::new(folder.path()).read().unwrap(), [Entry::Finished(event)]);
        }
    }

    #[test]
    fn half_an_event_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let group = build_outbox(&Outbox::new(folder.path()));
        drop(group.draft(&stage_event("build")).unwrap());
        for file in fs::read_dir(group.folder()).unwrap() {
            common::fs::atomic::write(&file.unwrap().path(), b"{\"v\":1,").unwrap();
        }
        complete_interrupted(&group).unwrap();
        assert!(group.entries().unwrap().is_empty() && group.is_empty());
        assert!(Journal::new(folder.path()).read().unwrap().is_empty());
    }
}
