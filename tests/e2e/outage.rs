//! A gateway in trouble: the same exit codes, the same output, and one warning at the most.

use predicates::prelude::*;
use predicates::str::contains;
use testkit::bin::Machine;
use testkit::fault::{self, Recording, answer};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;

/// A stage with output on both streams and a code of its own.
const STAGE: [&str; 5] = ["build", "--", "sh", "-c", "echo out; echo err >&2; exit 7"];

fn run(gateway: &str) -> assert_cmd::assert::Assert {
    let machine = Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", "300ms");
    let assert = assert_cmd::Command::from_std(machine.tool("dm-stage")).args(STAGE).assert();
    assert_eq!(machine.journal().len(), 1, "{gateway}: the journal has the event whatever the gateway does");
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
    run(&fault::hanging()).stderr(warned("no answer"));
    run(&fault::internal_error()).stderr(warned("500 Internal Server Error to a read: the disk is full"));
}

#[test]
fn no_tool_changes_its_answer_for_a_gateway_in_trouble() {
    let sample = Sample::start(0);
    let suite = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n";
    let base = sample.health().replace("/health", "");
    let tools: [(&str, Vec<String>, i32); 4] = [
        ("dm-health", vec!["--url".to_owned(), sample.health()], 0),
        ("dm-smoke", vec!["smoke.toml".to_owned(), "--base-url".to_owned(), base], 0),
        ("dm-migrate", vec!["--".to_owned(), "false".to_owned()], 1),
        ("dm-rollback", vec!["--if-error-rate".to_owned(), "5".to_owned(), "--dry-run".to_owned()], 3),
    ];
    for gateway in [fault::refused(), fault::hanging(), fault::internal_error()] {
        for (tool, args, code) in &tools {
            let machine = Machine::new().with("PUSHGATEWAY_URL", &gateway).with("DM_EXPORT_BUDGET", "300ms");
            common::fs::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
            let assert = assert_cmd::Command::from_std(machine.tool(tool)).args(args).assert().code(*code);
            let told = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
            assert_eq!(told.matches("not pushed to").count(), 1, "{tool} {gateway}: {told}");
        }
    }
}

#[test]
fn an_outage_is_told_of_once_and_not_waited_for_again() {
    let machine = Machine::new().with("PUSHGATEWAY_URL", &fault::refused()).with("DM_EXPORT_BUDGET", "300ms");
    let stage =
        || assert_cmd::Command::from_std(machine.tool("dm-stage")).args(["build", "--", "true"]).assert();
    stage().success().stderr(contains("not pushed"));
    stage().success().stderr("");
    assert_eq!(machine.journal().len(), 2);
}

#[test]
fn a_flush_that_cannot_send_says_so() {
    let machine = Machine::new().with("PUSHGATEWAY_URL", &fault::refused()).with("DM_EXPORT_BUDGET", "300ms");
    let stage = |words: &[&str]| assert_cmd::Command::from_std(machine.tool("dm-stage")).args(words).assert();
    stage(&["--flush"]).success().stderr("");
    stage(&["build", "--", "true"]).success();
    stage(&["--flush"]).code(125).stderr(contains("yet: Connection refused"));
    stage(&["--flush", "--pushgateway-url", "disabled"]).code(125).stderr(contains("set PUSHGATEWAY_URL"));
}

#[test]
fn a_password_in_the_gateway_s_url_is_never_told() {
    let url = fault::refused().replace("http://", "http://deployer:hunter2@");
    run(&url).stderr(contains("hunter2").not().and(contains("not pushed to http://***@127.0.0.1")));
}

/// What stage, command and tool say where the gateway was no use: one line each, the tool's with this in it.
fn warned(cause: &'static str) -> impl Predicate<str> {
    contains("err\n").and(contains(cause)).and(predicate::function(|text: &str| {
        let told: Vec<&str> = text.lines().filter(|line| line.starts_with("dm-stage: ")).collect();
        text.lines().count() == 2
            && told.len() == 1
            && told[0].starts_with("dm-stage: not pushed to http://127.0.0.1:")
    }))
}

