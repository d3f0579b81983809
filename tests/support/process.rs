//! Processes that are not children of the test.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::server::eventually;

/// Whether a process runs. One that has ended does not, even if nobody has waited for it yet.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
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
