//! Label values that are safe to record, and the names of stages.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::digest::hex_digest;
use crate::term::text::is_unsafe;

/// The longest label value, in bytes. Every series repeats it.
pub const MAX_BYTES: usize = 128;

/// How many digits of the digest of a longer text remain.
const DIGEST_DIGITS: usize = 12;

/// A label value: at most [`MAX_BYTES`] bytes, no control characters, not empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Label {
    /// Turns text that nobody can correct, such as a CI system's variable, into a label: control characters and
    /// marks of direction become `_`, and a text that is longer than [`MAX_BYTES`] becomes its beginning and a digest, because
    /// others may begin like it. `None` if the text is empty.
    pub fn sanitize(text: &str) -> Option<Self> {
        let mut sanitized: String = text.replace(is_unsafe, "_").replace("##[", "##_");
        if sanitized.len() > MAX_BYTES {
            let digest = format!("~{}", &hex_digest(text)[..DIGEST_DIGITS]);
            sanitized.truncate(sanitized.floor_char_boundary(MAX_BYTES - digest.len()));
            sanitized += &digest;
        }
        sanitized.parse().ok()
    }
}

impl FromStr for Label {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("must not be empty".to_owned());
        }
        if text.len() > MAX_BYTES {
            return Err(format!("is {} bytes long; the maximum is {MAX_BYTES}", text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err("contains a control character".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Label {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a stage: `[a-z][a-z0-9_]{0,62}`. A `-` in the input becomes `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stage(String);

impl Stage {
    /// The name of the outermost stage: the deployment as a whole.
    pub const DEPLOYMENT: &str = "deployment";

    /// The stage that `dm-health` records unless `--stage` names another.
    pub fn health_check() -> Self {
        Self("health_check".to_owned())
    }

    /// The stage that `dm-migrate` records.
    pub fn migration() -> Self {
        Self("migration".to_owned())
    }

    /// The stage that `dm-rollback` records.
    pub fn rollback() -> Self {
        Self("rollback".to_owned())
    }

    /// The stage that `dm-smoke` records unless `--stage` names another.
    pub fn smoke_test() -> Self {
        Self("smoke_test".to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the deployment as a whole.
    pub fn is_deployment(&self) -> bool {
        self.0 == Self::DEPLOYMENT
    }
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_valid = text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
        if is_valid {
            Ok(Self(text.replace('-', "_")))
        } else {
            Err("a stage name is a lower-case letter, then at most 62 of a-z 0-9 _ -, such as build or health_check"
                .to_owned())
        }
    }
}

impl TryFrom<String> for Stage {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.0
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A URL that is safe to print and record: without user and password, and without query values, which often are tokens.
pub fn redact_url(url: &Url) -> String {
    let mut redacted = url.clone();
    if !redacted.username().is_empty() || redacted.password().is_some() {
        // This fails only for URLs that cannot have a user.
        let _ = redacted.set_username(MASK);
        let _ = redacted.set_password(None);
    }
    if redacted.query().is_some() {
        let masked: Vec<String> = url.query_pairs().map(|(name, _)| format!("{name}={MASK}")).collect();
        redacted.set_query(Some(&masked.join("&")));
    }
    redacted.set_fragment(None);
    redacted.into()
}

/// The page of a CI run as a label, without secrets: like [`redact_url`], but a number in the query, such as that of a
/// build, is kept. `None` if the text is not a URL, or too long: half a URL leads nowhere.
pub fn page_label(text: &str) -> Option<Label> {
    let url = Url::parse(text).ok().filter(Url::has_host)?;
    let is_number = |value: &str| value.len() <= 12 && value.bytes().all(|byte| byte.is_ascii_digit());
    let shown =
        url.query_pairs().map(|(name, value)| (name, if is_number(&value) { value } else { MASK.into() }));
    let query: Vec<String> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    let mut page = Url::parse(&redact_url(&url)).ok()?;
    if !query.is_empty() {
        page.set_query(Some(&query.join("&")));
    }
    page.as_str().parse().ok()
}

/// What replaces a secret.
pub const MASK: &str = "***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_and_printable() {
        assert!("api/v2 ü".parse::<Label>().is_ok());
        assert!("".parse::<Label>().is_err());
        assert!("a\nb".parse::<Label>().is_err());
        assert!("x".repeat(129).parse::<Label>().is_err());
        let long = Label::sanitize(&"ü\n".repeat(90)).unwrap();
        assert!(long.as_str().starts_with(&("ü_".repeat(38) + "~")) && long.as_str().len() <= MAX_BYTES);
        assert_ne!(long, Label::sanitize(&("ü\n".repeat(90) + "x")).unwrap());
        assert_eq!(Label::sanitize("a\u{202e}b").unwrap().as_str(), "a_b");
        assert_eq!(Label::sanitize(""), None);
    }

    #[test]
    fn stage_names_are_lower_case_words() {
        assert_eq!("smoke-test".parse::<Stage>().unwrap().as_str(), "smoke_test");
        for bad in ["", "Build", "1st", "a b", "ünder", &"x".repeat(64)] {
            assert!(bad.parse::<Stage>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn urls_lose_their_secrets() {
        let redacted = |text: &str| redact_url(&Url::parse(text).unwrap());
        assert_eq!(redacted("https://u:p@h/x?token=abc&v=1#f"), "https://***@h/x?token=***&v=***");
        assert_eq!(redacted("http://h:80/health"), "http://h/health");
    }

    #[test]
    fn the_page_of_a_run_keeps_the_number_of_the_build() {
        let page = |text: &str| page_label(text).map(String::from);
        assert_eq!(
            page("https://ci/x/_build/results?buildId=901").unwrap(),
            "https://ci/x/_build/results?buildId=901"
        );
        assert_eq!(
            page("https://u:hunter2@ci/run?token=abc&n=1#t=x").unwrap(),
            "https://***@ci/run?token=***&n=1"
        );
        assert_eq!(page("not a URL"), None);
        assert_eq!(page(&format!("https://ci/{}", "x".repeat(128))), None);
    }
}
