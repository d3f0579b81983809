//! Parts of a response: values to capture, or to expect something of.

use cookie::Cookie;
use http::header::{HeaderName, SET_COOKIE};
use regex::bytes::Regex;
use serde_json::Value;

use crate::datum::Datum;
use crate::filter::Filter;
use crate::json::JsonPath;
use crate::response::Response;

/// A part of a response; with an expression, what that matches in it: its first group, if it has one; then what filters
/// make of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The part.
    pub part: Part,
    /// The expression.
    pub regex: Option<Regex>,
    /// The filters, in this order.
    pub filters: Vec<Filter>,
}

/// A part of a response.
#[derive(Debug, Clone)]
pub enum Part {
    /// What a path finds in the JSON body.
    Json(JsonPath),
    /// A header.
    Header(HeaderName),
    /// The value of a cookie that the response sets.
    Cookie(String),
    /// The URL that answered, after all redirects.
    Url,
    /// The status.
    Status,
    /// The text of the body.
    Body,
    /// The bytes of the body, in the charset in which they came.
    Bytes,
}

impl Source {
    /// The value as a text, for templates. Without filters, the first of several values.
    ///
    /// # Errors
    /// The response has no such value, or a filter does not take it.
    pub fn text(&self, response: &Response) -> Result<String, String> {
        let value = if self.filters.is_empty() && self.regex.is_none() {
            let mut values = self.part.values(response).into_iter();
            values.next().filter(|value| *value != Datum::Json(Value::Null))
        } else {
            Some(self.value(response)?)
        };
        value.map(Datum::into_text).ok_or_else(|| self.part.describe_missing())
    }

    /// The value; several values are a list.
    ///
    /// # Errors
    /// The response has no such value, or a filter does not take it. The message quotes nothing of the response.
    pub fn value(&self, response: &Response) -> Result<Datum, String> {
        let values = self.part.values(response);
        let value = match &self.regex {
            _ if values.is_empty() => None,
            None => Datum::collect(values),
            Some(regex) => {
                let matched = values.into_iter().find_map(|value| matched_part(regex, &value));
                return self.filter(matched.ok_or_else(|| format!("{} does not match", self.part.name()))?);
            }
        };
        self.filter(value.ok_or_else(|| self.part.describe_missing())?)
    }

    fn filter(&self, value: Datum) -> Result<Datum, String> {
        self.filters.iter().try_fold(value, |value, filter| filter.apply(&value))
    }

    /// The name, for messages.
    pub(crate) fn name(&self) -> String {
        let filters: Vec<&str> = self.filters.iter().map(Filter::name).collect();
        let part = self.part.name();
        if filters.is_empty() { part } else { format!("{part} after {}", filters.join(", ")) }
    }
}

impl Part {
    fn values(&self, response: &Response) -> Vec<Datum> {
        // A value of a header need not be UTF-8.
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) => Datum::from(text),
            Err(_) => Datum::Bytes(bytes.to_vec()),
        };
        match self {
            Self::Json(path) => {
                let found = response.json().map(|document| path.all(document)).unwrap_or_default();
                found.into_iter().cloned().map(Datum::Json).collect()
            }
            // A header may come more than once.
            Self::Header(name) => {
                response.headers.get_all(name).iter().map(|value| text(value.as_bytes())).collect()
            }
            Self::Cookie(name) => {
                let lines =
                    response.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
                let cookies = lines.filter_map(|line| Cookie::parse(line).ok());
                cookies.filter(|cookie| cookie.name() == name).map(|cookie| cookie.value().into()).collect()
            }
            Self::Url => response.origin.url.iter().map(|url| url.as_str().into()).collect(),
            Self::Status => vec![Datum::Json(response.status.into())],
            Self::Body => vec![text(response.text())],
            Self::Bytes => vec![Datum::Bytes(response.body.clone())],
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Json(_) => "the JSON value".to_owned(),
            Self::Header(name) => format!("the header {name}"),
            Self::Cookie(name) => format!("the cookie {name}"),
            Self::Url => "the url".to_owned(),
            Self::Status => "the status".to_owned(),
            Self::Body | Self::Bytes => "the body".to_owned(),
        }
    }

    fn describe_missing(&self) -> String {
        match self {
            Self::Json(_) => "the body has no such JSON value".to_owned(),
            Self::Header(name) => format!("the response has no header {name}"),
            Self::Cookie(name) => format!("the response sets no cookie {name}"),
            Self::Url => "the url is not known".to_owned(),
            Self::Status | Self::Body | Self::Bytes => "the response has no body".to_owned(),
        }
    }
}

fn matched_part(regex: &Regex, value: &Datum) -> Option<Datum> {
    let text = value.clone();
    let text = match &text {
        Datum::Bytes(bytes) => bytes.clone(),
        Datum::Json(_) => text.into_text().into_bytes(),
    };
    let groups = regex.captures(&text)?;
    let part = groups.get(1).or_else(|| groups.get(0))?;
    Some(String::from_utf8_lossy(part.as_bytes()).into_owned().into())
}
