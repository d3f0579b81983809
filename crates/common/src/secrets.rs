//! Secrets: reading the ones that are configured, and redacting them in text from elsewhere.

use std::{fmt, fs};

use anyhow::{Context, Result, anyhow};
use regex_lite::Regex;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::env;
use crate::label::MASK;

/// Shorter values are not treated as secrets: masking them would mask too much.
const SHORTEST: usize = 6;

/// A variable whose name contains one of these holds a secret.
const NAMES: [&str; 8] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "AUTH", "COOKIE"];

/// Resolves a configured secret: the value itself, or the content of the file that `file:PATH` names.
pub fn read(configured: Option<SecretString>) -> Result<Option<SecretString>> {
    let Some(secret) = configured else { return Ok(None) };
    let Some(path) = secret.expose_secret().strip_prefix("file:") else { return Ok(Some(secret)) };
    let content = fs::read_to_string(path).with_context(|| format!("cannot read the secret in {path}"))?;
    Ok(Some(content.trim_end().into()))
}

/// A header value that holds a secret. Its `Debug` output and the error do not contain the secret.
pub fn header_value(text: &str) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| anyhow!("a secret contains a control character"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Redacts known secrets, and passwords in URLs.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first: one secret may be part of another.
    values: Vec<String>,
    in_url: Option<Regex>,
}

impl Redactor {
    /// Adds secrets. Empty ones are ignored.
    pub fn add(&mut self, values: impl IntoIterator<Item = String>) {
        // Every text contains the empty string.
        self.values.extend(values.into_iter().filter(|value| !value.is_empty()));
        self.values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.values.dedup();
    }

    /// Also redacts passwords in URLs and the values of environment variables with telling names.
    #[must_use]
    pub fn with_environment(self) -> Self {
        self.with_variables(env::all())
    }

    fn with_variables(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        let is_secret = |name: &str| NAMES.iter().any(|part| name.to_ascii_uppercase().contains(part));
        let secret = variables.filter(|(name, _)| is_secret(name));
        // A private key has several lines. Output is redacted line by line.
        let lines = secret
            .flat_map(|(_, value)| value.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
        self.add(lines.filter(|line| line.len() >= SHORTEST));
        self.in_url = Regex::new("(://[^/@:\\s]*:)[^/@\\s]+@").ok();
        self
    }

    /// Returns the text with every secret replaced by [`MASK`].
    pub fn redact(&self, text: &str) -> String {
        let text = self.values.iter().fold(text.to_owned(), |text, value| text.replace(value, MASK));
        match &self.in_url {
            Some(pattern) => pattern.replace_all(&text, format!("${{1}}{MASK}@")).into_owned(),
            None => text,
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("values", &self.values.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_by_the_name_of_their_variable_and_in_urls() {
        let variables = [
            ("API_TOKEN", "abcdef"),
            ("api_token_long", "abcdefgh"),
            ("DEPLOY_KEY", "-----BEGIN\nc2VjcmV0\n"),
            ("A_KEY", "short"),
            ("HOME", "/home/ada"),
        ];
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secrets = Redactor::default().with_variables(owned);
        assert_eq!(
            secrets.redact("abcdefgh abcdef c2VjcmV0 short /home/ada postgres://u:p4ss@db/x http://h:80/"),
            "*** *** *** short /home/ada postgres://u:***@db/x http://h:80/"
        );
    }

    #[test]
    fn the_longest_is_masked_first_and_none_is_shown_by_debug() {
        let mut secrets = Redactor::default();
        secrets.add(["abcd".to_owned()]);
        secrets.add(["abcdef", "abcd", ""].map(str::to_owned));
        assert_eq!(secrets.redact("abcdef abcd abc"), "*** *** abc");
        assert_eq!(format!("{secrets:?}"), "Redactor { values: 2, .. }");
    }
}
