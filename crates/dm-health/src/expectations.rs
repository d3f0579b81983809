//! What a healthy answer is: pure, given the answer.

use std::time::Duration;

use chrono::TimeDelta;
use common::duration::format_duration;
use common::event::Reason;
use common::json_path;
use hyper::HeaderMap;
use regex::bytes::Regex;
use serde_json::Value;

use crate::header::Header;
use crate::probe::Failure;
use crate::status::Expected;
use crate::version::Version;

/// What a healthy answer is. Each of these has to be met; what is not about time, in HTTP only.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// Its status is one of these.
    pub status: Vec<Expected>,
    /// It has these headers, with these values.
    pub headers: Vec<Header>,
    /// This text is in its body, or in the part of it that is read.
    pub body: Option<String>,
    /// This is found in that part of its body.
    pub body_regex: Option<Regex>,
    /// Its body is a JSON document in which each of these is so.
    pub json: Vec<json_path::Expectation>,
    /// It comes from this version.
    pub version: Option<Version>,
    /// None of the certificates that it comes with ends before this time has passed.
    pub min_certificate: Option<TimeDelta>,
    /// It is there after this time, from the start of the probe to the last byte.
    pub max_latency: Option<Duration>,
}

/// What came of a question.
#[derive(Debug, Default)]
pub struct Answer {
    /// What it says, where it says it in HTTP.
    pub http: Option<Http>,
    /// What is left until the first of the certificates ends that it came with.
    pub certificate: Option<TimeDelta>,
}

/// An answer in HTTP, with what was read of its body.
#[derive(Debug)]
pub struct Http {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The first MiB of the body, mostly all of it.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub cut: bool,
}

impl Http {
    /// What was looked at, for people.
    pub fn extent(&self) -> String {
        if self.cut {
            "the first MiB of the body".to_owned()
        } else {
            format!("the body of {} bytes", self.body.len())
        }
    }

    /// The body as a JSON document, or why it is none.
    pub fn json(&self) -> Result<Value, String> {
        if self.cut {
            return Err("the body is longer than a MiB, and is not read as JSON".to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("{} is not JSON: {error}", self.extent()))
    }
}

impl Expectations {
    /// The first that is not met by the answer, and by the time that it took.
    pub fn unmet(&self, answer: &Answer, latency: Duration) -> Option<Failure> {
        let http = answer.http.as_ref().and_then(|http| {
            self.not_in_head(http)
                .or_else(|| self.version.as_ref()?.unmet(http))
                .or_else(|| self.not_in_body(http))
        });
        http.or_else(|| self.ends_soon(answer.certificate?)).or_else(|| self.too_slow(latency))
    }

    fn not_in_head(&self, answer: &Http) -> Option<Failure> {
        let Http { status, headers, .. } = answer;
        if !self.status.iter().any(|expected| expected.takes(*status)) {
            let expected: Vec<String> = self.status.iter().map(ToString::to_string).collect();
            let redirect = if status / 100 == 3 { "; redirects are not followed" } else { "" };
            let message = format!("status {status}, expected {}{redirect}", expected.join(" or "));
            return Some(Failure::new(Reason::BadStatus, message));
        }
        if let Some(header) = self.headers.iter().find(|header| !header.is_in(headers)) {
            let message = format!("{}, expected {header}", header.found_in(headers));
            return Some(Failure::new(Reason::Assertion, message));
        }
        None
    }

    fn not_in_body(&self, answer: &Http) -> Option<Failure> {
        let mismatch = |message| Some(Failure::new(Reason::BodyMismatch, message));
        if let Some(text) = &self.body
            && !contains(&answer.body, text.as_bytes())
        {
            return mismatch(format!("{} does not contain {text:?}", answer.extent()));
        }
        if let Some(regex) = self.body_regex.as_ref().filter(|regex| !regex.is_match(&answer.body)) {
            return mismatch(format!("{} does not match {:?}", answer.extent(), regex.as_str()));
        }
        if self.json.is_empty() {
            return None;
        }
        let document = match answer.json() {
            Ok(document) => document,
            Err(why) => return mismatch(why),
        };
        let difference = self.json.iter().find_map(|expected| expected.check(&document).err())?;
        mismatch(difference.to_string())
    }

