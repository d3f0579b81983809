//! Text that a server sent, for a message.

use crate::secrets::Redactor;
use url::Url;

/// The maximum length of a server's text in a message, in characters.
const MAX_CHARS: usize = 300;

/// Shorter parts of a URL are not masked: they are in every text.
const SHORTEST_SECRET: usize = 4;

/// Cleans a server's text: it may quote our secrets, and it may try to look like our own output.
#[derive(Debug)]
pub struct ServerText {
    secrets: Redactor,
}

impl ServerText {
    /// Masks these secrets, those in the URL of the server, and those in the environment.
    pub fn new(url: &Url, secrets: impl IntoIterator<Item = String>) -> Self {
        let mut known = Redactor::default();
        known.add(secrets);
        let in_url = [url.username(), url.password().unwrap_or_default()].into_iter().map(str::to_owned);
        let in_query = url.query_pairs().map(|(_, value)| value.into_owned());
        known.add(in_url.chain(in_query).filter(|text| text.len() >= SHORTEST_SECRET));
        Self { secrets: known.with_environment() }
    }

    /// The text in one line of limited length, without secrets and control characters.
    pub fn clean(&self, text: &str) -> String {
        // Secrets first: a cut in the middle of one would hide it from the search, but not from the reader.
        let text = self.secrets.redact(text);
        let is_layout =
            |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let mut line: String =
            text.chars().map(|c| if is_layout(c) { ' ' } else { c }).take(MAX_CHARS).collect();
        if text.chars().nth(MAX_CHARS).is_some() {
            line.push('…');
        }
        line.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_s_text_is_one_bounded_line_without_secrets() {
        let url = Url::parse("https://ada:p4ssw0rd@host/").unwrap();
        let text = ServerText::new(&url, ["t0ken".to_owned()]);
        assert_eq!(text.clean("bad t0ken for p4ssw0rd\n"), "bad *** for ***");
        assert_eq!(text.clean("\u{1b}[2Jkeep: good\r\n::error::x\u{202e}"), "[2Jkeep: good  ::error::x");
        let long = text.clean(&"x".repeat(10_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MAX_CHARS + 1, true));
    }
}
