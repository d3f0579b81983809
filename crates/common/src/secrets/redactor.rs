//! Redacts secrets in text from elsewhere.

use std::fmt;

use url::Url;

use super::names;
use super::patterns::Patterns;
use crate::env;
use crate::label::MASK;

/// Shorter values are not treated as secrets: masking them would mask too much.
const SHORTEST: usize = 6;

/// The shell's own variables, whose names look like those of passwords.
const FOLDERS: [&str; 2] = ["PWD", "OLDPWD"];

/// Redacts known secrets, and secrets of a known form.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first: one secret may be part of another.
    values: Vec<String>,
    patterns: Option<Patterns>,
}

impl Redactor {
    /// Adds secrets. Blank ones are ignored.
    pub fn add(&mut self, values: impl IntoIterator<Item = String>) {
        // Every text contains the empty string, and most contain a space.
        self.values.extend(values.into_iter().filter(|value| !value.trim().is_empty()));
        self.values.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.values.dedup();
    }

    /// Also redacts the values of environment variables with telling names, the passwords in all of them that are URLs,
    /// and whatever has the form of a secret: passwords in URLs, `token=…`, connection strings, well-known tokens.
    #[must_use]
    pub fn with_environment(self) -> Self {
        self.with_variables(env::all())
    }

    fn with_variables(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut secrets = Vec::new();
        for (name, value) in variables {
            secrets.extend(passwords(&value));
            if names::is_secret(&name) && !FOLDERS.contains(&name.as_str()) {
                // A private key has several lines. Output is redacted line by line.
                secrets.extend(value.lines().map(|line| line.trim().to_owned()));
            }
        }
        self.add(secrets.into_iter().filter(|secret| secret.len() >= SHORTEST));
        self.patterns = Some(Patterns::new());
        self
    }

    /// Returns the text with every secret replaced by [`MASK`].
    pub fn redact(&self, text: &str) -> String {
        let text = self.values.iter().fold(text.to_owned(), |text, value| text.replace(value, MASK));
        match &self.patterns {
            Some(patterns) => patterns.redact(&text),
            None => text,
        }
    }

    /// Redacts lines of one text, in which a private key takes several.
    pub fn redact_lines(&self, lines: &mut [String]) {
        let mut is_key = false;
        for line in lines {
            // Without `-----`, because other texts can be on the line.
            let (begins, ends) =
                (line.contains("BEGIN ") && line.contains("PRIVATE KEY"), line.contains("END "));
            *line = if is_key && !ends { MASK.to_owned() } else { self.redact(line) };
            is_key = (begins || is_key) && !ends;
        }
    }
}

/// The password of a URL, as it is written and as it is meant.
fn passwords(value: &str) -> Vec<String> {
    let password = Url::parse(value).ok().and_then(|url| url.password().map(str::to_owned));
    let Some(written) = password else { return Vec::new() };
    let meant = percent_encoding::percent_decode_str(&written).decode_utf8_lossy().into_owned();
    vec![written, meant]
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
            ("PWD", "/home/ada"),
            ("DATABASE_URL", "postgres://u:s%40lted9@db/x"),
        ];
        let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let secrets = Redactor::default().with_variables(owned);
        assert_eq!(
            secrets.redact(
                "abcdefgh abcdef c2VjcmV0 short /home/ada postgres://u:p4ss@db/x http://h:80/ s@lted9"
            ),
            "*** *** *** short /home/ada postgres://u:***@db/x http://h:80/ ***"
        );
    }

    #[test]
    fn a_private_key_of_several_lines_is_masked() {
        let text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\nAwEHoU\n-----END EC PRIVATE KEY-----\nb";
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Redactor::default().redact_lines(&mut lines);
        let expected =
            ["a", "-----BEGIN EC PRIVATE KEY-----", "***", "***", "-----END EC PRIVATE KEY-----", "b"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn the_longest_is_masked_first_and_none_is_shown_by_debug() {
        let mut secrets = Redactor::default();
        secrets.add(["abcd".to_owned()]);
        secrets.add(["abcdef", "abcd", "", " "].map(str::to_owned));
        assert_eq!(secrets.redact("abcdef abcd abc"), "*** *** abc");
        assert_eq!(format!("{secrets:?}"), "Redactor { values: 2, .. }");
    }
}
