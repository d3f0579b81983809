//! The version that responds, and the one that must: a 200 from an old instance says nothing about the new one.

mod detector;
mod location;

use common::event::Reason;
use common::version::{bare, is_same};
use http_expect::Response;

use crate::failure::Failure;
pub(crate) use detector::VersionDetector;
pub use location::VersionLocation;

/// How many characters of another version an error message contains.
const MAX_DISPLAYED: usize = 80;

/// An expected version, and where a response contains its version.
#[derive(Debug, Clone)]
pub(crate) struct ExpectedVersion {
    /// The version that must respond.
    pub(crate) expected: String,
    /// Where a response contains its version.
    pub(crate) location: VersionLocation,
}

/// Parses an expected version. Rejects an empty one, which would match everything.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    if matches!(bare(text), "" | "v" | "V") {
        Err("the version is empty: is a variable unset?")
    } else {
        Ok(text.trim().to_owned())
    }
}

impl ExpectedVersion {
    /// The failure if another version responded.
    pub(crate) fn unmet(&self, response: &Response) -> Option<Failure> {
        let expected = &self.expected;
        let reason = match &self.location {
            VersionLocation::Word => {
                let body = String::from_utf8_lossy(&response.body);
                // PHP writes a slash in JSON as \/.
                if has_word(&body, expected) || has_word(&body.replace("\\/", "/"), expected) {
                    return None;
                }
                let message = format!("version {expected} does not appear in {}", response.describe_body());
                return Some(Failure::new(Reason::BodyMismatch, message));
            }
            VersionLocation::Header(_) => Reason::Assertion,
            VersionLocation::Json(_) | VersionLocation::Body(_) => Reason::BodyMismatch,
        };
        let problem = match self.location.find(response) {
            Ok(actual) if is_same(&actual, expected) => return None,
            Ok(actual) => format!("version {} responded", abbreviate(&actual)),
            Err(cause) => cause,
        };
        Some(Failure::new(reason, format!("{problem}, expected version {expected}")))
    }
}

/// Whether the version is somewhere in the body, and neither the beginning nor the end of a longer one.
fn has_word(body: &str, expected: &str) -> bool {
    // ASCII only, as in a header: the places of the other characters stay the same.
    let (body, expected) = (body.to_ascii_lowercase(), bare(expected).to_ascii_lowercase());
    let has_v = expected.starts_with(|first: char| first.is_ascii_digit());
    let belongs = |c: char| c.is_alphanumeric() || "._+-~".contains(c);
    body.char_indices().any(|(at, _)| {
        let (before, rest) = body.split_at(at);
        let before = before.strip_suffix('v').filter(|_| has_v).unwrap_or(before);
        rest.strip_prefix(&*expected).is_some_and(|after| {
            // A full stop may follow: the end of a sentence.
            !before.ends_with(belongs) && !after.trim_start_matches('.').starts_with(belongs)
        })
    })
}

/// Shortens a version that a service returned, to fit into one line.
fn abbreviate(actual: &str) -> String {
    actual.chars().filter(|c| !c.is_control()).take(MAX_DISPLAYED).collect()
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use proptest::prelude::*;

    use super::*;

    fn unmet(expected: &str, location: &str, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-app-version", "v1.4.2".parse().unwrap());
        let answer = Response::new(200, headers, body.as_bytes().to_vec(), false);
        let version = ExpectedVersion { expected: expected.to_owned(), location: location.parse().unwrap() };
        version.unmet(&answer).map(|failure| failure.message)
    }

    #[test]
    fn a_version_is_read_from_each_location() {
        let json = r#"{"app":{"version":"1.4.2","build":7}}"#;
        assert_eq!(unmet("1.4.2", "header:X-App-Version", ""), None);
        assert_eq!(unmet("v1.4.2", "json:$.app.version", json), None);
        assert_eq!(unmet("7", "json:$.app.build", json), None);
        assert_eq!(unmet("1.4.2", "body", json), None);
        assert_eq!(unmet("1.4.2", r#"body:"version":"([^"]*)"#, json), None);
        assert_eq!(unmet("1.4.2", "body", "Running v1.4.2."), None);
        // As dm-rollback compares them.
        assert_eq!(unmet(" V1.4.2", "header:X-App-Version", ""), None);
        assert_eq!(unmet("1.4.2-RC1", "body", "v1.4.2-rc1"), None);
        assert_eq!(unmet("abcdef0123456789", "json:$.commit", r#"{"commit":"abcdef0"}"#), None);
    }

    #[test]
    fn an_old_version_does_not_pass_for_the_new_one() {
        let old = |place, body| unmet("1.4.3", place, body).unwrap();
        assert_eq!(old("header:x-app-version", ""), "version v1.4.2 responded, expected version 1.4.3");
        assert_eq!(old("header:x-other", ""), "no header x-other, expected version 1.4.3");
        assert_eq!(
            old("json:$.version", r#"{"version":"1.4"}"#),
            "version 1.4 responded, expected version 1.4.3"
        );
        assert_eq!(old("json:$.v", "{}"), "the body has no version there, expected version 1.4.3");
        assert!(old("json:$.v", "<html>").starts_with("the body of 6 bytes is not JSON: "));
        assert_eq!(old("body", "1.4.30 1.4"), "version 1.4.3 does not appear in the body of 10 bytes");
        assert_eq!(
            unmet("1.4", "body", "1.4.2").unwrap(),
            "version 1.4 does not appear in the body of 5 bytes"
        );
    }

    #[test]
    fn a_version_in_the_body_may_contain_any_character() {
        let json = |version: &str| format!(r#"{{"version":"{version}","ok":true}}"#);
        for version in ["release/1.2", "1:2.3~rc1", "v2.0+build.7", "a@b", "1.2 (build 3)", "\u{e9}t\u{e9}-1"]
        {
            assert_eq!(unmet(version, "body", &json(version)), None, "{version}");
        }
        // As PHP writes it.
        assert_eq!(unmet("release/1.2", "body", &json(r"release\/1.2")), None);
        assert_eq!(unmet("1.2", "body", "api:1.2 nginx/1.2, as of 1.2: well"), None);
    }

    #[test]
    fn a_part_of_another_version_is_not_the_version() {
        for (expected, body) in [
            ("1.2", "1.2.1"),
            ("2.1", "12.1"),
            ("2.1", "1.2.1"),
            ("2.3", "2.3~rc1"),
            ("2.3", "2.3-rc1"),
            ("release/1.2", "release/1.2.1"),
            ("release/1.2", "prerelease/1.2"),
            ("1:2.3", "11:2.3 1:2.3.1 1:2.3+b"),
            ("1.2", "dev1.2"),
            ("1.2", "vv1.2"),
            ("ega", "vega"),
        ] {
            assert!(unmet(expected, "body", body).is_some(), "{expected} in {body}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn only_a_version_that_is_a_separate_word_is_found(
            version in "[0-9a-u][ -~]{0,8}[0-9a-z]",
            (before, after) in ("(.{0,9}[ \",/:=])?", "([ \",;.].{0,9})?"),
            more in "[0-9a-u_+~-]",
        ) {
            // An end of a sentence, and not the beginning of a longer version.
            prop_assume!(!after.starts_with('.') || after == ".");
            prop_assert!(has_word(&[&*before, &version, &after].concat(), &version));
            prop_assert!(!has_word(&[&*more, &version].concat(), &version));
            prop_assert!(!has_word(&[&*version, &more].concat(), &version));
        }
    }
}
