//! What a good answer is, and how it is asked for.

use super::*;

#[test]
fn the_expected_status_can_be_told() {
    let server = Server::start(&[Reply::Status(200), Reply::Status(404), Reply::Status(204)]);
    let assert =
        Run::new(&server.url("/"), "--expect-status 204,3xx --expect-status 404 --min-success 2").assert();
    assert_eq!(oks(&probes(&assert.code(0))), [false, true, true]);
}

#[test]
fn an_old_version_that_answers_well_is_not_the_new_one() {
    for (flag, expected, reason) in [
        ("--expect-header", "x-app-version: 42", "assertion"),
        ("--expect-body", "\"version\":\"42\"", "body_mismatch"),
        ("--expect-body-regex", "^.\"version\": *\"42\"", "body_mismatch"),
        ("--expect-json", "$.version == \"42\"", "body_mismatch"),
    ] {
        let server = Server::start(&[Reply::Version("41"), Reply::Version("41"), Reply::Version("42")]);
        let mut run = Run::new(&server.url("/"), "");
        run.args.extend([flag.to_owned(), expected.to_owned()]);
        let found = probes(&run.assert().code(0));
        assert_eq!(oks(&found), [false, false, true], "{flag}");
        assert_eq!((&found[0]["status"], &found[0]["reason"]), (&200.into(), &reason.into()));
        assert!(found[0]["latency_ms"].is_number());
    }
}

#[test]
fn the_version_that_has_to_answer_is_looked_for_where_it_is_named() {
    let old = "version 41 responded, expected version 42";
    for (place, told, reason) in [
        ("header:X-App-Version", old, "assertion"),
        ("json:$.version", old, "body_mismatch"),
        ("body", "version 42 does not appear in the body", "body_mismatch"),
    ] {
        let server = Server::start(&[Reply::Version("41"), Reply::Version("42")]);
        let flags = format!("--expect-version 42 --version-at {place}");
        let found = probes(&Run::new(&server.url("/"), &flags).assert().code(0));
        assert_eq!(oks(&found), [false, true], "{place}");
        assert_eq!(found[0]["reason"], reason, "{place}");
        let server = Server::start(&[Reply::Version("41")]);
        let run = Run::new(&server.url("/"), &format!("{flags} --max-fail 1"));
        run.assert().code(1).stderr(contains(told));
    }
    for version in ["release/1.2", "1:2.3~rc1"] {
        let server = Server::start(&[Reply::Version(version)]);
        Run::new(&server.url("/"), &format!("--expect-version {version} --max-fail 1")).assert().code(0);
    }
    let run = Run::new("http://127.0.0.1:1/", "--version-at body");
    run.assert().code(2).stderr(contains("--expect-version"));
}

#[test]
fn an_expectation_that_is_empty_is_refused_and_not_met_by_everything() {
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
fn an_answer_that_takes_too_long_is_a_failure() {
    let server = Server::start(&[OK]);
    let run = Run::new(&server.url("/"), "--max-latency 1ns --max-fail 2");
    let found = probes(&run.assert().code(1).stderr(contains("too_slow")));
    assert!(found.iter().all(|probe| probe["reason"] == "too_slow" && probe["status"] == 200), "{found:?}");
}

#[test]
fn a_long_body_is_not_read_to_its_end() {
    let server = Server::start(&[Reply::EndlessBody]);
    let assert = Run::new(&server.url("/"), "--timeout 1m").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true]);
}

#[test]
fn json_that_is_longer_than_what_is_read_is_said_to_be_so() {
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
fn a_probe_that_is_longer_than_the_interval_is_told_and_moves_no_other() {
    let server = Server::start(&[Reply::Hang, OK]);
    let assert = Run::new(&server.url("/"), "--timeout 1s").assert().code(0);
    let probes = probes(&assert);
    assert_eq!((oks(&probes), &probes[1]["skipped"]), (vec![false, true], &Value::Null));
    assert!(probes[0]["skipped"].as_u64() >= Some(6), "{probes:?}");
    let run = Run::new(&Server::start(&[Reply::Hang, OK]).url("/"), "--timeout 1s --format human");
    run.assert().code(0).stdout(contains("turns skipped: a probe took longer than --interval"));
}

#[test]
fn a_connection_is_kept_where_that_is_wanted() {
    let server = Server::start(&[Reply::KeepAlive]);
    let run = Run::new(&server.url("/"), "--reuse --min-success 3 --jitter 5ms");
    let probes = probes(&run.assert().code(0));
    assert_eq!(probes.len(), 3);
    assert!(probes[0]["phase_ms"]["connect"].is_number() && probes[2]["phase_ms"]["connect"].is_null());
    assert!(probes.iter().all(|probe| probe["address"] == server.address().as_str()));
    // The first connection; the server reads no more of it, and sees no other.
    assert_eq!(server.requests().len(), 3);
    assert!(!server.requests()[0].contains("connection: close"), "{:?}", server.requests());
}

#[test]
fn a_server_that_keeps_no_connection_though_it_says_so_is_asked_on_another() {
    let server = Server::start(&[OK]);
    let assert = Run::new(&server.url("/"), "--reuse --min-success 5").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true; 5]);
}

#[test]
fn people_get_lines_and_a_summary_on_stdout() {
    let server = Server::start(&[DOWN, OK]);
    let run = Run::new(&server.url("/"), "--format human --name api");
    run.assert().code(0).stderr(is_empty()).stdout(
        contains("polling http://127.0.0.1:")
            .and(contains("bad_status: status 503, expected 2xx"))
            .and(contains("api is healthy: it passed once\n2 probes, 1 failed; latency p50 ")),
    );
}
