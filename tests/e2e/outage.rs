//! A gateway that is down or faulty: the same exit codes, the same output, and at most one warning.

use predicates::prelude::*;
use predicates::str::contains;
use testkit::bin::Machine;
use testkit::fault::{self, Recording, answer};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;
use testkit::server::client;

/// A stage with output on both streams, and an exit code that no tool uses.
const STAGE: [&str; 5] = ["build", "--", "sh", "-c", "echo out; echo err >&2; exit 7"];

/// With a budget for gateways that never answer: a tool gives up when it is used up.
const SHORT: &str = "300ms";

/// With a budget that is never used up: the answer ends the conversation.
const LONG: &str = "5m";

fn run(gateway: &str) -> assert_cmd::assert::Assert {
    run_with_budget(gateway, LONG)
}

fn run_with_budget(gateway: &str, budget: &str) -> assert_cmd::assert::Assert {
    let machine = Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", budget);
    let assert = assert_cmd::Command::from_std(machine.tool("dm-stage")).args(STAGE).assert();
    assert_eq!(
        machine.journal().len(),
        1,
        "{gateway}: the event is in the journal, whatever the gateway does"
    );
    assert.code(7).stdout("out\n")
}

#[test]
fn disabled_is_silent() {
    run("disabled").stderr("err\n");
    run("").stderr("err\n");
}

#[test]
fn a_dead_gateway_costs_one_warning() {
    let warned = |cause: &'static str| {
        contains("err\n")
            .and(contains("dm-stage: not pushed to http://127.0.0.1:"))
            .and(contains(cause))
            .and(predicate::function(|text: &str| text.lines().count() == 2))
    };
    run(&fault::refused()).stderr(warned("Connection refused"));
    run_with_budget(&fault::hanging(), SHORT).stderr(warned("no response"));
    run(&fault::internal_error()).stderr(warned("500 Internal Server Error to a read: the disk is full"));
}

#[test]
fn no_tool_changes_its_exit_code_for_a_faulty_gateway() {
    let sample = Sample::start(0);
    let suite = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n";
    let base = sample.health().replace("/health", "");
    let tools: [(&str, Vec<String>, i32); 4] = [
        ("dm-health", vec!["--url".to_owned(), sample.health()], 0),
        ("dm-smoke", vec!["smoke.toml".to_owned(), "--base-url".to_owned(), base], 0),
        ("dm-migrate", vec!["--".to_owned(), "false".to_owned()], 1),
        ("dm-rollback", vec!["--if-error-rate".to_owned(), "5".to_owned(), "--dry-run".to_owned()], 3),
    ];
    for (gateway, budget) in
        [(fault::refused(), LONG), (fault::hanging(), SHORT), (fault::internal_error(), LONG)]
    {
        for (tool, args, code) in &tools {
            let machine = Machine::new().with("PUSHGATEWAY_URL", &gateway).with("DM_EXPORT_BUDGET", budget);
            common::fs::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
            let assert = assert_cmd::Command::from_std(machine.tool(tool)).args(args).assert().code(*code);
            let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
            assert_eq!(stderr.matches("not pushed to").count(), 1, "{tool} {gateway}: {stderr}");
        }
    }
}

#[test]
fn an_outage_is_reported_once_and_not_waited_for_again() {
    let machine = Machine::new().with("PUSHGATEWAY_URL", &fault::refused()).with("DM_EXPORT_BUDGET", LONG);
    let stage =
        || assert_cmd::Command::from_std(machine.tool("dm-stage")).args(["build", "--", "true"]).assert();
    stage().success().stderr(contains("not pushed"));
    stage().success().stderr("");
    assert_eq!(machine.journal().len(), 2);
}

#[test]
fn a_flush_that_cannot_send_fails() {
    let machine = Machine::new().with("PUSHGATEWAY_URL", &fault::refused()).with("DM_EXPORT_BUDGET", LONG);
    let stage = |words: &[&str]| assert_cmd::Command::from_std(machine.tool("dm-stage")).args(words).assert();
    stage(&["--flush"]).success().stderr("");
    stage(&["build", "--", "true"]).success();
    stage(&["--flush"]).code(125).stderr(contains("yet: Connection refused"));
    stage(&["--flush", "--pushgateway-url", "disabled"]).code(125).stderr(contains("set PUSHGATEWAY_URL"));
}

