//! The processes below this one.

use std::collections::HashMap;
use std::fs;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

/// Makes this process the parent of what its descendants leave behind, so that nothing a child starts escapes.
///
/// Where the kernel does not allow it, only those that leave their parents escape.
pub(super) fn adopt_orphans() {
    let _ = set_child_subreaper(true);
}

/// Takes leave of the ended processes that were adopted, as PID 1 in a container too, so that none stays a zombie.
/// `child` itself is left to whoever waits for it.
pub(super) fn reap_orphans(child: Pid) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) = waitid(Id::All, look) {
        // They are told of in no certain order: while the child is told of, it is the next to be waited for.
        if pid == child || waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            break;
        }
    }
}

/// Everything below this process that lives, at the moment of asking. Empty without a `/proc`.
pub fn descendants() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        // One that has ended since is not there to be read.
        if let Some(parent) =
            fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| parent(&stat))
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut to_visit = vec![getpid().as_raw()];
    while let Some(pid) = to_visit.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(below.iter().copied().map(Pid::from_raw));
        to_visit.extend(below);
    }
    found
}

/// The parent in a `/proc/PID/stat`, by proc_pid_stat(5); `None` for a process that has ended.
fn parent(stat: &str) -> Option<i32> {
    // The name, in parentheses, may hold anything, parentheses and spaces too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_whatever_the_name_of_the_process() {
        assert_eq!(parent("12 (sh) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("12 (a) Z 1 (b) S) R 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("12 (sh) Z 7 12 12 0 -1"), None);
        assert_eq!(parent("12 (sh"), None);
        assert_eq!(parent(""), None);
    }
}
