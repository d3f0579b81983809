//! Values that a test captures from a response for later tests.

use std::borrow::Cow;

use cookie_store::RawCookie;
use http_expect::{JsonPath, Response};
use regex::bytes::Regex;
use reqwest::header::{HeaderName, SET_COOKIE};
use serde_json::Value;

/// A value to capture.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Its name in templates.
    pub(crate) name: String,
    /// Where the value comes from.
    pub(crate) source: Source,
}

/// A part of a response; with an expression, what that matches in it: its first group, if it has one.
#[derive(Debug)]
pub(crate) struct Source {
    /// The part.
    pub(crate) part: Part,
    /// The expression.
    pub(crate) regex: Option<Regex>,
}

/// A part of a response.
#[derive(Debug)]
pub(crate) enum Part {
    /// The first match in the JSON body.
    Json(JsonPath),
    /// A header.
    Header(HeaderName),
    /// The value of a cookie that the response sets.
    Cookie(String),
    /// The URL that answered, after all redirects.
    Url,
    /// The body.
    Body,
}

impl Capture {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the response has no such value.
    pub(crate) fn extract(&self, response: &Response) -> Result<String, String> {
        let Source { part, regex } = &self.source;
        let (candidates, name) = part.candidates(response);
        let missing = |what: String| Err(format!("cannot capture {}: {what}", self.name));
        let Some(first) = candidates.first() else { return missing(part.describe_missing()) };
        match regex {
            None => Ok(String::from_utf8_lossy(first).into_owned()),
            Some(regex) => match candidates.iter().find_map(|text| matched_part(regex, text)) {
                Some(value) => Ok(value),
                None => missing(format!("{name} does not match")),
            },
        }
    }
}

impl Part {
    /// The texts of this part, and its name.
    fn candidates<'r>(&self, response: &'r Response) -> (Vec<Cow<'r, [u8]>>, String) {
        match self {
            Self::Json(path) => {
                let value = response.json().ok().and_then(|document| path.first(document));
                let text = match value {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) => Some(Cow::Borrowed(text.as_bytes())),
                    Some(value) => Some(Cow::Owned(value.to_string().into_bytes())),
                };
                (text.into_iter().collect(), "the JSON value".to_owned())
            }
            // A header may come more than once.
            Self::Header(name) => {
                let values = response.headers.get_all(name).iter();
                (values.map(|value| Cow::Borrowed(value.as_bytes())).collect(), format!("the header {name}"))
            }
            Self::Cookie(name) => {
                let cookies =
                    response.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
                let values = cookies.filter_map(|text| RawCookie::parse(text).ok());
                let values = values.filter(|cookie| cookie.name() == name);
                let values = values.map(|cookie| Cow::Owned(cookie.value().as_bytes().to_vec()));
                (values.collect(), format!("the cookie {name}"))
            }
            Self::Url => {
                let url = response.origin.url.iter().map(|url| Cow::Borrowed(url.as_bytes()));
                (url.collect(), "the url".to_owned())
            }
            Self::Body => (vec![Cow::Borrowed(response.text())], "the body".to_owned()),
        }
    }

    fn describe_missing(&self) -> String {
        match self {
            Self::Json(_) => "the body has no such JSON value".to_owned(),
            Self::Header(name) => format!("the response has no header {name}"),
            Self::Cookie(name) => format!("the response sets no cookie {name}"),
            Self::Url => "the url is not known".to_owned(),
            Self::Body => "the response has no body".to_owned(),
        }
    }
}

fn matched_part(regex: &Regex, text: &[u8]) -> Option<String> {
    let groups = regex.captures(text)?;
    let part = groups.get(1).or_else(|| groups.get(0))?;
    Some(String::from_utf8_lossy(part.as_bytes()).into_owned())
}
