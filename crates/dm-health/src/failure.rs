//! Why a probe failed.

use common::event::Reason;

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The reason, as a label.
    pub(crate) reason: Reason,
    /// The explanation, without secrets.
    pub(crate) message: String,
    /// The beginning of the response, quoted and escaped, if the explanation does not contain it; otherwise empty.
    pub(crate) response: String,
    /// Whether this machine is to blame, so that the failure says nothing about the service.
    pub(crate) is_local: bool,
}

impl Failure {
    /// A failure of the service.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), response: String::new(), is_local: false }
    }

    /// A failure of this machine.
    pub(crate) fn local(reason: Reason, message: impl Into<String>) -> Self {
        Self { is_local: true, ..Self::new(reason, message) }
    }
}
