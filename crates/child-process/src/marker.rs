//! Marks a child and all that it starts by a variable of their environment: a process that has left the group and the
//! session of the child is found by it.

use std::fs;
use std::process::Command;

use common::env;
use common::event::EventId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable. It has the marks of all tools on the way to the process, separated by commas.
const VARIABLE: &str = "DM_STARTED_BY";

/// The marks of the outermost tools go, if there are more: an environment has a limit.
const MAX_MARKS: usize = 8;

/// How often to look for processes that were started in the meantime.
const ROUNDS: usize = 8;

/// The mark of one child.
#[derive(Debug)]
pub(crate) struct Marker(String);

impl Marker {
    /// Marks what the command will start.
    pub(crate) fn set_on(command: &mut Command) -> Self {
        let mark = EventId::random().as_str().to_owned();
        let outer = env::system(VARIABLE).unwrap_or_default();
        let mut marks: Vec<&str> = outer.split(',').filter(|mark| !mark.is_empty()).collect();
        marks.push(&mark);
        let kept = marks.len().saturating_sub(MAX_MARKS);
        command.env(VARIABLE, marks.get(kept..).unwrap_or_default().join(","));
        Self(mark)
    }

    /// Kills all processes with the mark. A process that has removed it from its environment is not found, and none is
    /// without `/proc`.
    pub(crate) fn kill_all(&self) {
        for _ in 0..ROUNDS {
            let marked = self.processes();
            if marked.is_empty() {
                return;
            }
            for process in marked {
                // It may have ended.
                let _ = kill(process, Signal::SIGKILL);
            }
        }
    }

    fn processes(&self) -> Vec<Pid> {
        let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // A process of another user cannot be read, and one that has ended is empty.
        ids.filter(|id| fs::read(format!("/proc/{id}/environ")).is_ok_and(|text| self.is_in(&text)))
            .map(Pid::from_raw)
            .collect()
    }

    /// Whether an environment, with a zero after each variable, contains the mark.
    fn is_in(&self, environment: &[u8]) -> bool {
        environment.split(|byte| *byte == 0).any(|variable| {
            let value = std::str::from_utf8(variable).ok();
            let marks = value.and_then(|text| text.strip_prefix(VARIABLE)?.strip_prefix('='));
            marks.is_some_and(|marks| marks.split(',').any(|mark| mark == self.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_among_others() {
        let marker = Marker("b".to_owned());
        assert!(marker.is_in(b"A=1\0DM_STARTED_BY=a,b,c\0"));
        assert!(!marker.is_in(b"A=b\0DM_STARTED_BY=ab\0DM_STARTED_BYE=b\0"));
        assert!(!marker.is_in(b""));
    }
}
