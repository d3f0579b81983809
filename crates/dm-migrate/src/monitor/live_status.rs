//! What the live line says of the migration: written by the monitor, read by the line.

use std::sync::{Arc, Mutex, PoisonError};

/// The text, shared by two threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveStatus(Arc<Mutex<String>>);

impl LiveStatus {
    /// What it says now.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}
