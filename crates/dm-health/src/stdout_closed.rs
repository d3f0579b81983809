//! Detects that the reader of stdout has gone away.

use std::future::pending;
use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Completes when the reader of stdout goes away; needs a tokio runtime. The next write would also fail, but that may be
/// an hour away. Never completes if it cannot be detected, as for a file.
pub(crate) async fn stdout_closed() {
    #[expect(deprecated, reason = "its successor is unsafe to call; stdout keeps its descriptor to the end")]
    let stdout = AsyncFd::with_interest(io::stdout(), Interest::ERROR);
    // This only waits for an error: it writes nothing, and does not change the mode of the descriptor.
    if let Ok(stdout) = stdout
        && stdout.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    pending::<()>().await;
}
