//! What a healthy answer is: pure, given the answer.

use std::time::Duration;

use common::duration::show;
use common::event::Reason;
use hyper::HeaderMap;

use crate::header::Header;
use crate::probe::Failure;
use crate::status::Expected;

/// What a healthy answer is. Each of these has to be met; what is not about time, in HTTP only.
#[derive(Debug, Clone, Default)]
pub struct Expectations {
    /// Its status is one of these.
    pub status: Vec<Expected>,
    /// It has these headers, with these values.
    pub headers: Vec<Header>,
    /// This text is in its body, or in the part of it that is read.
    pub body: Option<String>,
    /// It is there after this time, from the start of the probe to the last byte.
    pub max_latency: Option<Duration>,
}

/// An answer, with what was read of its body.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The beginning of the body, mostly all of it.
    pub body: Vec<u8>,
}

impl Expectations {
    /// The first that is not met by the answer, where there is one in HTTP, and by the time that it took.
    pub fn unmet(&self, answer: Option<&Answer>, latency: Duration) -> Option<Failure> {
        answer.and_then(|answer| self.not_in(answer)).or_else(|| self.too_slow(latency))
    }

    fn not_in(&self, answer: &Answer) -> Option<Failure> {
        let Answer { status, headers, body } = answer;
        if !self.status.iter().any(|expected| expected.takes(*status)) {
            let expected: Vec<String> = self.status.iter().map(ToString::to_string).collect();
            let redirect = if status / 100 == 3 { "; redirects are not followed" } else { "" };
            let message = format!("status {status}, expected {}{redirect}", expected.join(" or "));
            return Some(Failure { reason: Reason::BadStatus, message });
        }
        if let Some(header) = self.headers.iter().find(|header| !header.is_in(headers)) {
            let message = format!("{}, expected {header}", header.found_in(headers));
            return Some(Failure { reason: Reason::Assertion, message });
        }
        if let Some(text) = &self.body
            && !contains(body, text.as_bytes())
        {
            let message = format!("the body of {} bytes does not contain {text:?}", body.len());
            return Some(Failure { reason: Reason::BodyMismatch, message });
        }
        None
    }

    fn too_slow(&self, latency: Duration) -> Option<Failure> {
        let limit = self.max_latency.filter(|limit| latency > *limit)?;
        let message = format!("answered after {}, expected within {}", show(latency), show(limit));
        Some(Failure { reason: Reason::TooSlow, message })
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
        let answer = Answer { status: 200, headers, body: b"{\"version\":\"42\"}".to_vec() };
        let expectations = Expectations { status: vec![Expected::Class(2)], ..expectations.clone() };
        let failure = expectations.unmet(Some(&answer), Duration::from_millis(30))?;
        Some((failure.reason, failure.message))
    }

    fn header(text: &str) -> Vec<Header> {
        vec![text.parse().unwrap()]
    }

    #[test]
    fn what_is_met_is_no_failure() {
        let all = Expectations {
            headers: header("X-App-Version: 42"),
            body: Some("\"42\"".to_owned()),
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
        let fast = Some(Duration::from_millis(29));
        assert_eq!(of(Expectations { max_latency: fast, ..Expectations::default() }).0, Reason::TooSlow);
    }
}
