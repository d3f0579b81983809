//! The line at the bottom of a terminal that says how it is going.

use std::time::Duration;

use common::duration::format_duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A live line on stdout. It is drawn anew at every probe, and gone at the end.
#[derive(Debug)]
pub(super) struct Live(ProgressBar);

impl Live {
    pub(super) fn begin() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())))
    }

    /// Draws it.
    pub(super) fn draw(&self, counts: &str, sparkline: &str) {
        // It is no stopwatch: tenths would only flicker.
        let since = match self.0.elapsed().as_secs() {
            seconds @ 0..60 => format!("{seconds}s"),
            seconds => format_duration(Duration::from_secs(seconds)),
        };
        self.0.set_message(format!("{since}  {counts}  {sparkline}"));
        self.0.tick();
    }

    /// Writes lines above it.
    pub(super) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