#[test]
fn a_password_in_the_gateway_s_url_is_never_printed() {
    let url = fault::refused().replace("http://", "http://deployer:hunter2@");
    run(&url).stderr(contains("hunter2").not().and(contains("not pushed to http://***@127.0.0.1")));
}

/// One line of the command, and one warning of the tool, which contains this text.
fn warned(cause: &'static str) -> impl Predicate<str> {
    contains("err\n").and(contains(cause)).and(predicate::function(|text: &str| {
        let warnings: Vec<&str> = text.lines().filter(|line| line.starts_with("dm-stage: ")).collect();
        text.lines().count() == 2
            && warnings.len() == 1
            && warnings[0].starts_with("dm-stage: not pushed to http://127.0.0.1:")
    }))
}

#[test]
fn a_connection_that_is_reset() {
    run(&fault::resetting()).stderr(warned("Connection reset"));
}

#[test]
fn a_tool_gives_up_an_answer_that_drips() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nX-Drip: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\npushgateway_build_info ",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    ] {
        run_with_budget(&fault::dripping(start), SHORT).stderr(warned("not pushed"));
    }
}

#[test]
fn an_answer_that_is_too_long_for_a_gateway_is_not_read_to_its_end() {
    let megabytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 * 1024 * 1024);
    for start in [megabytes.as_str(), "HTTP/1.1 200 OK\r\n\r\n"] {
        run(&fault::pouring(start)).stderr(warned("the response is longer than"));
        run_with_budget(&fault::pouring(start), SHORT).stderr(warned("not pushed"));
    }
    // The same in the head. Of an error message only the beginning is read.
    run(&fault::pouring("HTTP/1.1 200 OK\r\nX-Pour: ")).stderr(warned("not pushed"));
    run(&fault::pouring("HTTP/1.1 500 Internal Server Error\r\n\r\n"))
        .stderr(warned("500 Internal Server Error").and(contains("a".repeat(401)).not()));
}

#[test]
fn a_redirect_is_not_followed() {
    let gateway = Recording::answering(|head| {
        let path = head.split(' ').nth(1).unwrap_or("/");
        answer(&format!("302 Found\r\nLocation: /again{path}"), "")
    });
    run(&gateway.url)
        .stderr(warned("302 Found to a ").and(contains("configure the URL that it redirects to")));
    let heads = gateway.heads();
    assert!(!heads.is_empty() && !heads.iter().any(|head| head.contains(" /again/")), "{heads:#?}");
    // The same for a redirect to the same URL.
    let itself = fault::answering(&answer("302 Found\r\nLocation: /metrics", ""));
    run(&itself).stderr(warned("302 Found to a "));
}

#[test]
fn nothing_is_pushed_to_a_server_that_is_not_a_pushgateway() {
    for status in ["200 OK", "204 No Content", "404 Not Found", "403 Forbidden"] {
        let page = Recording::answering(move |_| answer(status, "hello"));
        run(&page.url).stderr(warned("not pushed"));
        let heads = page.heads();
        assert!(heads.iter().any(|head| head.starts_with("GET /metrics ")), "{heads:#?}");
        assert!(!heads.iter().any(|head| head.starts_with("PUT ")), "{heads:#?}");
    }
    let page = Recording::answering(|_| answer("200 OK", "hello"));
    run(&page.url).stderr(warned("the server that responded to a read is not a Pushgateway"));
}

#[test]
fn a_rejected_push_is_reported_with_the_gateway_s_message() {
    let gateway = Pushgateway::start();
    let foreign = format!("{}/metrics/job/foreign", gateway.url());
    let other = "# TYPE deployment_total gauge\ndeployment_total 1\n";
    client().put(foreign).body(other).send().unwrap().error_for_status().unwrap();
    run(&gateway.url()).stderr(warned(
        "400 Bad Request to a PUT: pushed metrics are invalid or inconsistent with existing metrics:",
    ));
    // A gateway that returns an error is not down: the next tool tries again.
    let machine = Machine::new().with("PUSHGATEWAY_URL", &gateway.url()).with("DM_EXPORT_BUDGET", LONG);
    for _ in 0..2 {
        assert_cmd::Command::from_std(machine.tool("dm-stage"))
            .args(STAGE)
            .assert()
            .code(7)
            .stderr(warned("400 Bad Request to a PUT"));
    }
}
