//! Colours for what people read at a glance: good, bad, warning.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette(bool);

impl Palette {
    /// No colours.
    pub const PLAIN: Self = Self(false);

    /// As the stream and the environment have it: on a terminal that shows colours, unless `NO_COLOR` is set
    /// (<https://no-color.org>); elsewhere with `CLICOLOR_FORCE` (<https://bixense.com/clicolors/>).
    pub fn on(stream: &impl RawStream) -> Self {
        Self(AutoStream::choice(stream) != ColorChoice::Never)
    }

    /// In green.
    pub fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// In red.
    pub fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    /// In yellow.
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
    fn colours_stand_around_the_text_or_nowhere() {
        assert_eq!(Palette::PLAIN.bad("no"), "no");
        assert_eq!(Palette(true).bad("no"), "\u{1b}[1m\u{1b}[31mno\u{1b}[0m");
    }
}
