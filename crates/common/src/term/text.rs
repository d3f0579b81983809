//! Text from outside, made safe to show.

/// The text in one line, without characters that act on a terminal, change the direction of the text around them, or make a
/// log viewer obey a command.
pub fn one_line(text: &str) -> String {
    // GitHub Actions looks for this old form of a command anywhere in a line.
    text.replace(is_unsafe, " ").replace("##[", "## [")
}

/// The text in one line of at most this many bytes, and a mark if there was more.
pub fn short_line(text: &str, max_bytes: usize) -> String {
    let mut line = one_line(text);
    if line.len() > max_bytes {
        line.truncate(line.floor_char_boundary(max_bytes));
        line.push('…');
    }
    line
}

/// Whether a character does more than show itself: controls, line separators, and marks of direction.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_one_line_and_does_nothing() {
        let hostile =
            "a\x1b]0;x\x07\n::error::b\u{9b}1m\u{202e}c\u{2066}\u{2028}\u{200f}\u{61c}##[add-mask]d";
        assert_eq!(one_line(hostile), "a ]0;x  ::error::b 1m c    ## [add-mask]d");
        assert_eq!(one_line("ü – 5 % 漢 🙂"), "ü – 5 % 漢 🙂");
        assert_eq!((short_line("aü", 2), short_line("a\nb", 3)), ("a…".to_owned(), "a b".to_owned()));
    }
}
