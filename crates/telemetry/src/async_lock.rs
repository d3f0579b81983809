//! Waiting for a lock while the thread's other work goes on.

use std::io;
use std::time::Duration;

use common::fs::PrivateDir;
use common::fs::lock::Lock;
use tokio::time::{Instant, sleep};

/// The time between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// Acquires the lock `name` of a folder; waits for at most `limit`.
///
/// # Errors
/// The lock file cannot be used, or another process has the lock for too long. The error says which one.
pub(crate) async fn acquire(folder: &PrivateDir, name: &str, limit: Duration) -> io::Result<Lock> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(lock) = folder.try_lock(name)? {
            return Ok(lock);
        }
        if Instant::now() >= deadline {
            // Its error names the process.
            return folder.lock(name, Duration::ZERO);
        }
        sleep(PAUSE).await;
    }
}
