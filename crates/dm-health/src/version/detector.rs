//! Detects which version answered.

use common::label::Label;
use common::secrets::Redactor;
use http_expect::Response;

use super::VersionLocation;

/// The longest text that is searched for secrets: a longer one is no version.
const MAX_BYTES: usize = 16 * 1024;

/// Detects which version answered, from any response, also from a failed one.
#[derive(Debug, Clone)]
pub(crate) struct VersionDetector {
    /// Where a response contains its version.
    pub(crate) location: VersionLocation,
    /// The secrets that must not be recorded, even if a service repeats them.
    pub(crate) secrets: Redactor,
    /// The version that is deployed. It is known not to be a secret.
    pub(crate) deployed: Option<String>,
}

impl VersionDetector {
    /// The version that the response names; `None` if it names none, or if the text there contains a secret. It is the
    /// text of a stranger: it becomes a label, without characters that a terminal would interpret.
    pub(crate) fn version(&self, response: &Response) -> Option<Label> {
        let text = self.location.find(response).ok()?;
        let text = text.trim();
        if matches!(text, "" | "null") || text.starts_with(['{', '[']) || text.len() > MAX_BYTES {
            return None;
        }
        if self.deployed.as_deref() != Some(text) && self.secrets.redact(text) != text {
            return None;
        }
        let printable = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().count() == 1;
        Label::sanitize(&text.replace(|c| !printable(c), "_"))
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn version(location: &str, status: u16, body: &str) -> Option<String> {
        let mut secrets = Redactor::default();
        secrets.add(["hunter2".to_owned(), "1.4.10".to_owned()]);
        let detector = VersionDetector {
            location: location.parse().unwrap(),
            secrets,
            deployed: Some("1.4.10".to_owned()),
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-version", " v1.4.2 ".parse().unwrap());
        let response = Response::new(status, headers, body.as_bytes().to_vec(), false);
        detector.version(&response).map(String::from)
    }

    fn json(version: &str) -> Option<String> {
        version_of_json(&serde_json::json!({ "version": version }).to_string())
    }

    fn version_of_json(body: &str) -> Option<String> {
        version("json:$.version", 200, body)
    }

    #[test]
    fn the_version_is_read_from_a_failed_response_too() {
        assert_eq!(version("header:X-Version", 500, "").as_deref(), Some("v1.4.2"));
        assert_eq!(version("body:v=(\\S+)", 503, "down v=7").as_deref(), Some("7"));
        assert_eq!(version_of_json(r#"{"version":7}"#).as_deref(), Some("7"));
        assert_eq!(version("body", 200, "1.4.2"), None);
    }

    #[test]
    fn what_is_not_a_version_is_none() {
        for body in [r#"{"version":null}"#, r#"{"version":{"a":1}}"#, r#"{"version":[1]}"#, "{}", "<html>"] {
            assert_eq!(version_of_json(body), None, "{body}");
        }
        assert_eq!(json("  "), None);
        assert_eq!(json(&"x".repeat(MAX_BYTES + 1)), None);
    }

    #[test]
    fn a_strangers_text_becomes_a_label() {
        assert_eq!(json("1\n2\u{1b}[31m\u{202e}3").as_deref(), Some("1_2_[31m_3"));
        let long = json(&"ü".repeat(200)).unwrap();
        assert!(long.len() <= 128 && long.starts_with(&("ü".repeat(57) + "~")), "{long}");
    }

    #[test]
    fn a_secret_is_not_a_version_but_the_deployed_version_is() {
        assert_eq!(json("token hunter2"), None);
        // Cut off to a label, the secret would not be recognized any more.
        assert_eq!(json(&format!("{}hunter2", "x".repeat(125))), None);
        assert_eq!(json("1.4.10").as_deref(), Some("1.4.10"));
    }
}
