//! Why something could not be added to the shared state.

use std::io;

use state_store::StoreError;

/// Why something could not be added to the shared state. The kinds call for different reactions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShareError {
    /// The store cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Something on this machine failed; the store may be all right.
    #[error("the state directory: {0}")]
    Local(#[from] io::Error),
}
