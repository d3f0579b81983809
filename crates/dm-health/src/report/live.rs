//! The live status line at the bottom of a terminal.

use std::time::Duration;

use common::duration::format_duration;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A live line on stdout. Every probe redraws it; it disappears at the end.
#[derive(Debug)]
pub(super) struct LiveLine(ProgressBar);

impl LiveLine {
    pub(super) fn begin() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())))
    }

    /// Redraws the line.
    pub(super) fn draw(&self, counts: &str, sparkline: &str) {
        self.0.set_message(message(self.0.elapsed(), counts, sparkline));
        self.0.tick();
    }

    /// Runs `write` while the line is hidden.
    pub(super) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn message(elapsed: Duration, counts: &str, sparkline: &str) -> String {
    // Tenths of a second would only flicker.
    let elapsed = match elapsed.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds => format_duration(Duration::from_secs(seconds)),
    };
    format!("{elapsed}  {counts}  {sparkline}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_line_has_the_time_the_counts_and_the_sparkline() {
        let at = |ms| message(Duration::from_millis(ms), "12 probes, 1 failed", "▁▄█✗▁");
        insta::assert_snapshot!([at(900), at(59_999), at(83_400)].join("\n"));
    }
}
