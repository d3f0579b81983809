//! Where a response names its version.

use std::str::FromStr;

use http_expect::{JsonPath, Response};
use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE};
use regex::bytes::Regex;
use serde_json::Value;

const HINT: &str = "use json:JSONPATH such as json:$.version, header:NAME, body:REGEX or body";

/// Headers that hold secrets, and never a version.
const SECRET: [HeaderName; 4] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE];

/// Where a response contains its version.
#[derive(Debug, Clone)]
pub enum VersionLocation {
    /// Anywhere in the body, as a separate word: 1.4 does not match 1.4.2 or 1.4~rc1. Only an expected version can be
    /// found there; an unknown one cannot be distinguished from the other words.
    Word,
    /// Where this expression matches in the body: its first group that matches, or else the whole match.
    Body(Regex),
    /// In this header.
    Header(HeaderName),
    /// At this JSONPath of a JSON body.
    Json(JsonPath),
}

impl FromStr for VersionLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().split_once(':') {
            None if text.trim() == "body" => Ok(Self::Word),
            Some(("header", name)) => header(name.trim()).map(Self::Header),
            Some(("json", path)) => path.parse().map(Self::Json),
            Some(("body", "")) => Err(format!("the expression after body: is empty; {HINT}")),
            Some(("body", regex)) => Regex::new(regex).map(Self::Body).map_err(|error| error.to_string()),
            _ => Err(HINT.to_owned()),
        }
    }
}

fn header(name: &str) -> Result<HeaderName, String> {
    let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is not a valid header name"))?;
    if SECRET.contains(&name) {
        return Err(format!("the header {name} holds secrets, not a version"));
    }
    Ok(name)
}

impl VersionLocation {
    /// The text at this place: unbounded, as the service wrote it.
    ///
    /// # Errors
    /// Why there is no version, as a part of a sentence.
    pub(super) fn find(&self, response: &Response) -> Result<String, String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let nothing = || "the body has no version there".to_owned();
        match self {
            Self::Word => Err("a version cannot be read from a word of the body".to_owned()),
            Self::Body(regex) => {
                let found = regex.captures(&response.body).ok_or_else(nothing)?;
                let group = found.iter().skip(1).flatten().next().or_else(|| found.get(0));
                group.map(|group| lossy(group.as_bytes())).ok_or_else(nothing)
            }
            Self::Header(name) => {
                let value = response.headers.get(name).ok_or_else(|| format!("no header {name}"))?;
                Ok(lossy(value.as_bytes()))
            }
            Self::Json(path) => {
                let document = response.json().map_err(|cause| response.describe_not_json(cause))?;
                match path.first(document).ok_or_else(nothing)? {
                    Value::String(text) => Ok(text.clone()),
                    other => Ok(other.to_string()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    #[test]
    fn a_location_that_cannot_be_meant_is_an_error_with_a_hint() {
        for (bad, says) in [
            ("", "use json:"),
            ("header", "use json:"),
            ("header:", "not a valid header name"),
            ("header:a b", "not a valid header name"),
            ("header:Set-Cookie", "holds secrets"),
            ("json:version", "does not begin with $"),
            ("cookie:v", "use json:"),
            ("body:", "is empty"),
            ("body:(", "unclosed group"),
        ] {
            let error = bad.parse::<VersionLocation>().unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn an_expression_gives_its_first_group_that_matches_or_the_whole_match() {
        let body = |regex: &str, body: &str| {
            let response = Response::new(500, HeaderMap::new(), body.as_bytes().to_vec(), true);
            format!("body:{regex}").parse::<VersionLocation>().unwrap().find(&response).ok()
        };
        let found = |text: &str| Some(text.to_owned());
        assert_eq!(body(r"build (\S+)", "x build 1.4.2, ok"), found("1.4.2,"));
        assert_eq!(body(r"v(\d+)|rel-(\d+)", "rel-7"), found("7"));
        assert_eq!(body(r"\d+\.\d+", "is 1.4"), found("1.4"));
        assert_eq!(body(r"build:(\d+)", "build:8"), found("8"));
        assert_eq!(body("v(1)", "v2"), None);
    }
}
