use super::*;

use common::secrets::Redactor;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderValue};

use StatusPattern::{Class, Exactly};

use crate::template::Values;

fn answer(status: u16, body: &str, ms: u64) -> HttpObserved {
    HttpObserved {
        status,
        headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html"))]),
        body: body.into(),
        cut: false,
        latency: Duration::from_millis(ms),
    }
}

fn ended(exit: Option<i32>, signal: Option<i32>, stdout: &str, stderr: &str) -> CommandObserved {
    CommandObserved { exit, signal, cut: [false; 2], stdout: stdout.into(), stderr: stderr.into() }
}

fn none() -> Result<Value, String> {
    Err("the body is not JSON".to_owned())
}

#[test]
fn headers_regexes_and_json() {
    let regex = |text| Some(Regex::new(text).unwrap());
    let header = |name, expected| HttpExpected { headers: vec![(name, expected)], ..HttpExpected::default() };
    let json = |text: &str| HttpExpected { json: vec![text.parse().unwrap()], ..HttpExpected::default() };
    let matches = |text| HttpExpected { body_matches: regex(text), ..HttpExpected::default() };
    let document = Ok(serde_json::json!({ "status": "down", "token": "hush-hush" }));
    let table = [
        (header(CONTENT_TYPE, HeaderExpected::Is("text/html".to_owned())), &document, None),
        (header(CONTENT_TYPE, HeaderExpected::Contains("html".to_owned())), &document, None),
        (header(CONTENT_TYPE, HeaderExpected::Matches(regex("^text/").unwrap())), &document, None),
        (
            header(CONTENT_TYPE, HeaderExpected::Is("text".to_owned())),
            &document,
            Some("the header content-type is not \"text\"; text/html"),
        ),
        (
            header(ETAG, HeaderExpected::Contains("W".to_owned())),
            &document,
            Some("there is no header etag, expected one that contains \"W\"; "),
        ),
        (matches("^he"), &document, None),
        (matches("^Hello$"), &document, Some("the body does not match \"^Hello$\"; hello")),
        (json("$.status == \"down\""), &document, None),
        (json("$.status == \"ok\""), &document, Some("\"down\" found, expected $.status == \"ok\"; ")),
        (json("$.token == 1"), &document, Some("\"***\" found, expected $.token == 1; ")),
        (json("$.no"), &document, Some("nothing found, expected $.no; hello")),
        (json("$.no"), &none(), Some("the body is not JSON, expected $.no; hello")),
    ];
    let (mut known, values) = (Redactor::default(), Values::new());
    known.add(["hush-hush".to_owned()]);
    let hidden = Hidden::new(&known, &values);
    for (expected, document, wanted) in table {
        let observed = answer(200, "hello", 1);
        let told = expected.check(&observed, document, &hidden).err();
        let told = told.map(|told| format!("{}; {}", told.what, String::from_utf8_lossy(told.evidence)));
        assert_eq!(told.as_deref(), wanted, "{expected:?}");
    }
}

#[test]
fn http() {
    let expected = |statuses: &[StatusPattern], body: Option<&str>, ms: Option<u64>| HttpExpected {
        status: Statuses(statuses.to_vec()),
        body_contains: body.map(str::to_owned),
        max_latency: ms.map(Duration::from_millis),
        ..HttpExpected::default()
    };
    let table = [
        (HttpExpected::default(), answer(204, "", 1), None),
        (HttpExpected::default(), answer(301, "", 1), Some((Reason::BadStatus, "status 301, expected 2xx"))),
        (expected(&[Exactly(404)], None, None), answer(404, "", 1), None),
        (
            expected(&[Exactly(200), Class(3)], None, None),
            answer(201, "", 1),
            Some((Reason::BadStatus, "status 201, expected 200 or 3xx")),
        ),
        (expected(&[Class(2)], Some("ok"), None), answer(200, "all ok", 1), None),
        (
            expected(&[Class(2)], Some("ok\n"), None),
            answer(200, "ko", 1),
            Some((Reason::BodyMismatch, "the body does not contain \"ok\\n\"")),
        ),
        (expected(&[Class(2)], None, Some(500)), answer(200, "", 500), None),
        (
            expected(&[Class(2)], None, Some(500)),
            answer(200, "", 501),
            Some((Reason::TooSlow, "took 501ms, expected at most 500ms")),
        ),
        // The first thing that is wrong is told.
        (
            expected(&[Class(2)], Some("ok"), Some(1)),
            answer(500, "ko", 9),
            Some((Reason::BadStatus, "status 500, expected 2xx")),
        ),
    ];
    let (known, values) = (Redactor::default(), Values::new());
    for (expected, observed, wanted) in table {
        let told = expected
            .check(&observed, &none(), &Hidden::new(&known, &values))
            .err()
            .map(|mismatch| (mismatch.reason, mismatch.what));
        assert_eq!(told, wanted.map(|(reason, what)| (reason, what.to_owned())), "{expected:?}");
    }
}

#[test]
fn a_body_that_was_cut_is_said_to_be() {
    let expected = HttpExpected { body_contains: Some("ok".to_owned()), ..HttpExpected::default() };
    let observed = HttpObserved { cut: true, ..answer(200, "k", 1) };
    let (known, values) = (Redactor::default(), Values::new());
    let mismatch = expected.check(&observed, &none(), &Hidden::new(&known, &values)).unwrap_err();
    assert_eq!(mismatch.what, "the first MiB of the body does not contain \"ok\"");
}

#[test]
fn command() {
    let expected = |exit, stdout: Option<&str>| CommandExpected {
        exit,
        stdout: OutputExpected { contains: stdout.map(str::to_owned), matches: None },
        stderr: OutputExpected::default(),
    };
    let table = [
        (expected(0, None), ended(Some(0), None, "", ""), None),
        (expected(3, Some("1.2")), ended(Some(3), None, "v1.2.0", ""), None),
        (
            expected(0, None),
            ended(Some(7), None, "out", "err"),
            Some((Reason::ExitCode, "exit code 7, expected exit code 0", "err")),
        ),
        (
            expected(0, None),
            ended(None, Some(9), "out", "\n"),
            Some((Reason::Signal, "killed by signal 9, expected exit code 0", "out")),
        ),
        (
            expected(0, Some("1.3")),
            ended(Some(0), None, "v1.2.0", "noise"),
            Some((Reason::Assertion, "stdout does not contain \"1.3\"", "v1.2.0")),
        ),
    ];
    for (expected, observed, wanted) in table {
        let told = expected.check(&observed).err();
        let wanted = wanted.map(|(reason, what, evidence)| Mismatch {
            reason,
            what: what.to_owned(),
            evidence: evidence.as_bytes(),
        });
        assert_eq!(told, wanted, "{expected:?}");
    }
}

#[test]
fn bytes_that_are_no_text_can_be_searched() {
    assert!(contains(b"\xff\xfeok\x00", "ok"));
    assert!(!contains(b"\xff", "ok"));
    assert!(!contains(b"", "ok"));
}
