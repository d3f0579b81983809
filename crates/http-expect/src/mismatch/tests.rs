use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderMap, HeaderValue};
use regex::bytes::Regex;

use crate::{HeaderExpectation, HeaderPattern, Response, ResponseExpectation, StatusPattern, StatusPatterns};
use crate::{JsonExpectation, TextCondition, TextExpectation, excerpt};

fn response(status: u16, body: &str) -> Response {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static("text/html")),
        (HeaderName::from_static("x-app-version"), HeaderValue::from_static("41")),
        (HeaderName::from_static("x-app-version"), HeaderValue::from_static("42")),
    ]);
    let mut response = Response::new(status, HeaderMap::new(), body.into(), false);
    for (name, value) in &headers {
        response.headers.append(name, value.clone());
    }
    response
}

fn header(name: HeaderName, pattern: HeaderPattern) -> ResponseExpectation {
    ResponseExpectation { headers: vec![HeaderExpectation { name, pattern }], ..Default::default() }
}

fn json(text: &str) -> ResponseExpectation {
    ResponseExpectation { json: vec![text.parse().unwrap()], ..Default::default() }
}

fn contains(text: &str) -> ResponseExpectation {
    let body = TextExpectation(vec![TextCondition::Contains(text.to_owned())]);
    ResponseExpectation { body, ..Default::default() }
}

fn matches(text: &str) -> ResponseExpectation {
    let body = TextExpectation(vec![TextCondition::Matches(Regex::new(text).unwrap())]);
    ResponseExpectation { body, ..Default::default() }
}

fn sentence(expectation: &ResponseExpectation, response: &Response) -> String {
    expectation.check(response)[0].to_string()
}

/// The summary and the evidence, with `hush` redacted in the summary.
fn parts(expectation: &ResponseExpectation, response: &Response) -> (String, String) {
    let mismatch = &expectation.check(response)[0];
    let summary = mismatch.summary(|text| text.replace("hush", "***"));
    (summary, String::from_utf8_lossy(mismatch.evidence()).into_owned())
}