/// With more time than any of the answers takes: what ends the conversation is what is wrong with it.
fn run_patiently(gateway: &str) -> assert_cmd::assert::Assert {
    let machine = Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", "60s");
    let assert = assert_cmd::Command::from_std(machine.tool("dm-stage")).args(STAGE).assert();
    assert_eq!(machine.journal().len(), 1, "{gateway}: the journal has the event whatever the gateway does");
    assert.code(7).stdout("out\n")
}

#[test]
fn a_connection_that_is_reset() {
    run_patiently(&fault::resetting()).stderr(warned("Connection reset"));
}

#[test]
fn an_answer_that_drips_is_given_up() {
    for start in [
        "",
        "HTTP/1.1 200 OK\r\nX-Drip: ",
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\npushgateway_build_info ",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 100000\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
    ] {
        run(&fault::dripping(start)).stderr(warned("not pushed"));
    }
}

#[test]
fn an_answer_that_is_no_gateway_s_for_its_size_is_not_read_to_its_end() {
    let megabytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 * 1024 * 1024);
    for start in [megabytes.as_str(), "HTTP/1.1 200 OK\r\n\r\n"] {
        run_patiently(&fault::pouring(start)).stderr(warned("the answer is longer than"));
        run(&fault::pouring(start)).stderr(warned("not pushed"));
    }
    // In the head it is no better; and of an explanation only the beginning is read.
    run_patiently(&fault::pouring("HTTP/1.1 200 OK\r\nX-Pour: ")).stderr(warned("not pushed"));
    run_patiently(&fault::pouring("HTTP/1.1 500 Internal Server Error\r\n\r\n"))
        .stderr(warned("500 Internal Server Error").and(contains("a".repeat(401)).not()));
}

#[test]
fn a_redirect_is_not_followed() {
    let gateway = Recording::answering(|head| {
        let path = head.split(' ').nth(1).unwrap_or("/");
        answer(&format!("302 Found\r\nLocation: /again{path}"), "")
    });
    run_patiently(&gateway.url)
        .stderr(warned("302 Found to a ").and(contains("give the URL that it redirects to")));
    let heads = gateway.heads();
    assert!(!heads.is_empty() && !heads.iter().any(|head| head.contains(" /again/")), "{heads:#?}");
    // One that leads back to itself leads nowhere either.
    let itself = fault::answering(&answer("302 Found\r\nLocation: /metrics", ""));
    run_patiently(&itself).stderr(warned("302 Found to a "));
}

#[test]
fn nothing_is_counted_at_what_is_not_a_pushgateway() {
    for status in ["200 OK", "204 No Content", "404 Not Found", "403 Forbidden"] {
        let page = Recording::answering(move |_| answer(status, "hello"));
        run_patiently(&page.url).stderr(warned("not pushed"));
        let heads = page.heads();
        assert!(heads.iter().any(|head| head.starts_with("GET /metrics ")), "{heads:#?}");
        assert!(!heads.iter().any(|head| head.starts_with("PUT ")), "{heads:#?}");
    }
    let page = Recording::answering(|_| answer("200 OK", "hello"));
    run_patiently(&page.url).stderr(warned("what answered a read is not a Pushgateway"));
}

#[test]
fn a_refusal_is_told_in_the_gateway_s_own_words() {
    let gateway = Pushgateway::start();
    let foreign = format!("{}/metrics/job/foreign", gateway.url());
    let client = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let other = "# TYPE deployment_total gauge\ndeployment_total 1\n";
    client.put(foreign).body(other).send().unwrap().error_for_status().unwrap();
    run_patiently(&gateway.url()).stderr(warned(
        "400 Bad Request to a PUT: pushed metrics are invalid or inconsistent with existing metrics:",
    ));
    // A gateway that explains itself is not dead: the next tool asks it again.
    let machine = Machine::new().with("PUSHGATEWAY_URL", &gateway.url()).with("DM_EXPORT_BUDGET", "60s");
    for _ in 0..2 {
        assert_cmd::Command::from_std(machine.tool("dm-stage"))
            .args(STAGE)
            .assert()
            .code(7)
            .stderr(warned("400 Bad Request to a PUT"));
    }
}
