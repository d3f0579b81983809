//! What can go wrong with a store.

/// Why a request to a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer was faster: the object exists already, or has another version. Read it again.
    #[error("another writer has changed it: run this again")]
    Conflict,
    /// The store did not respond, or could not serve the request now. A later attempt may succeed. It is not known whether
    /// a write took effect.
    #[error("the store is unavailable: {0}: check the store, and the network on the way to it")]
    Unavailable(String),
    /// The store refused the request: credentials, permissions, a missing bucket, a hook. Another attempt does not help.
    #[error("the store refused: {0}")]
    Denied(String),
    /// What the store contains is not what these tools write.
    #[error(
        "the state is damaged: {0}: restore its last good version, as docs/observability/state.md describes"
    )]
    Damaged(String),
    /// The object would be too large to be read again, so it was not written.
    #[error("{0}")]
    TooLarge(String),
    /// Another version of the tools wrote it.
    #[error(
        "the state has format {0}, which this version does not read: use the same version of the tools everywhere"
    )]
    Format(String),
}
