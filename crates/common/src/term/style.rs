//! Colours of human-readable output: good, bad, warning.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette(bool);

impl Palette {
    /// No colours.
    pub const PLAIN: Self = Self(false);

    /// Colours on a terminal that supports them, unless `NO_COLOR` is set (<https://no-color.org>); elsewhere only if
    /// `CLICOLOR_FORCE` is set (<https://bixense.com/clicolors/>).
    pub fn on(stream: &impl RawStream) -> Self {
        Self(AutoStream::choice(stream) != ColorChoice::Never)
    }

    /// The text in green.
    pub fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// The text in bold red.
    pub fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// The text in yellow.
    pub fn warning(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default(), text)
    }

    fn paint(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_surround_the_text_or_are_absent() {
        assert_eq!(Palette::PLAIN.bad("no"), "no");
        assert_eq!(Palette(true).bad("no"), "\u{1b}[1m\u{1b}[31mno\u{1b}[0m");
    }
}
