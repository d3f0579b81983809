//! The async runtime of every tool: one thread, and an end that waits for nobody.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// The threads for name lookups of a tool that has one task. The system's resolver blocks: a lookup that hangs outlives
/// its task, and such lookups must not pile up.
const LOOKUP_THREADS: usize = 4;

/// A runtime on the current thread, with timers and I/O.
///
/// # Errors
/// The system has no descriptor left for its event loop.
pub fn new() -> io::Result<Runtime> {
    with_lookup_threads(LOOKUP_THREADS)
}

fn with_lookup_threads(lookup_threads: usize) -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(lookup_threads).build()
}

/// Runs `work` to its end on this thread. Does not wait for a blocking call that `work` left behind, such as a lookup
/// of a host name that hangs.
///
/// # Errors
/// Those of [`new`].
pub fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
    Ok(run(new()?, work))
}

/// Like [`block_on`], for `tasks` tasks at a time that can each look up a name: one lookup that hangs delays no other.
///
/// # Errors
/// Those of [`new`].
pub fn block_on_concurrent<T>(tasks: usize, work: impl Future<Output = T>) -> io::Result<T> {
    Ok(run(with_lookup_threads(LOOKUP_THREADS.saturating_add(tasks))?, work))
}

fn run<T>(runtime: Runtime, work: impl Future<Output = T>) -> T {
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}
