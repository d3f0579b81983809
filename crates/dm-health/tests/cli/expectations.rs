//! Stories of expectations and of requests.

use super::*;

#[test]
fn the_expected_status_can_be_configured() {
    let server = Server::start(&[Reply::Status(200), Reply::Status(404), Reply::Status(204)]);
    let assert =
        Run::new(&server.url("/"), "--expect-status 204,3xx --expect-status 404 --min-success 2").assert();
    assert_eq!(oks(&probes(&assert.code(0))), [false, true, true]);
}

#[test]
fn a_healthy_old_version_is_not_the_new_one() {
    for (flag, expected, reason) in [
        ("--expect-header", "x-app-version: 42", "assertion"),
        ("--expect-body", "\"version\":\"42\"", "body_mismatch"),
        ("--expect-body-regex", "^.\"version\": *\"42\"", "body_mismatch"),
        ("--expect-json", "$.version == \"42\"", "body_mismatch"),
    ] {
        let server = Server::start(&[Reply::Version("41"), Reply::Version("41"), Reply::Version("42")]);
        let mut run = Run::new(&server.url("/"), "");
        run.args.extend([flag.to_owned(), expected.to_owned()]);
        let records = probes(&run.assert().code(0));
        assert_eq!(oks(&records), [false, false, true], "{flag}");
        assert_eq!((&records[0]["status"], &records[0]["reason"]), (&200.into(), &reason.into()));
        assert!(records[0]["latency_ms"].is_number());
    }
}

#[test]
fn the_expected_version_is_read_from_its_location() {
    let old = "version 41 responded, expected version 42";
    for (location, message, reason) in [
        ("header:X-App-Version", old, "assertion"),
        ("json:$.version", old, "body_mismatch"),
        ("body", "version 42 does not appear in the body", "body_mismatch"),
    ] {
        let server = Server::start(&[Reply::Version("41"), Reply::Version("42")]);
        let flags = format!("--expect-version 42 --version-at {location}");
        let records = probes(&Run::new(&server.url("/"), &flags).assert().code(0));
        assert_eq!(oks(&records), [false, true], "{location}");
        assert_eq!(records[0]["reason"], reason, "{location}");
        let server = Server::start(&[Reply::Version("41")]);
        let run = Run::new(&server.url("/"), &format!("{flags} --max-fail 1"));
        run.assert().code(1).stderr(contains(message));
    }
    for version in ["release/1.2", "1:2.3~rc1"] {
        let server = Server::start(&[Reply::Version(version)]);
        Run::new(&server.url("/"), &format!("--expect-version {version} --max-fail 1")).assert().code(0);
    }
    let run = Run::new("http://127.0.0.1:1/", "--version-at body");
    run.assert().code(2).stderr(contains("--expect-version"));
}

#[test]
fn an_empty_expectation_is_an_error() {
    let server = Server::start(&[OK]);
    for (flag, empty) in [
        ("--expect-body", ""),
        ("--expect-body-regex", ""),
        ("--expect-json", " "),
        ("--expect-header", ""),
        ("--expect-status", ""),
        ("--expect-version", ""),
        ("--expect-version", " "),
        ("--expect-version", "v"),
    ] {
        let mut run = Run::new(&server.url("/"), "");
        run.args.extend([flag.to_owned(), empty.to_owned()]);
        let says =
            contains(format!("invalid value '{empty}' for '{flag} <")).and(contains("is a variable unset?"));
        run.assert().code(2).stdout(is_empty()).stderr(says);
    }
    assert_eq!(server.requests(), Vec::<String>::new());
}

#[test]
fn a_slow_response_is_a_failure() {
    let server = Server::start(&[OK]);
    let run = Run::new(&server.url("/"), "--max-latency 1ns --max-fail 2");
    let records = probes(&run.assert().code(1).stderr(contains("too_slow")));
    assert!(
        records.iter().all(|probe| probe["reason"] == "too_slow" && probe["status"] == 200),
        "{records:?}"
    );
}

#[test]
fn a_long_body_is_not_read_completely() {
    let server = Server::start(&[Reply::EndlessBody]);
    let assert = Run::new(&server.url("/"), "--timeout 1m").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true]);
}

#[test]
fn a_body_too_long_for_json_is_reported() {
    const MIB: usize = 1 << 20;
    let too_long = "the body is longer than a MiB, and is not read as JSON";
    for flags in ["--expect-json $.db", "--expect-version up --version-at json:$.db"] {
        for (length, code, says) in [(MIB, 0, ""), (MIB + 1, 1, too_long)] {
            let server = Server::start(&[Reply::Json(length)]);
            let run = Run::new(&server.url("/"), &format!("{flags} --max-fail 1 --timeout 1m"));
            run.assert().code(code).stderr(contains(says));
        }
    }
    let server = Server::start(&[Reply::Json(MIB + 1)]);
    let run = Run::new(&server.url("/"), "--max-fail 1 --timeout 1m --expect-body }");
    run.assert().code(1).stderr(contains("the first MiB of the body does not contain \"}\""));
}

#[test]
fn a_slow_probe_skips_turns_and_delays_no_other() {
    let server = Server::start(&[Reply::Hang, OK]);
    // The interval is long enough for a good probe on a busy machine.
    let mut run = Run::new(&server.url("/"), "--timeout 4s");
    run.interval("500ms");
    let probes = probes(&run.assert().code(0));
    assert_eq!((oks(&probes), &probes[1]["skipped"]), (vec![false, true], &Value::Null));
    assert!(probes[0]["skipped"].as_u64() >= Some(6), "{probes:?}");
    let run = Run::new(&Server::start(&[Reply::Hang, OK]).url("/"), "--timeout 1s --format human");
    run.assert().code(0).stdout(contains("turns skipped: a probe took longer than --interval"));
}

#[test]
fn a_connection_is_reused_with_reuse() {
    let server = Server::start(&[Reply::KeepAlive]);
    let run = Run::new(&server.url("/"), "--reuse --min-success 3 --jitter 5ms");
    let probes = probes(&run.assert().code(0));
    assert_eq!(probes.len(), 3);
    assert!(probes[0]["phase_ms"]["connect"].is_number() && probes[2]["phase_ms"]["connect"].is_null());
    assert!(probes.iter().all(|probe| probe["address"] == server.address().as_str()));
    // All three requests arrived on one connection.
    assert_eq!(server.requests().len(), 3);
    assert!(!server.requests()[0].contains("connection: close"), "{:?}", server.requests());
}

#[test]
fn a_connection_that_the_server_closed_is_replaced() {
    let server = Server::start(&[OK]);
    let assert = Run::new(&server.url("/"), "--reuse --min-success 5").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true; 5]);
}

#[test]
fn human_output_has_lines_and_a_summary() {
    let server = Server::start(&[DOWN, OK]);
    let mut run = Run::new(&server.url("/"), "--format human --name api");
    run.interval("500ms");
    run.assert().code(0).stderr(is_empty()).stdout(
        contains("polling http://127.0.0.1:")
            .and(contains("bad_status: status 503, expected 2xx"))
            .and(contains("api is healthy: it passed once\n2 probes, 1 failed; latency p50 ")),
    );
}
