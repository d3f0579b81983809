//! Why a push failed.

use std::io;

/// Why a push failed. The kinds call for different reactions.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The Pushgateway responded, and refused this request with a 4xx status. It may accept others.
    #[error("{0}")]
    Rejected(String),
    /// The Pushgateway did not respond, or not as a Pushgateway does.
    #[error("{0}")]
    Unavailable(String),
    /// Something on this machine failed, such as the state directory.
    #[error("{0:#}")]
    Local(anyhow::Error),
}

impl From<io::Error> for PushError {
    fn from(error: io::Error) -> Self {
        Self::Local(error.into())
    }
}

impl From<anyhow::Error> for PushError {
    fn from(error: anyhow::Error) -> Self {
        Self::Local(error)
    }
}
