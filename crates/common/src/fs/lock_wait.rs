//! Waiting for a lock: for a limited time, and not much longer once a signal asks this process to end.

use std::fs::{self, File, TryLockError};
use std::io::{self, Error, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollTimeout, poll};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::lock_holder::holder;
use crate::clock::{Clock, SystemClock};
use crate::duration::format_duration;

/// The longest time between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How long the wait may last after a signal: locks are held for short writes.
const AFTER_SIGNAL: Duration = Duration::from_millis(200);

/// Waits until `file` is locked. It stays locked as long as it is open.
pub(super) fn wait(file: &File, path: &Path, limit: Duration) -> io::Result<()> {
    if is_acquired(file)? {
        return Ok(());
    }
    let clock = SystemClock;
    let mut deadline = clock.instant() + limit;
    let signal = EndSignal::watch();
    let mut pause = Duration::from_millis(1);
    loop {
        if signal.has_arrived() {
            deadline = deadline.min(clock.instant() + AFTER_SIGNAL);
        }
        let left = deadline.saturating_duration_since(clock.instant());
        // The system has no call that waits for a lock for a limited time.
        let _ = poll(&mut [], PollTimeout::try_from(pause.min(left)).unwrap_or(PollTimeout::MAX));
        pause = (pause * 2).min(LONGEST_PAUSE);
        if is_acquired(file)? {
            return Ok(());
        }
        if left.is_zero() {
            return Err(timed_out(file, path, limit, signal.has_arrived()));
        }
    }
}

/// Whether the lock was free; it is ours then.
pub(super) fn is_acquired(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn timed_out(file: &File, path: &Path, limit: Duration, signalled: bool) -> Error {
    let holder = holder(file).map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let end = if signalled {
        "a signal ended the wait".to_owned()
    } else {
        format!("waited {}", format_duration(limit))
    };
    Error::new(ErrorKind::TimedOut, format!("{holder} holds the lock {}: {end}", path.display()))
}

/// Notices the signals that ask this process to end, if it handles them. Those that it does not handle end it anyway.
struct EndSignal {
    arrived: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl EndSignal {
    fn watch() -> Self {
        let arrived = Arc::new(AtomicBool::new(false));
        let handled = handled_signals();
        let is_handled = |signal: &i32| handled & (1 << (signal - 1)) != 0;
        let registered = [SIGHUP, SIGINT, SIGQUIT, SIGTERM]
            .into_iter()
            .filter(is_handled)
            .filter_map(|signal| signal_hook::flag::register(signal, Arc::clone(&arrived)).ok())
            .collect();
        Self { arrived, registered }
    }

    fn has_arrived(&self) -> bool {
        self.arrived.load(Ordering::Relaxed)
    }
}

impl Drop for EndSignal {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

/// The signals with a handler, as a mask; 0 if that is unknown.
fn handled_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::PrivateDir;

    #[test]
    fn a_wait_is_limited_and_names_the_holder() {
        let temp = tempfile::tempdir().unwrap();
        let folder = PrivateDir::create(temp.path(), &[]).unwrap();
        let held = folder.lock("lock", Duration::ZERO).unwrap();
        let error = folder.lock("lock", Duration::from_millis(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let message = error.to_string();
        assert!(message.contains("/lock: waited 5ms"), "{message}");
        assert!(message.contains(&format!("process {} holds", std::process::id())), "{message}");
        drop(held);
        assert!(folder.try_lock("lock").unwrap().is_some());
    }
}
