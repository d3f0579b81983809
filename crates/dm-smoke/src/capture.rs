//! Values of an answer that tests after this one are given.

use http_expect::{JsonPath, Response};
use regex::bytes::Regex;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

/// A value to capture.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The name that templates know it by.
    pub(crate) name: String,
    /// Where it is found.
    pub(crate) source: Source,
}

/// A place in an answer.
#[derive(Debug)]
pub(crate) enum Source {
    /// In its JSON.
    Json(JsonPath),
    /// A header, or a part of one.
    Header(HeaderName, Option<Regex>),
    /// A part of its body: the first group, where the expression has one.
    Body(Regex),
}

impl Capture {
    /// The value; an error says what was missing.
    pub(crate) fn take(&self, response: &Response) -> Result<String, String> {
        let missing = |what: &str| format!("{what} to capture {} from", self.name);
        match &self.source {
            Source::Json(path) => match response.json().ok().and_then(|document| path.first(document)) {
                None | Some(Value::Null) => Err(missing("nothing in the body's JSON")),
                Some(Value::String(text)) => Ok(text.clone()),
                Some(value) => Ok(value.to_string()),
            },
            Source::Header(name, regex) => {
                // A header may come more than once.
                let mut headers = response.headers.get_all(name).iter().map(HeaderValue::as_bytes).peekable();
                let first = *headers.peek().ok_or_else(|| missing(&format!("no header {name}")))?;
                match regex {
                    Some(regex) => headers
                        .find_map(|header| part(regex, header))
                        .ok_or_else(|| missing(&format!("nothing in the header {name} matches: nothing"))),
                    None => Ok(String::from_utf8_lossy(first).into_owned()),
                }
            }
            Source::Body(regex) => {
                part(regex, &response.body).ok_or_else(|| missing("nothing in the body matches: nothing"))
            }
        }
    }
}

fn part(regex: &Regex, text: &[u8]) -> Option<String> {
    let found = regex.captures(text)?;
    let part = found.get(1).or_else(|| found.get(0))?;
    Some(String::from_utf8_lossy(part.as_bytes()).into_owned())
}
