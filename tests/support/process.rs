//! Processes that are not children of the test.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::eventually;

/// Whether a process runs. One that has ended does not, even if nobody has waited for it yet.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether a process has a handler for this signal.
#[must_use]
pub fn catches(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default();
    caught & (1 << (signal as u32 - 1)) != 0
}

/// The exporters of the tools with this state directory.
#[must_use]
pub fn exporters(state_dir: &Path) -> Vec<i32> {
    let variable = format!("DM_STATE_DIR={}", state_dir.display());
    let has = |pid: i32, file: &str, word: &str| {
        let words = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|found| found == word.as_bytes())
    };
    all().filter(|pid| has(*pid, "cmdline", "dm-exporter") && has(*pid, "environ", &variable)).collect()
}

/// Kills these processes in this order, and waits until none of them runs: a signal is sent before it takes effect.
pub fn kill_all(pids: &[i32]) {
    for &pid in pids {
        // It may have ended together with its parent.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    for &pid in pids {
        eventually("the killed processes end", || {
            if is_alive(pid) { Err(format!("process {pid} still runs")) } else { Ok(()) }
        });
    }
}

/// Kills a process and everything that it started and that was not handed over to process 1, as if their machine was
/// lost: nothing of it can react to the end of something else.
pub fn kill_tree(root: i32) {
    let mut tree: Vec<i32> = Vec::new();
    loop {
        // A process that is stopped starts no other one.
        let found: Vec<i32> = with_descendants(root).into_iter().filter(|pid| !tree.contains(pid)).collect();
        if found.is_empty() {
            break;
        }
        for &pid in &found {
            let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
            eventually("a stopped process", || {
                if is_alive(pid) && state(pid) != Some('T') { Err(format!("{pid} runs")) } else { Ok(()) }
            });
        }
        tree.extend(found);
    }
    // Children first: if a parent ends before its stopped children have a signal that kills them, the kernel continues them
    // and hangs up on them (setpgid(2): an orphaned process group), and they report that.
    tree.reverse();
    kill_all(&tree);
}

/// A process and its descendants, each after its parent.
fn with_descendants(root: i32) -> Vec<i32> {
    let pairs: Vec<(i32, i32)> = all().filter_map(|pid| Some((parent(pid)?, pid))).collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&of) = tree.get(next) {
        tree.extend(pairs.iter().filter(|(parent, _)| *parent == of).map(|(_, pid)| *pid));
        next += 1;
    }
    tree
}

fn all() -> impl Iterator<Item = i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The process that started this one; `None` if this one has ended.
fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// The letter of a process's state.
fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
