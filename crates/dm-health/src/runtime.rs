//! What the probes run on: one thread, and what ends them as futures.

use std::future::pending;
use std::io;

use anyhow::{Context, Result};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Builder;

/// Names are resolved by the system's own blocking resolver. One that hangs outlives its probe, and is not to pile up.
const MAX_RESOLVING: usize = 4;

/// Runs `work` to its end, on this thread.
pub fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MAX_RESOLVING)
        .build()
        .context("cannot set up the event loop")?;
    let result = runtime.block_on(work);
    // Not waiting for a resolver that hangs.
    runtime.shutdown_background();
    Ok(result)
}

/// Ends when nobody reads stdout any more; inside [`block_on`] only. The next line would find out too, but that may be
/// an hour away. Never ends where it cannot be told, as of a file.
pub async fn reader_gone() {
    #[expect(deprecated, reason = "its successor is unsafe to call; stdout keeps its descriptor to the end")]
    let stdout = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    // Only listens: it does not write, and leaves the mode of the descriptor alone.
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}
