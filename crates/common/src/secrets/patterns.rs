//! Forms of secrets in text, whatever their values are.

use regex_lite::Regex;

use super::names;
use crate::label::MASK;

/// The forms. Each has a group before the secret, or none; a group after it, or none.
const FORMS: [(&str, &str); 5] = [
    // A user and a password in a URL. The password may contain : / and @, so the last @ counts.
    (r#"(://[^/@:?#\s]*:)[^\s"'<>]+(@)"#, "$1***$2"),
    // A user alone may be a token. `git` is none.
    (r"(://)(?:[^/@:?#\s]{4,})(@)", "$1***$2"),
    // The path of a webhook is its secret.
    (
        r"(?i)((?:hooks\.slack\.com|discord(?:app)?\.com/api|[\w.-]*webhook\.office\.com|api\.telegram\.org)/)[^\s]+",
        "$1***",
    ),
    (r"(?i)\b(bearer\s+|authorization:\s*\w+\s+)[A-Za-z0-9._~+/=-]{6,}", "$1***"),
    // Tokens with a prefix of their own: GitHub, GitLab, Slack, AWS, Stripe, npm, PyPI, JSON Web Tokens.
    (
        r"\b(?:gh[oprsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[a-z]-[\w-]{8,}|A[KS]IA[0-9A-Z]{16}|[rs]k_(?:live|test)_\w{8,}|npm_\w{30,}|pypi-[\w-]{16,}|eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*)",
        MASK,
    ),
];

/// `name=value` in URLs, connection strings and commands, and `"name": "value"` in JSON.
const PAIR: &str = r#"([A-Za-z][\w. -]{0,60}?)("?\s?=\s?|"\s?:\s?)("[^"]*"|'[^']*'|[^\s&;,"'#]+)"#;

/// Secrets of a known form.
#[derive(Clone)]
pub(super) struct Patterns {
    forms: Vec<(Regex, &'static str)>,
    pair: Option<Regex>,
}

impl Patterns {
    pub(super) fn new() -> Self {
        let forms = FORMS.iter().filter_map(|(form, by)| Some((Regex::new(form).ok()?, *by)));
        Self { forms: forms.collect(), pair: Regex::new(PAIR).ok() }
    }

    /// The text with every secret of a known form replaced.
    pub(super) fn redact(&self, text: &str) -> String {
        let text = self
            .forms
            .iter()
            .fold(text.to_owned(), |text, (form, by)| form.replace_all(&text, *by).into_owned());
        let Some(pair) = &self.pair else { return text };
        let mask = |found: &regex_lite::Captures<'_>| {
            let (name, sign) = (&found[1], &found[2]);
            // "the password = x": the last word names it. "Account Key=x": so do both together.
            let last = name.rsplit(' ').next().unwrap_or_default();
            if names::is_secret(last) { format!("{name}{sign}{MASK}") } else { found[0].to_owned() }
        };
        pair.replace_all(&text, mask).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_known_form_are_masked() {
        let patterns = Patterns::new();
        for (text, expected) in [
            ("postgres://u:p4ss@db/x http://h:80/", "postgres://u:***@db/x http://h:80/"),
            ("postgres://u:p/s:s@E@h/db.", "postgres://u:***@h/db."),
            ("https://0123abcd@o1.ingest.sentry.io/1", "https://***@o1.ingest.sentry.io/1"),
            ("ssh://git@host/x https://h/@scope", "ssh://git@host/x https://h/@scope"),
            ("GET /x?a=1&access_token=abc&b=2 ok", "GET /x?a=1&access_token=***&b=2 ok"),
            ("https://h/x?token=abc#f", "https://h/x?token=***#f"),
            ("AccountName=me;AccountKey=ab+c/d==;Suffix=x", "AccountName=me;AccountKey=***;Suffix=x"),
            ("Server=h;User Id=u;Password=p w;Pwd=\"a b\"", "Server=h;User Id=u;Password=*** w;Pwd=***"),
            ("mysql --password=abc -u x", "mysql --password=*** -u x"),
            (r#"{"user":"u","password":"abc def","n":1}"#, r#"{"user":"u","password":***,"n":1}"#),
            ("Authorization: Basic dXNlcjpwdw== x", "Authorization: Basic *** x"),
            ("curl -H 'authorization: Bearer abcdefg'", "curl -H 'authorization: Bearer ***'"),
            ("https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/***"),
            ("ghp_0123456789abcdefXYZ glpat-0123456789abcdefgh", "*** ***"),
            ("a = 1, b: 2; the token is missing", "a = 1, b: 2; the token is missing"),
        ] {
            assert_eq!(patterns.redact(text), expected);
        }
    }
}
