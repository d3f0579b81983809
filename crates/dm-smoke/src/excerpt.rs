//! Other people's text as it may be shown: in one line, of bounded length, without the secrets that are known.

pub use http_expect::excerpt::{bounded, one_line, quoted};

use crate::secret::Hidden;

/// The beginning of `text`, masked, escaped and in quotes.
pub fn of(text: &[u8], hidden: &Hidden<'_>) -> String {
    quoted(hidden.masked(&String::from_utf8_lossy(text)).trim())
}

#[cfg(test)]
mod tests {
    use common::secrets::Redactor;
    use http_expect::excerpt::MAX_CHARS;

    use super::*;
    use crate::suite::template::Values;

    #[test]
    fn an_excerpt_is_one_bounded_line() {
        let (known, values) = (Redactor::default(), Values::new());
        let none = Hidden::new(&known, &values);
        assert_eq!(
            of(b" {\"a\": 'b\\c'}\r\n\x1b[31m\xff ", &none),
            "\"{\"a\": 'b\\c'}\\r\\n\\u{1b}[31m\u{fffd}\""
        );
        assert_eq!(of("right\u{202e}tfel".as_bytes(), &none), "\"right\\u{202e}tfel\"");
        let long = of("ü".repeat(5000).as_bytes(), &none);
        assert_eq!(long.chars().count(), MAX_CHARS + 3);
        assert!(long.ends_with("…\""));
        assert!(of("\n".repeat(5000).as_bytes(), &none).chars().count() <= MAX_CHARS + 3);
    }

    #[test]
    fn a_secret_is_masked_before_the_text_is_cut() {
        let (mut known, values) = (Redactor::default(), Values::new());
        known.add(["longsecret".to_owned()]);
        let shown =
            of(format!("{}longsecret", "x".repeat(MAX_CHARS - 4)).as_bytes(), &Hidden::new(&known, &values));
        assert!(!shown.contains("long"), "{shown}");
    }
}
