//! The process that holds a lease: whether it is still there can be seen on its own machine only.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process that no other process, before or after it, is taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderProcess {
    /// The boot of the machine, and the namespace of the process id.
    pub boot: String,
    /// The process id.
    pub pid: u32,
    /// When the process started, in clock ticks after the boot.
    pub started: u64,
}

impl HolderProcess {
    /// This process; `None` if the system does not identify it.
    pub fn current() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { boot: boot()?, pid, started: started(pid)? })
    }

    /// Whether the process has ended. `false` if that cannot be seen from here.
    pub fn has_ended(&self) -> bool {
        self.is_visible() && started(self.pid) != Some(self.started)
    }

    /// Whether it can be seen from here that the process runs: it is of this boot and this namespace.
    pub fn is_visible(&self) -> bool {
        boot().is_some_and(|boot| boot == self.boot)
    }
}

fn boot() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// The 22nd field of `/proc/PID/stat` (proc_pid_stat(5)). The second may contain spaces and parentheses. A zombie has
/// ended.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_and_seen_from_its_own_machine_only() {
        let own = HolderProcess::current().unwrap();
        assert!(own.is_visible() && !own.has_ended());
        assert!(HolderProcess { started: own.started + 1, ..own.clone() }.has_ended());
        assert!(!HolderProcess { boot: "elsewhere".to_owned(), started: 0, ..own }.has_ended());
    }
}
