//! The monitor's part of the live line: written by the monitor, read by the line.

use std::sync::{Arc, Mutex, PoisonError};

/// A text that two threads share.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveStatus(Arc<Mutex<String>>);

impl LiveStatus {
    /// The current text.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}
