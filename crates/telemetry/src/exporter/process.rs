//! The process of the exporter: apart from the tool that started it, and never longer than its budget.

use std::fs;
use std::io;
use std::time::Duration;

use common::fs::PrivateDir;
use common::fs::lock::Lock;
use common::runtime;
use nix::unistd::{alarm, chdir, close, setsid};
use tokio::time::{Instant, timeout_at};

use super::drain::Drain;
use super::job::Job;
use super::launch::{LOCK, launch_with};

/// How long an exporter runs. What it has not sent by then, another one sends.
const BUDGET: Duration = Duration::from_secs(30);

/// The kernel ends a process that has not ended itself, such as one whose disk does not answer, after these seconds.
const LAST_RESORT_S: u32 = 40;

/// Descriptors below this one are the standard streams.
const FIRST_INHERITED: i32 = 3;

/// Sends what waits, and whatever is written meanwhile.
pub(super) fn run() {
    // Signals of the terminal, and those to the tool's process group, are not for this process.
    let _ = setsid();
    alarm::set(LAST_RESORT_S);
    close_inherited();
    let Ok(lock) = Lock::from_stdout() else { return };
    let Ok(job) = Job::read(io::stdin()) else { return };
    let Ok(folder) = PrivateDir::create(&job.state_dir, &[]) else { return };
    let mut drain = Drain::new(job);
    // A folder that this process is in could not be unmounted.
    let _ = chdir("/");
    let _ = runtime::block_on(async {
        let mut lock = Some(lock);
        let deadline = Instant::now() + BUDGET;
        while let Some(held) = lock.take() {
            match timeout_at(deadline, drain.send_all()).await {
                Ok(()) => {
                    drop(held);
                    // A tool that found the lock held has written its event before.
                    if drain.has_more() {
                        lock = folder.try_lock(LOCK).ok().flatten();
                    }
                }
                // Others rely on this process. As long as some events leave, the next process goes on with the rest.
                Err(_) if drain.has_progressed() && drain.has_more() => {
                    let _ = launch_with(held, &drain.job());
                }
                Err(_) => {}
            }
        }
    });
}

/// Closes what the tool had inherited, such as the pipe of `$(…)`: whoever reads it waits until all writers have closed it.
fn close_inherited() {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor >= FIRST_INHERITED) {
        // The descriptor of the listing itself is closed already.
        let _ = close(descriptor);
    }
}
