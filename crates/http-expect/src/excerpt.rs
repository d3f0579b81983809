//! The beginning of a text from outside, as one line that is safe to print.

/// The most characters of a text that a message shows.
pub const MAX_CHARS: usize = 200;

/// The beginning of `text`, escaped and in double quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", bounded(text))
}

/// The beginning of `text`, with every character escaped that a terminal would interpret.
pub fn bounded(text: &str) -> String {
    let mut excerpt = String::new();
    let mut length = 0;
    for c in text.chars() {
        let escaped = escape(c);
        length += escaped.chars().count();
        if length > MAX_CHARS {
            excerpt.push('…');
            break;
        }
        excerpt.push_str(&escaped);
    }
    excerpt
}

/// A text of several lines in one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Escapes what is not printable. Quotes and backslashes stay: escaped, JSON would be unreadable.
fn escape(c: char) -> String {
    match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_bounded_line() {
        assert_eq!(quoted("{\"a\": 'b\\c'}\r\n\x1b[31m"), "\"{\"a\": 'b\\c'}\\r\\n\\u{1b}[31m\"");
        assert_eq!(bounded("right\u{202e}tfel"), "right\\u{202e}tfel");
        for c in ["ü", "\n"] {
            let long = bounded(&c.repeat(5000));
            assert!(long.ends_with('…') && long.chars().count() == MAX_CHARS + 1, "{long}");
        }
        assert_eq!(one_line(" a\n  b\tc "), "a b c");
    }
}
