//! Stories of when a target is healthy, when it is not, and when it is probed.

use super::*;

#[test]
fn it_exits_with_0_after_the_first_success() {
    let server = Server::start(&[DOWN, DOWN, OK]);
    let run = Run::new(&server.url("/health"), "");
    let assert = run.assert().code(0).stderr(is_empty());
    let probes = probes(&assert);
    assert_eq!(oks(&probes), [false, false, true]);
    let good = &probes[2];
    assert_eq!(
        (&good["status"], &good["reason"], &good["src"]),
        (&200.into(), &Value::Null, &"probe".into())
    );
    assert_eq!(good["address"], server.address().as_str());
    assert!(good["latency_ms"].as_f64().unwrap() > 0.0);
    let phases = &good["phase_ms"];
    assert!(phases["resolve"].is_null() && phases["tls"].is_null(), "{phases}");
    assert!(phases["connect"].is_number() && phases["wait"].is_number() && phases["transfer"].is_number());

    let event = run.event();
    assert_eq!((&event["type"], &event["stage"]), (&"health".into(), &"health_check".into()));
    assert_eq!((&event["status"], &event["error_type"]), (&"success".into(), &Value::Null));
    assert_eq!((&event["probes"], &event["failures"]), (&3.into(), &2.into()));
    assert_eq!(event["latency_ms"]["max"], good["latency_ms"]);
}

#[test]
fn each_request_uses_a_new_connection() {
    let server = Server::start(&[DOWN, OK]);
    Run::new(&server.url("/health?v=1"), "").assert().code(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("GET /health?v=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains(&format!("host: {}\r\n", server.address())), "{requests:?}");
    assert!(requests[0].contains("user-agent: dm-health/"), "{requests:?}");
}

#[test]
fn five_failures_in_a_row_prove_it_unhealthy() {
    let server = Server::start(&[DOWN]);
    let run = Run::new(&server.url("/"), "");
    let assert = run.assert().code(1).stderr(contains("failed 5 times in a row").and(contains("bad_status")));
    let probes = probes(&assert);
    assert_eq!(oks(&probes), [false; 5]);
    assert!(probes.iter().all(|probe| probe["reason"] == "bad_status" && probe["status"] == 503));
    let event = run.event();
    assert_eq!((&event["status"], &event["error_type"]), (&"failure".into(), &"bad_status".into()));
    assert_eq!(event["latency_ms"], Value::Null);
}

#[test]
fn a_success_resets_the_count_of_failures() {
    let server = Server::start(&[DOWN, DOWN, DOWN, DOWN, OK, DOWN, DOWN, DOWN, DOWN, OK, OK]);
    let assert = Run::new(&server.url("/"), "--min-success 2").assert().code(0);
    assert_eq!(probes(&assert).len(), 11);
}

#[test]
fn failures_in_the_grace_time_do_not_count() {
    let server = Server::start(&[DOWN, DOWN, DOWN, OK]);
    let assert = Run::new(&server.url("/"), "--max-fail 1 --grace 1m").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [false, false, false, true]);
}

#[test]
fn the_grace_time_ends_with_the_first_healthy_response() {
    let server = Server::start(&[DOWN, DOWN, OK, DOWN]);
    let run = Run::new(&server.url("/"), "--grace 1m --watch 1m --max-fail 4");
    let assert = run.assert().code(1).stderr(contains("failed 4 times in a row"));
    assert_eq!(oks(&probes(&assert)), [false, false, true, false, false, false, false]);
    assert_eq!(run.event()["status"], "failure");

    let server = Server::start(&[DOWN, OK, DOWN, OK, DOWN, OK]);
    let run = Run::new(&server.url("/"), "--grace 1m --watch 1m --fail-rate 2/3");
    let assert = run.assert().code(1).stderr(contains("reached the --fail-rate 2/3"));
    assert_eq!(oks(&probes(&assert)), [false, true, false, true, false]);
}

#[test]
fn a_watch_continues_after_healthy_and_exits_with_0() {
    let server = Server::start(&[OK, DOWN, OK]);
    let assert = Run::new(&server.url("/"), "--watch 1s").assert().code(0).stderr(is_empty());
    assert!(probes(&assert).len() >= 3);
}

#[test]
fn a_watch_detects_a_service_that_becomes_unhealthy() {
    let server = Server::start(&[OK, OK, DOWN]);
    let assert = Run::new(&server.url("/"), "--watch 1m --max-fail 3").assert().code(1);
    assert_eq!(oks(&probes(&assert)), [true, true, false, false, false]);
}

#[test]
fn intermittent_failures_reach_the_fail_rate() {
    let server = Server::start(&[OK, DOWN, OK, OK, DOWN, OK, DOWN, OK]);
    let run = Run::new(&server.url("/"), "--watch 1m --fail-rate 3/6");
    let assert =
        run.assert().code(1).stderr(contains("reached the --fail-rate 3/6").and(contains("bad_status")));
    assert_eq!(oks(&probes(&assert)), [true, false, true, true, false, true, false]);
    assert_eq!(run.event()["status"], "failure");
}

#[test]
fn not_healthy_by_the_deadline_exits_with_124() {
    let server = Server::start(&[DOWN]);
    let run = Run::new(&server.url("/"), "--max-fail 1000 --deadline 1s");
    let assert = run.assert().code(124).stderr(contains("not healthy within 1.0s"));
    assert!(!probes(&assert).is_empty());
    assert_eq!(run.event()["status"], "timeout");
}

#[test]
fn the_deadline_does_not_wait_for_a_probe() {
    let server = Server::start(&[Reply::Hang]);
    let run = Run::new(&server.url("/"), "--timeout 1h --deadline 50ms");
    let assert = run.assert().code(124).stderr(contains("no probe was answered"));
    assert_eq!(probes(&assert), Vec::<Value>::new());
}

#[test]
fn each_kind_of_failure_has_its_reason() {
    let refusing = Server::refusing();
    let hang = Server::start(&[Reply::Hang]);
    let half = Server::start(&[Reply::HalfABody]);
    let reset = Server::start(&[Reply::Reset]);
    let garbage = Server::start(&[Reply::Garbage]);
    let redirect = Server::start(&[Reply::Status(302)]);
    let stories = [
        (refusing, "refused", "connection refused by 127.0.0.1"),
        (hang.url("/"), "read_timeout", "no response within 1.0s"),
        (half.url("/"), "read_timeout", "no complete response within 1.0s"),
        (reset.url("/"), "other", "reset"),
        (garbage.url("/"), "other", "not an HTTP response"),
        (redirect.url("/"), "bad_status", "status 302, expected 2xx; redirects are not followed"),
        (garbage.url("/").replace("http:", "https:"), "tls", "no TLS connection"),
        ("http://does-not-exist.invalid/".to_owned(), "dns", "the name did not resolve"),
    ];
    for (url, reason, message) in stories {
        let timeout = if reason == "read_timeout" { "1s" } else { "1m" };
        let run = Run::new(&url, &format!("--max-fail 1 --timeout {timeout}"));
        let assert = run.assert().code(1).stderr(contains(message));
        let probe = probes(&assert).remove(0);
        assert_eq!(probe["reason"], reason, "{url}: {probe}");
        assert_eq!(probe["latency_ms"].is_number(), reason == "bad_status", "{url}: {probe}");
        assert_eq!(run.event()["error_type"], reason);
    }
}
