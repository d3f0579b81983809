//! The async runtime of every tool: one thread, and an end that waits for nobody.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The system's resolver blocks. A lookup that hangs outlives the work it was for, and such lookups must not pile up.
const MAX_BLOCKING_THREADS: usize = 4;

/// A runtime on the current thread, with timers and I/O.
///
/// # Errors
/// The system has no descriptor left for its event loop.
pub fn new() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(MAX_BLOCKING_THREADS).build()
}

/// Runs `work` to its end on this thread. Does not wait for a blocking call that `work` left behind, such as a lookup
/// of a host name that hangs.
///
/// # Errors
/// Those of [`new`].
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    let runtime = new()?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}
