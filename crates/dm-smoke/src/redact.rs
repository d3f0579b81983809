//! Redacts the secrets of a suite, even if a service or a command repeats them.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::secrets::Redactor;
use http_expect::excerpt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Url, form_urlencoded};

use crate::suite::expected::json_part;
use crate::suite::template::Values;

/// Shorter values, in characters, are not treated as secrets: masking them would mask almost everything.
const SHORTEST: usize = 4;

/// The characters that are percent-encoded in a segment of a URL's path.
pub(crate) const PATH_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Redacts every secret that one test can see. It collects them only when it redacts a text, because a test that passes
/// shows none. It has no `Debug`, because it contains secrets.
#[derive(Clone, Copy)]
pub(crate) struct SuiteRedactor<'a> {
    /// The secrets of the suite and of the environment.
    pub(crate) known: &'a Redactor,
    /// The values that earlier tests captured.
    pub(crate) values: &'a Values,
    /// The URL of the request.
    pub(crate) url: Option<&'a Url>,
    /// The values that the test itself captured.
    pub(crate) captured: &'a [String],
}

impl<'a> SuiteRedactor<'a> {
    /// A redactor for a test that has sent no request yet.
    pub(crate) fn new(known: &'a Redactor, values: &'a Values) -> Self {
        Self { known, values, url: None, captured: &[] }
    }

    /// Returns the text with every secret masked.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut redactor = self.known.clone();
        redactor.add(encoded_forms(self.values.values().chain(self.captured)));
        redactor.add(self.url.map(url_secrets).unwrap_or_default());
        redactor.redact(text)
    }

    /// The beginning of a text from outside: redacted, escaped and in quotes.
    pub(crate) fn excerpt(&self, text: &[u8]) -> String {
        excerpt::quoted(self.redact(&String::from_utf8_lossy(text)).trim())
    }
}

/// The secrets in a URL: its password and the values of its query, both as written and decoded.
pub(crate) fn url_secrets(url: &Url) -> Vec<String> {
    let written = url.query().into_iter().flat_map(|query| query.split('&'));
    let values = written.filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    // A user without a password is a token.
    let user = if url.password().is_none() { url.username() } else { "" };
    let mut secrets = Vec::new();
    for written in values.chain(url.password()).chain([user]) {
        let decoded = form_urlencoded::parse(written.as_bytes()).map(|(text, _)| text.into_owned());
        secrets.extend([written.to_owned()].into_iter().chain(decoded));
    }
    secrets.extend(basic_credentials(url));
    without_short(secrets)
}

/// The user and password of a URL as the header `Authorization` carries them (RFC 7617).
fn basic_credentials(url: &Url) -> Option<String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned).ok();
    let pair = format!("{}:{}", decode(url.username())?, decode(url.password()?)?);
    Some(STANDARD.encode(pair))
}

/// The values in every form in which a test sends them: as they are, in JSON, in a URL, in a form.
pub(crate) fn encoded_forms<'a>(values: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut secrets = Vec::new();
    for value in values {
        let json = serde_json::Value::from(value.as_str()).to_string();
        let json = json.trim_matches('"');
        let ascii = ascii_json(json);
        // Some encoders also escape the slash.
        secrets.extend([json, &ascii].map(|json| json.replace('/', "\\/")));
        secrets.extend([json.to_owned(), ascii]);
        // In an expectation of a suite.
        secrets.extend([regex::escape(value), json_part(value), json_part(&regex::escape(value))]);
        secrets.push(utf8_percent_encode(value, PATH_SEGMENT).to_string());
        secrets.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
        // A value that ends with a line feed is shown without it.
        secrets.push(value.trim().to_owned());
        secrets.push(value.clone());
    }
    without_short(secrets)
}

/// JSON as written by encoders that escape every character outside ASCII.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            ascii.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}

fn without_short(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.chars().count() >= SHORTEST);
    secrets
}

#[cfg(test)]
mod tests {
    use http_expect::excerpt::MAX_CHARS;

    use super::*;

    #[test]
    fn secrets_of_the_url_are_masked_wherever_they_are_repeated() {
        let url = Url::parse("http://user:p%40ssword@h/x?token=abc%2Bdef&v=1&empty=").unwrap();
        let (known, values) = (Redactor::default(), Values::new());
        let masked = |url: &Url, text: &str| {
            SuiteRedactor { url: Some(url), ..SuiteRedactor::new(&known, &values) }.redact(text)
        };
        // printf %s user:p@ssword | base64
        let shown = masked(&url, "p@ssword p%40ssword abc+def abc%2Bdef user v=1 Basic dXNlcjpwQHNzd29yZA==");
        assert_eq!(shown, "*** *** *** *** user v=1 Basic ***");
        assert_eq!(masked(&Url::parse("http://sometoken@h/").unwrap(), "sometoken"), "***");
    }

    #[test]
    fn a_captured_value_is_masked_in_every_form_that_is_sent() {
        let mut known = Redactor::default();
        known.add(["known-one".to_owned()]);
        let values = Values::from([("id".to_owned(), "a b/c\"d\n".to_owned())]);
        let captured = ["just taken".to_owned()];
        let redactor = SuiteRedactor { captured: &captured, ..SuiteRedactor::new(&known, &values) };
        assert_eq!(
            redactor
                .redact("known-one; a b/c\"d; a%20b%2Fc%22d%0A; a+b%2Fc%22d%0A; a b/c\\\"d\\n; just+taken"),
            "***; ***; ***; ***; ***; ***"
        );
    }

    #[test]
    fn a_secret_is_found_in_json_however_it_is_escaped() {
        let mut known = Redactor::default();
        known.add(encoded_forms(&["ab/ß😀".to_owned()]));
        let values = Values::new();
        let shown = SuiteRedactor::new(&known, &values)
            .redact(r#"["ab/ß😀", "ab\/ß😀", "ab/\u00df\ud83d\ude00", "ab\/\u00df\ud83d\ude00"]"#);
        assert_eq!(shown, r#"["***", "***", "***", "***"]"#);
    }

    #[test]
    fn an_excerpt_is_one_bounded_line() {
        let (known, values) = (Redactor::default(), Values::new());
        let redactor = SuiteRedactor::new(&known, &values);
        assert_eq!(
            redactor.excerpt(b" {\"a\": 'b\\c'}\r\n\x1b[31m\xff "),
            "\"{\"a\": 'b\\c'}\\r\\n\\u{1b}[31m\u{fffd}\""
        );
        assert_eq!(redactor.excerpt("right\u{202e}tfel".as_bytes()), "\"right\\u{202e}tfel\"");
        let long = redactor.excerpt("ü".repeat(5000).as_bytes());
        assert_eq!(long.chars().count(), MAX_CHARS + 3);
        assert!(long.ends_with("…\""));
        assert!(redactor.excerpt("\n".repeat(5000).as_bytes()).chars().count() <= MAX_CHARS + 3);
    }

    #[test]
    fn a_secret_is_redacted_before_the_text_is_cut() {
        let (mut known, values) = (Redactor::default(), Values::new());
        known.add(["longsecret".to_owned()]);
        let text = format!("{}longsecret", "x".repeat(MAX_CHARS - 4));
        let shown = SuiteRedactor::new(&known, &values).excerpt(text.as_bytes());
        assert!(!shown.contains("long"), "{shown}");
    }
}
