//! How far the requests of a sender are, for whoever does not wait for their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const IDLE: u8 = 0;
const ASKED: u8 = 1;
const ANSWERED: u8 = 2;

/// The progress, shared with the thread that sends.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

impl Progress {
    /// A request is sent.
    pub(super) fn ask(&self) {
        let _ = self.0.compare_exchange(IDLE, ASKED, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The collector has answered.
    pub(super) fn answer(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// Whether the collector was asked, and has never answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ASKED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_collector_that_never_answers_is_unanswered() {
        let progress = Progress::default();
        assert!(!progress.is_unanswered(), "it was not asked");
        progress.ask();
        assert!(progress.clone().is_unanswered());
        progress.answer();
        progress.ask();
        assert!(!progress.is_unanswered(), "it is slow, not down");
    }
}
