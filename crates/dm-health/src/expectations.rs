//! What a healthy response looks like. Pure: depends only on the response.

use std::time::Duration;

use chrono::TimeDelta;
use common::duration::format_duration;
use common::event::Reason;
use common::label::Label;
use common::secrets::Redactor;
use http_expect::{Mismatch, Response, ResponseExpectation, excerpt};

use crate::failure::Failure;
use crate::probe::ProbeResponse;
use crate::version::{ExpectedVersion, VersionDetector};

/// What a healthy response looks like. All expectations must be met; those on the response and the version apply only to
/// HTTP.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectations {
    /// Status, headers and body.
    pub(crate) response: ResponseExpectation,
    /// The version that must respond.
    pub(crate) version: Option<ExpectedVersion>,
    /// The minimum time until a certificate of the server expires.
    pub(crate) min_certificate_life: Option<TimeDelta>,
    /// The maximum time from the start of the probe to the last byte.
    pub(crate) max_latency: Option<Duration>,
    /// How to detect which version answered. It is recorded; nothing is expected of it.
    pub(crate) detector: Option<VersionDetector>,
    /// Secrets that a message about a response must not repeat.
    pub(crate) secrets: Redactor,
}

impl Expectations {
    /// Whether more is expected of a response than a status of success. The version is not meant: whoever reads the records
    /// judges that.
    pub(crate) fn are_specific(&self) -> bool {
        !self.response.is_only_success() || self.min_certificate_life.is_some() || self.max_latency.is_some()
    }

    /// The version that answered, if it can be detected.
    pub(crate) fn detect_version(&self, response: &Response) -> Option<Label> {
        self.detector.as_ref()?.version(response)
    }

    /// Checks all expectations.
    ///
    /// # Errors
    /// The first expectation that the response or its latency does not meet.
    pub(crate) fn check(&self, response: &ProbeResponse, latency: Duration) -> Result<(), Failure> {
        let redacted = |failure: Failure| Failure {
            message: self.secrets.redact(&failure.message),
            response: self.secrets.redact(&failure.response),
            ..failure
        };
        self.unmet(response, latency).map(redacted).map_or(Ok(()), Err)
    }

    fn unmet(&self, response: &ProbeResponse, latency: Duration) -> Option<Failure> {
        let http = response.http.as_ref().and_then(|http| {
            (self.response.check_head(http).first().map(failure))
                .or_else(|| self.version.as_ref()?.unmet(http))
                .or_else(|| self.response.check_body(http).first().map(failure))
        });
        http.or_else(|| self.expires_soon(response.certificate?)).or_else(|| self.too_slow(latency))
    }

    fn expires_soon(&self, left: TimeDelta) -> Option<Failure> {
        let minimum = self.min_certificate_life.filter(|minimum| left < *minimum)?;
        let days = |time: TimeDelta| time.num_days();
        let message =
            format!("the certificate expires in {} days, expected {} or more", days(left), days(minimum));
        Some(Failure::new(Reason::Tls, message))
    }

    fn too_slow(&self, latency: Duration) -> Option<Failure> {
        let limit = self.max_latency.filter(|limit| latency > *limit)?;
        let message = format!(
            "responded after {}, expected within {}",
            format_duration(latency),
            format_duration(limit)
        );
        Some(Failure::new(Reason::TooSlow, message))
    }
}