#[test]
fn a_response_that_meets_everything_has_no_mismatch() {
    let mut all = json(r#"$.version == "42""#);
    all.headers.push("X-App-Version: 42".parse().unwrap());
    all.body = TextExpectation(vec![
        TextCondition::Contains("\"42\"".to_owned()),
        TextCondition::Matches(Regex::new(r#""version":"4\d""#).unwrap()),
    ]);
    assert_eq!(all.check(&response(200, r#"{"version":"42"}"#)).len(), 0);
}

#[test]
fn a_sentence_quotes_the_response() {
    let response = response(200, r#"{"version":"42"}"#);
    let is = |text: &str| HeaderPattern::Equals(text.to_owned());
    let version = HeaderName::from_static("x-app-version");
    for (expectation, expected) in [
        (
            ResponseExpectation { status: StatusPatterns(vec![StatusPattern::Exact(204)]), ..contains("no") },
            "status 200, expected 204",
        ),
        (header(version, is("43")), "x-app-version: 41, 42, expected x-app-version: 43"),
        (header(ETAG, is("1")), "no header etag, expected etag: 1"),
        (contains("\"43\""), r#"the body of 16 bytes does not contain "\"43\"""#),
        (matches("v4[34]"), "the body of 16 bytes does not match \"v4[34]\""),
        (json("$.version == 42"), "\"42\" found, expected $.version == 42"),
    ] {
        assert_eq!(sentence(&expectation, &response), expected);
    }
}

#[test]
fn a_summary_leaves_the_response_to_the_evidence() {
    let html = || HeaderPattern::Equals("text".to_owned());
    let document = response(200, r#"{"status":"down","token":"hush"}"#);
    let text = response(200, "hello");
    let part = HeaderPattern::Text(TextCondition::Contains("W".to_owned()));
    let body = r#"{"status":"down","token":"hush"}"#;
    for (expectation, response, summary, evidence) in [
        (header(CONTENT_TYPE, html()), &text, "the header content-type is not \"text\"", "text/html"),
        (header(ETAG, part), &text, "there is no header etag, expected one that contains \"W\"", ""),
        (contains("ok\n"), &text, "the body does not contain \"ok\\n\"", "hello"),
        (matches("^Hello$"), &text, "the body does not match \"^Hello$\"", "hello"),
        (json("$.status == \"ok\""), &document, "\"down\" found, expected $.status == \"ok\"", ""),
        (json("$.token == 1"), &document, "\"***\" found, expected $.token == 1", ""),
        (json("$.no"), &document, "nothing found, expected $.no", body),
    ] {
        assert_eq!(parts(&expectation, response), (summary.to_owned(), evidence.to_owned()));
    }
}

#[test]
fn the_status_is_compared_first() {
    let expectation = contains("ok");
    assert_eq!(sentence(&expectation, &response(500, "ko")), "status 500, expected 2xx");
    assert_eq!(expectation.check(&response(204, "ok")).len(), 0);
}

#[test]
fn every_expectation_that_is_not_met_is_a_mismatch() {
    let mut all = contains("fine");
    all.body.0.push(TextCondition::NotContains("hush".to_owned()));
    all.headers = vec![
        HeaderExpectation { name: ETAG, pattern: HeaderPattern::Absent },
        HeaderExpectation { name: CONTENT_TYPE, pattern: HeaderPattern::Absent },
    ];
    all.json = vec!["$.a".parse().unwrap(), JsonExpectation::absent("$.token").unwrap()];
    let response = response(500, r#"{"token":"hush"}"#);
    let told: Vec<_> = all
        .check(&response)
        .iter()
        .map(|mismatch| mismatch.summary(|text| text.replace("hush", "***")))
        .collect();
    assert_eq!(
        told,
        [
            "status 500, expected 2xx",
            "there is a header content-type, expected none",
            "the body does not contain \"fine\"",
            "the body contains \"***\"",
            "nothing found, expected $.a",
            "\"***\" found, expected no $.token",
        ]
    );
    assert!(JsonExpectation::absent("$.a == 1").is_err());
}

#[test]
fn a_byte_order_mark_is_no_fault_and_a_compressed_body_is_named() {
    assert_eq!(json("$.a").check(&response(200, "\u{feff}{\"a\":1}")).len(), 0);
    let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    let response = Response::new(200, headers, b"garbage".to_vec(), false);
    let note = "the body (content-encoding: gzip, which is not valid)";
    assert_eq!(parts(&contains("ok"), &response).0, format!("{note} does not contain \"ok\""));
    assert!(parts(&json("$.a"), &response).0.starts_with(&format!("{note} is not JSON")));
}

#[test]
fn a_body_that_is_not_json_says_why() {
    let response = response(200, "hello");
    let (summary, evidence) = parts(&json("$.no"), &response);
    assert!(summary.starts_with("the body is not JSON (expected value at line 1"), "{summary}");
    assert!(summary.ends_with("), expected $.no") && evidence == "hello", "{summary}");
    let sentence = sentence(&json("$.no"), &response);
    assert!(sentence.starts_with("the body of 5 bytes is not JSON: expected value"), "{sentence}");
}

#[test]
fn a_truncated_body_is_described_as_such() {
    let response = Response::new(200, HeaderMap::new(), b"{}".to_vec(), true);
    let expected = "the first MiB of the body does not contain \"ok\"";
    assert_eq!(sentence(&contains("ok"), &response), expected);
    assert_eq!(parts(&contains("ok"), &response).0, expected);
    let expected = "the body is longer than a MiB, and is not read as JSON";
    assert_eq!(sentence(&json("$.no"), &response), expected);
    assert_eq!(parts(&json("$.no"), &response).0, format!("{expected}, expected $.no"));
}

#[test]
fn a_summary_is_bounded() {
    let long = contains(&"x".repeat(5000));
    assert!(parts(&long, &response(200, "")).0.chars().count() < excerpt::MAX_CHARS + 50);
}
