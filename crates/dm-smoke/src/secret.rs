//! What must not be shown of a test, even where a service or a command repeats it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::secrets::Redactor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Url, form_urlencoded};

use crate::suite::template::Values;

/// Shorter texts are no secrets, and to mask them would mask everything.
const SHORTEST: usize = 4;

/// What is encoded where a value becomes a part of a URL.
pub const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What one test must not show. Put together only where something is shown: a test that passes shows nothing.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it must not be shown")]
pub struct Hidden<'a> {
    /// The secrets of the suite and of the environment.
    pub known: &'a Redactor,
    /// What the tests before captured.
    pub values: &'a Values,
    /// Where the request went.
    pub url: Option<&'a Url>,
    /// What the test itself captured.
    pub captured: &'a [String],
}

impl<'a> Hidden<'a> {
    /// Before there is a request.
    pub fn new(known: &'a Redactor, values: &'a Values) -> Self {
        Self { known, values, url: None, captured: &[] }
    }

    /// The text with every secret masked.
    pub fn masked(&self, text: &str) -> String {
        let mut secrets = self.known.clone();
        secrets.add(forms(self.values.values().chain(self.captured)));
        secrets.add(self.url.map(in_url).unwrap_or_default());
        secrets.redact(text)
    }
}

/// The password and the query's values in `url`, as they are written and as they are read.
pub fn in_url(url: &Url) -> Vec<String> {
    let written = url.query().into_iter().flat_map(|query| query.split('&'));
    let values = written.filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    // A user without a password is a token.
    let user = if url.password().is_none() { url.username() } else { "" };
    let mut secrets = Vec::new();
    for written in values.chain(url.password()).chain([user]) {
        let read = form_urlencoded::parse(written.as_bytes()).map(|(text, _)| text.into_owned());
        secrets.extend([written.to_owned()].into_iter().chain(read));
    }
    secrets.extend(basic(url));
    long_enough(secrets)
}

/// A user and password as a header carries them (RFC 7617).
fn basic(url: &Url) -> Option<String> {
    let read = |text: &str| percent_decode_str(text).decode_utf8().map(Cow::into_owned).ok();
    let pair = format!("{}:{}", read(url.username())?, read(url.password()?)?);
    Some(STANDARD.encode(pair))
}

/// These, in every form in which they are sent: as they are, in JSON, in a URL, in a form.
pub fn forms<'a>(values: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut secrets = Vec::new();
    for value in values {
        let json = serde_json::Value::from(value.as_str()).to_string();
        let json = json.trim_matches('"');
        let ascii = in_ascii(json);
        // Some escape the slash too.
        secrets.extend([json, &ascii].map(|json| json.replace('/', "\\/")));
        secrets.extend([json.to_owned(), ascii]);
        secrets.push(utf8_percent_encode(value, IN_A_PATH).to_string());
        secrets.push(form_urlencoded::byte_serialize(value.as_bytes()).collect());
        // A value that ends with a newline is shown without it.
        secrets.push(value.trim().to_owned());
        secrets.push(value.clone());
    }
    long_enough(secrets)
}

/// JSON as those write it who escape all that is not ASCII.
fn in_ascii(json: &str) -> String {
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

fn long_enough(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.chars().count() >= SHORTEST);
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_hides_is_masked_wherever_it_is_repeated() {
        let url = Url::parse("http://user:p%40ssword@h/x?token=abc%2Bdef&v=1&empty=").unwrap();
        let (known, values) = (Redactor::default(), Values::new());
        let masked =
            |url: &Url, text: &str| Hidden { url: Some(url), ..Hidden::new(&known, &values) }.masked(text);
        // printf %s user:p@ssword | base64
        let shown = masked(&url, "p@ssword p%40ssword abc+def abc%2Bdef user v=1 Basic dXNlcjpwQHNzd29yZA==");
        assert_eq!(shown, "*** *** *** *** user v=1 Basic ***");
        assert_eq!(masked(&Url::parse("http://sometoken@h/").unwrap(), "sometoken"), "***");
    }

    #[test]
    fn what_was_captured_is_masked_in_every_form_in_which_it_is_sent() {
        let mut known = Redactor::default();
        known.add(["known-one".to_owned()]);
        let values = Values::from([("id".to_owned(), "a b/c\"d\n".to_owned())]);
        let captured = ["just taken".to_owned()];
        let hidden = Hidden { captured: &captured, ..Hidden::new(&known, &values) };
        assert_eq!(
            hidden.masked("known-one; a b/c\"d; a%20b%2Fc%22d%0A; a+b%2Fc%22d%0A; a b/c\\\"d\\n; just+taken"),
            "***; ***; ***; ***; ***; ***"
        );
    }

    #[test]
    fn a_secret_is_found_in_json_however_it_is_escaped() {
        let mut known = Redactor::default();
        known.add(forms(&["ab/ß😀".to_owned()]));
        let values = Values::new();
        let shown = Hidden::new(&known, &values)
            .masked(r#"["ab/ß😀", "ab\/ß😀", "ab/\u00df\ud83d\ude00", "ab\/\u00df\ud83d\ude00"]"#);
        assert_eq!(shown, r#"["***", "***", "***", "***"]"#);
    }
}
