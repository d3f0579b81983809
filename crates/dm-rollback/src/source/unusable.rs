//! Why a source cannot be used.

/// The source cannot be used as it is, and the next query will not change that.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unusable(pub(crate) String);
