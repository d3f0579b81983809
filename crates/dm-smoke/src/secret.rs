//! What must not be shown of a test, even where a service or a command repeats it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Url, form_urlencoded};

/// Shorter texts are no secrets, and to mask them would mask everything.
const SHORTEST: usize = 4;

/// What is encoded where a value becomes a part of a URL.
pub const IN_A_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    long_enough(secrets)
}

/// These, in every form in which they are sent: as they are, in JSON, in a URL, in a form.
pub fn forms(values: impl IntoIterator<Item = String>) -> Vec<String> {
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
    long_enough(secrets)
}

fn long_enough(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.chars().count() >= SHORTEST);
    secrets
}

#[cfg(test)]
mod tests {
    use common::secrets::Secrets;

    use super::*;

    #[test]
    fn what_the_url_hides_is_masked_wherever_it_is_repeated() {
        let url = Url::parse("http://user:p%40ssword@h/x?token=abc%2Bdef&v=1&empty=").unwrap();
        let masked = |url: &Url, text: &str| {
            let mut secrets = Secrets::default();
            secrets.add(in_url(url));
            secrets.masked(text)
        };
        let shown = masked(&url, "p@ssword p%40ssword abc+def abc%2Bdef user v=1");
        assert_eq!(shown, "*** *** *** *** user v=1");
        assert_eq!(masked(&Url::parse("http://sometoken@h/").unwrap(), "sometoken"), "***");
    }
}
