//! The descendants of this process.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpid};

/// The time between two checks for descendants that were asked to terminate: the kernel does not report the end of a
/// grandchild.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Makes this process adopt orphaned descendants, so that nothing a child starts escapes. If the kernel refuses, only
/// processes that outlive their parents escape.
pub(crate) fn adopt_orphans() {
    let _ = set_child_subreaper(true);
}

/// Reaps adopted processes that have ended, so that none stays a zombie; also as PID 1 in a container. Leaves `child` to
/// its own waiter.
pub(crate) fn reap_orphans(child: Pid) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) = waitid(Id::All, flags) {
        // The kernel reports them in no particular order. While it reports the child, stop: its waiter comes next.
        if pid == child || waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            break;
        }
    }
}

/// All descendants of this process that are alive at the moment. Empty without `/proc`.
pub fn descendants() -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        // A process that has ended since cannot be read.
        if let Some(parent) =
            fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|stat| parent(&stat))
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut descendants = Vec::new();
    let mut to_visit = vec![getpid().as_raw()];
    while let Some(pid) = to_visit.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        descendants.extend(below.iter().copied().map(Pid::from_raw));
        to_visit.extend(below);
    }
    descendants
}

/// The parent from `/proc/PID/stat`, see proc_pid_stat(5); `None` for a process that has ended.
fn parent(stat: &str) -> Option<i32> {
    // The name, in parentheses, may itself contain parentheses and spaces.
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
