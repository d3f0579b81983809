//! Other people's text as it may be shown: in one line, of bounded length, without the secrets that are known.

use common::label::MASK;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Url, form_urlencoded};

/// The most characters that are shown of anything.
pub const MAX_CHARS: usize = 200;

/// Shorter texts are no secrets, and to mask them would mask everything.
const SHORTEST_SECRET: usize = 4;

/// What is encoded where a value becomes a part of a URL.
pub const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What must not be shown, even where a service or a command repeats it.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// The password and the query's values in `url`, as they are written and as they are read.
    pub fn in_url(url: &Url) -> Self {
        let written = url.query().into_iter().flat_map(|query| query.split('&'));
        let values = written.filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
        // A user without a password is a token.
        let user = if url.password().is_none() { url.username() } else { "" };
        let mut secrets = Vec::new();
        for written in values.chain(url.password()).chain([user]) {
            let read = form_urlencoded::parse(written.as_bytes()).map(|(text, _)| text.into_owned());
            secrets.extend([written.to_owned()].into_iter().chain(read));
        }
        Self(Vec::new()).with(secrets)
    }

    /// These, in every form in which they are sent: as they are, in JSON, in a URL, in a form.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let mut secrets = Vec::new();
        for value in values {
            let json = serde_json::Value::from(value.as_str()).to_string();
            secrets.push(json.trim_matches('"').to_owned());
            secrets.push(utf8_percent_encode(&value, IN_A_PATH).to_string());
            secrets.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
            // A value that ends with a newline is shown without it.
            secrets.push(value.trim().to_owned());
            secrets.push(value);
        }
        Self(Vec::new()).with(secrets)
    }

    /// All of both.
    pub fn add(&mut self, others: Self) {
        *self = Self(std::mem::take(&mut self.0)).with(others.0);
    }

    fn with(mut self, secrets: Vec<String>) -> Self {
        self.0.extend(secrets);
        self.0.retain(|secret| secret.chars().count() >= SHORTEST_SECRET);
        // The longest first: one may be a part of another.
        self.0.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.0.dedup();
        self
    }

    /// The text with every secret masked.
    pub fn masked(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }
}

/// The beginning of `text`, masked, escaped and in quotes.
pub fn of(text: &[u8], secrets: &Secrets) -> String {
    quoted(secrets.masked(&String::from_utf8_lossy(text)).trim())
}

/// The beginning of `text`, escaped and in quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", bounded(text))
}

/// The beginning of `text`, with what a terminal would obey escaped.
pub fn bounded(text: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for c in text.chars() {
        let escaped = escape(c);
        length += escaped.chars().count();
        if length > MAX_CHARS {
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// What is not printable is escaped; quotes and backslashes are left, for JSON would be unreadable.
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
        let none = Secrets::default();
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
    fn what_the_url_hides_is_masked_wherever_it_is_repeated() {
        let url = Url::parse("http://user:p%40ssword@h/x?token=abc%2Bdef&v=1&empty=").unwrap();
        let secrets = Secrets::in_url(&url);
        let shown = of(b"p@ssword p%40ssword abc+def abc%2Bdef user v=1", &secrets);
        assert_eq!(shown, "\"*** *** *** *** user v=1\"");
        let token = Secrets::in_url(&Url::parse("http://sometoken@h/").unwrap());
        assert_eq!(of(b"sometoken", &token), "\"***\"");
    }

    #[test]
    fn a_secret_is_masked_before_the_text_is_cut() {
        let secrets = Secrets::in_url(&Url::parse("http://u:longsecret@h/").unwrap());
        let shown = of(format!("{}longsecret", "x".repeat(MAX_CHARS - 4)).as_bytes(), &secrets);
        assert!(!shown.contains("long"), "{shown}");
    }
}