fn failure(mismatch: &Mismatch<'_>) -> Failure {
    match mismatch {
        Mismatch::Status { response, .. } if response.status / 100 == 3 => {
            Failure::new(Reason::BadStatus, format!("{mismatch}; redirects are not followed"))
        }
        Mismatch::Status { response, .. } => {
            let body = String::from_utf8_lossy(&response.body);
            let response = if body.trim().is_empty() { String::new() } else { excerpt::quoted(body.trim()) };
            Failure { response, ..Failure::new(Reason::BadStatus, mismatch.to_string()) }
        }
        Mismatch::Header { .. } | Mismatch::Fact { is_of_body: false, .. } => {
            Failure::new(Reason::Assertion, mismatch.to_string())
        }
        Mismatch::Body { .. }
        | Mismatch::Json { .. }
        | Mismatch::Value { .. }
        | Mismatch::NotJson { .. }
        | Mismatch::Fact { .. } => Failure::new(Reason::BodyMismatch, mismatch.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use http_expect::{TextCondition, TextExpectation};
    use hyper::HeaderMap;

    use super::*;

    fn unmet(status: u16, expectations: &Expectations) -> Option<(Reason, String)> {
        let mut headers = HeaderMap::new();
        headers.append("x-app-version", "41".parse().unwrap());
        headers.append("x-app-version", "42".parse().unwrap());
        let http = Response::new(status, headers, b"{\"version\":\"42\"}".to_vec(), false);
        let response = ProbeResponse { http: Some(http), certificate: Some(TimeDelta::days(30)) };
        let failure = expectations.unmet(&response, Duration::from_millis(30))?;
        Some((failure.reason, failure.message))
    }

    fn response(response: ResponseExpectation) -> Expectations {
        Expectations { response, ..Expectations::default() }
    }

    fn header(text: &str) -> ResponseExpectation {
        ResponseExpectation { headers: vec![text.parse().unwrap()], ..Default::default() }
    }

    fn body(text: &str) -> ResponseExpectation {
        let body = TextExpectation(vec![TextCondition::Contains(text.to_owned())]);
        ResponseExpectation { body, ..Default::default() }
    }

    fn json(text: &str) -> ResponseExpectation {
        ResponseExpectation { json: vec![text.parse().unwrap()], ..Default::default() }
    }

    fn version(expected: &str) -> ExpectedVersion {
        ExpectedVersion { expected: expected.to_owned(), location: "json:$.version".parse().unwrap() }
    }

    #[test]
    fn a_response_that_meets_all_expectations_is_healthy() {
        let all = Expectations {
            response: ResponseExpectation {
                headers: header("X-App-Version: 42").headers,
                json: json(r#"$.version == "42""#).json,
                ..body("\"42\"")
            },
            version: Some(version("42")),
            min_certificate_life: Some(TimeDelta::days(30)),
            max_latency: Some(Duration::from_millis(30)),
            ..Expectations::default()
        };
        assert_eq!(unmet(200, &all), None);
    }

    #[test]
    fn each_failure_has_its_reason() {
        let failure = |status, expectations| unmet(status, &expectations).unwrap();
        assert_eq!(
            failure(503, Expectations::default()),
            (Reason::BadStatus, "status 503, expected 2xx".to_owned())
        );
        assert_eq!(
            failure(301, Expectations::default()),
            (Reason::BadStatus, "status 301, expected 2xx; redirects are not followed".to_owned())
        );
        assert_eq!(
            failure(200, response(header("x-app-version: 43"))),
            (Reason::Assertion, "x-app-version: 41, 42, expected x-app-version: 43".to_owned())
        );
        assert_eq!(
            failure(200, response(header("x-other: 1"))),
            (Reason::Assertion, "no header x-other, expected x-other: 1".to_owned())
        );
        assert_eq!(
            failure(200, response(body("43"))),
            (Reason::BodyMismatch, "the body of 16 bytes does not contain \"43\"".to_owned())
        );
        assert_eq!(
            failure(200, response(json("$.version == 42"))),
            (Reason::BodyMismatch, "\"42\" found, expected $.version == 42".to_owned())
        );
        let long = Some(TimeDelta::days(31));
        assert_eq!(
            failure(200, Expectations { min_certificate_life: long, ..Expectations::default() }),
            (Reason::Tls, "the certificate expires in 30 days, expected 31 or more".to_owned())
        );
        let fast = Some(Duration::from_millis(29));
        let too_slow = Expectations { max_latency: fast, ..Expectations::default() };
        assert_eq!(failure(200, too_slow).0, Reason::TooSlow);
    }

    #[test]
    fn the_version_is_compared_after_the_head_and_before_the_body() {
        let both =
            |response| Expectations { response, version: Some(version("43")), ..Expectations::default() };
        assert_eq!(unmet(200, &both(header("x-other: 1"))).unwrap().0, Reason::Assertion);
        let (_, message) = unmet(200, &both(body("43"))).unwrap();
        assert_eq!(message, "version 42 responded, expected version 43");
        let mut masked = both(ResponseExpectation::default());
        masked.secrets.add(["43".to_owned()]);
        let response = ProbeResponse {
            http: Some(Response::new(200, HeaderMap::new(), b"{\"version\":\"42\"}".to_vec(), false)),
            certificate: None,
        };
        let failure = masked.check(&response, Duration::ZERO).unwrap_err();
        assert_eq!(failure.message, "version 42 responded, expected version ***");
    }
}
