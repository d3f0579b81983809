//! A gateway in trouble: the same exit codes, the same output, and one warning at the most.

use predicates::prelude::*;
use predicates::str::contains;
use testkit::bin::Machine;
use testkit::fault;
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
            common::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
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
fn a_password_in_the_gateway_s_url_is_never_told() {
    let url = fault::refused().replace("http://", "http://deployer:hunter2@");
    run(&url).stderr(contains("hunter2").not().and(contains("not pushed to http://***@127.0.0.1")));
}