    fn ends_soon(&self, left: TimeDelta) -> Option<Failure> {
        let wanted = self.min_certificate.filter(|wanted| left < *wanted)?;
        let days = |time: TimeDelta| time.num_days();
        let message =
            format!("its certificate ends in {} days, expected {} or more", days(left), days(wanted));
        Some(Failure::new(Reason::Tls, message))
    }

    fn too_slow(&self, latency: Duration) -> Option<Failure> {
        let limit = self.max_latency.filter(|limit| latency > *limit)?;
        let message = format!(
            "answered after {}, expected within {}",
            format_duration(latency),
            format_duration(limit)
        );
        Some(Failure::new(Reason::TooSlow, message))
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmet(expectations: &Expectations) -> Option<(Reason, String)> {
        let mut headers = HeaderMap::new();
        headers.append("x-app-version", "41".parse().unwrap());
        headers.append("x-app-version", "42".parse().unwrap());
        let http = Http { status: 200, headers, body: b"{\"version\":\"42\"}".to_vec(), cut: false };
        let answer = Answer { http: Some(http), certificate: Some(TimeDelta::days(30)) };
        let expectations = Expectations { status: vec![Expected::Class(2)], ..expectations.clone() };
        let failure = expectations.unmet(&answer, Duration::from_millis(30))?;
        Some((failure.reason, failure.message))
    }

    fn header(text: &str) -> Vec<Header> {
        vec![text.parse().unwrap()]
    }

    fn json(text: &str) -> Vec<json_path::Expectation> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn what_is_met_is_no_failure() {
        let all = Expectations {
            headers: header("X-App-Version: 42"),
            body: Some("\"42\"".to_owned()),
            body_regex: Some(Regex::new(r#""version":"4\d""#).unwrap()),
            json: json(r#"$.version == "42""#),
            min_certificate: Some(TimeDelta::days(30)),
            max_latency: Some(Duration::from_millis(30)),
            ..Expectations::default()
        };
        assert_eq!(unmet(&all), None);
    }

    #[test]
    fn each_has_its_reason() {
        let of = |expectations| unmet(&expectations).unwrap();
        assert_eq!(
            of(Expectations { headers: header("x-app-version: 43"), ..Expectations::default() }),
            (Reason::Assertion, "x-app-version: 41, 42, expected x-app-version: 43".to_owned())
        );
        assert_eq!(
            of(Expectations { headers: header("x-other: 1"), ..Expectations::default() }),
            (Reason::Assertion, "no header x-other, expected x-other: 1".to_owned())
        );
        assert_eq!(
            of(Expectations { body: Some("43".to_owned()), ..Expectations::default() }),
            (Reason::BodyMismatch, "the body of 16 bytes does not contain \"43\"".to_owned())
        );
        let regex = Regex::new("v4[34]").ok();
        assert_eq!(
            of(Expectations { body_regex: regex, ..Expectations::default() }),
            (Reason::BodyMismatch, "the body of 16 bytes does not match \"v4[34]\"".to_owned())
        );
        assert_eq!(
            of(Expectations { json: json("$.version == 42"), ..Expectations::default() }),
            (Reason::BodyMismatch, "\"42\" found, expected $.version == 42".to_owned())
        );
        let long = Some(TimeDelta::days(31));
        assert_eq!(
            of(Expectations { min_certificate: long, ..Expectations::default() }),
            (Reason::Tls, "its certificate ends in 30 days, expected 31 or more".to_owned())
        );
        let fast = Some(Duration::from_millis(29));
        assert_eq!(of(Expectations { max_latency: fast, ..Expectations::default() }).0, Reason::TooSlow);
    }
}
