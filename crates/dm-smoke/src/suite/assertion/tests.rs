use super::*;

use common::secrets::Redactor;
use http_expect::TextCondition;
use reqwest::header::HeaderMap;

fn answer(status: u16, body: &str, ms: u64) -> HttpObserved {
    let response = Response::new(status, HeaderMap::new(), body.into(), false);
    HttpObserved { stream: None, response, latency: Duration::from_millis(ms) }
}

fn ended(exit: Option<i32>, signal: Option<i32>, stdout: &str, stderr: &str) -> CommandObserved {
    CommandObserved { exit, signal, truncated: [false; 2], stdout: stdout.into(), stderr: stderr.into() }
}

fn contains(text: Option<&str>) -> TextExpectation {
    TextExpectation(text.map(|text| TextCondition::Contains(text.to_owned())).into_iter().collect())
}

#[test]
fn http() {
    let expected = |body: Option<&str>, json: &[&str], ms: Option<u64>| HttpExpected {
        response: ResponseExpectation {
            body: contains(body),
            json: json.iter().map(|text| text.parse().unwrap()).collect(),
            ..ResponseExpectation::default()
        },
        max_latency: ms.map(Duration::from_millis),
        ..HttpExpected::default()
    };
    let header = |text: &str| HttpExpected {
        response: ResponseExpectation { headers: vec![text.parse().unwrap()], ..Default::default() },
        ..HttpExpected::default()
    };
    let document = r#"{"token": "hush-hush"}"#;
    let table = [
        (HttpExpected::default(), answer(204, "", 1), None),
        (
            HttpExpected::default(),
            answer(301, "moved", 1),
            Some((Reason::BadStatus, "status 301, expected 2xx", "moved")),
        ),
        (
            header("etag: 1"),
            answer(200, "", 1),
            Some((Reason::Assertion, "there is no header etag, expected \"1\"", "")),
        ),
        (expected(Some("ok"), &[], None), answer(200, "all ok", 1), None),
        (
            expected(Some("ok\n"), &[], None),
            answer(200, "ko", 1),
            Some((Reason::BodyMismatch, "the body does not contain \"ok\\n\"", "ko")),
        ),
        (
            expected(None, &["$.token == 1"], None),
            answer(200, document, 1),
            Some((Reason::BodyMismatch, "\"***\" found, expected $.token == 1", "")),
        ),
        (
            expected(None, &["$.no"], None),
            answer(200, document, 1),
            Some((Reason::BodyMismatch, "nothing found, expected $.no", document)),
        ),
        (expected(None, &[], Some(500)), answer(200, "", 500), None),
        (
            expected(None, &[], Some(500)),
            answer(200, "", 501),
            Some((Reason::TooSlow, "took 501ms, expected at most 500ms", "")),
        ),
    ];
    let mut known = Redactor::default();
    known.add(["hush-hush".to_owned()]);
    for (expected, observed, wanted) in table {
        let mismatch = expected.check(&observed, |text| known.redact(text)).into_iter().next();
        let wanted = wanted.map(|(reason, what, evidence)| Mismatch {
            reason,
            what: what.to_owned(),
            evidence: evidence.as_bytes(),
        });
        assert_eq!(mismatch, wanted, "{expected:?}");
    }
}

#[test]
fn command() {
    let expected = |exit, stdout: Option<&str>| CommandExpected {
        exit,
        stdout: contains(stdout),
        stderr: TextExpectation::default(),
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
        let mismatch = expected.check(&observed, str::to_owned).into_iter().next();
        let wanted = wanted.map(|(reason, what, evidence)| Mismatch {
            reason,
            what: what.to_owned(),
            evidence: evidence.as_bytes(),
        });
        assert_eq!(mismatch, wanted, "{expected:?}");
    }
}

#[test]
fn every_mismatch_counts() {
    let expected = HttpExpected {
        response: ResponseExpectation { body: contains(Some("ok")), ..ResponseExpectation::default() },
        max_latency: Some(Duration::from_millis(1)),
        ..HttpExpected::default()
    };
    let observed = answer(500, "ko", 9);
    let reasons = |mismatches: Vec<Mismatch<'_>>| {
        mismatches.into_iter().map(|mismatch| mismatch.reason).collect::<Vec<_>>()
    };
    let all = reasons(expected.check(&observed, str::to_owned));
    assert_eq!(all, [Reason::BadStatus, Reason::BodyMismatch, Reason::TooSlow]);
    let expected = CommandExpected { exit: 0, stdout: contains(Some("a")), stderr: contains(Some("b")) };
    let observed = ended(Some(1), None, "", "");
    let all = reasons(expected.check(&observed, str::to_owned));
    assert_eq!(all, [Reason::ExitCode, Reason::Assertion, Reason::Assertion]);
}
