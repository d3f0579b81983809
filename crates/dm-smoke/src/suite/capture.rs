//! Values that a test captures from a response for later tests.

use http_expect::{JsonPath, Response};
use regex::bytes::Regex;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

/// A value to capture.
#[derive(Debug)]
pub struct Capture {
    /// Its name in templates.
    pub name: String,
    /// Where the value comes from.
    pub source: Source,
}

/// A part of a response.
#[derive(Debug)]
pub enum Source {
    /// The first match in the JSON body.
    Json(JsonPath),
    /// A header, or the part of it that the expression matches.
    Header(HeaderName, Option<Regex>),
    /// The part of the body that the expression matches: its first group, if it has one.
    Body(Regex),
}

impl Capture {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the response has no such value.
    pub fn extract(&self, response: &Response) -> Result<String, String> {
        let missing = |what: &str| format!("cannot capture {}: {what}", self.name);
        match &self.source {
            Source::Json(path) => match response.json().ok().and_then(|document| path.first(document)) {
                None | Some(Value::Null) => Err(missing("the body has no such JSON value")),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(value) => Ok(value.to_string()),
            },
            Source::Header(name, regex) => {
                // A header may come more than once.
                let mut headers = response.headers.get_all(name).iter().map(HeaderValue::as_bytes).peekable();
                let first =
                    *headers.peek().ok_or_else(|| missing(&format!("the response has no header {name}")))?;
                match regex {
                    Some(regex) => headers
                        .find_map(|header| matched_part(regex, header))
                        .ok_or_else(|| missing(&format!("the header {name} does not match"))),
                    None => Ok(String::from_utf8_lossy(first).into_owned()),
                }
            }
            Source::Body(regex) => {
                matched_part(regex, &response.body).ok_or_else(|| missing("the body does not match"))
            }
        }
    }
}

fn matched_part(regex: &Regex, text: &[u8]) -> Option<String> {
    let groups = regex.captures(text)?;
    let part = groups.get(1).or_else(|| groups.get(0))?;
    Some(String::from_utf8_lossy(part.as_bytes()).into_owned())
}
