//! The line at the end of a deployment, after real successes and failures of the tools within it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use regex_lite::Regex;
use testkit::bin::Machine;
use testkit::postgres::{self, Postgres};
use testkit::sample::Sample;
use testkit::terminal::Terminal;

/// A machine that deploys 2.0.1, with short buckets of time, so that a verdict takes a second.
fn machine() -> Machine {
    Machine::new().with("DM_VERSION", "2.0.1").with("DM_BUCKET", "100ms")
}

fn deployment(machine: &Machine, script: &str) -> Command {
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--summary-line", "always", "--", "bash", "-c"]);
    command.arg(format!("set -eo pipefail; dm-stage deploy -- true; {script}"));
    command
}

/// The last line on stderr.
fn last_line(mut command: Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    stderr.lines().last().unwrap_or_default().to_owned()
}

fn assert_says(machine: &Machine, script: &str, pattern: &str) {
    let line = last_line(deployment(machine, script));
    assert!(Regex::new(&format!("^{pattern}$")).unwrap().is_match(&line), "{line:?} is not {pattern:?}");
}

/// The watch of a sample service, judged by its error rate.
fn watch(sample: &Sample, machine: &Machine) -> String {
    format!(
        "dm-health --url {} --interval 5ms --watch 100ms..1m --format jsonl | dm-rollback --if-error-rate 5 -- {}",
        sample.orders(),
        sample.roll_back(machine)
    )
}

#[test]
fn a_deployment_that_is_judged_says_what_was_seen_and_done() {
    let machine = machine();
    let good = Sample::start(0);
    let kept = r"deployed 2\.0\.1 in [0-9.ms]+, kept: 0 of \d+ requests failed";
    assert_says(&machine, &watch(&good, &machine), kept);

    let bad = Sample::start(30);
    let marked =
        machine.tool("dm-rollback").args(["--mark-good", "--assumed", "--app-version", "1.3.1"]).output();
    assert!(marked.unwrap().status.success());
    let failed = r"FAILED at watch: \d+ of \d+ requests failed \(probe, [0-9.]+ %\): more than 5.*";
    let refused = format!("export DM_ROLLBACK_DISABLED=1; {}", watch(&bad, &machine));
    let not_done = format!(
        r"{failed}; shop NOT rolled back: .*the variable DM_ROLLBACK_DISABLED.*; 2\.0\.1 may be live"
    );
    assert_says(&machine, &refused, &not_done);
    let restored = format!(r"{failed}; shop rolled back to 1\.3\.1, verified");
    assert_says(&machine, &watch(&bad, &machine), &restored);
}

#[test]
fn with_a_shared_state_the_line_is_the_same() {
    let store = tempfile::tempdir().unwrap();
    let machine = machine().with("DM_STATE_URL", &format!("file://{}", store.path().display()));
    let script = "DM_SERVICE=web dm-stage build -- true; dm-stage build -- sh -c 'exit 2'";
    assert_says(&machine, script, r"FAILED at build \(shop\): exit code 2; 2\.0\.1 may be live");
}

#[test]
fn a_failed_check_says_what_was_expected_and_what_came() {
    let (machine, sample) = (machine(), Sample::start(0));
    let health = format!("dm-health --url {} --name api --max-fail 2 --interval 1ms", sample.health());
    let unhealthy = r"FAILED at health check: api is unhealthy: it failed 2 times in a row; the last failure: status 200, expected 299 \(bad_status\); the response begins with .*; 2\.0\.1 may be live";
    assert_says(&machine, &format!("{health} --expect-status 299"), unhealthy);
    let suite = format!(
        "[[test]]\nname = 'front page'\nhttp = {{ url = '{}' }}\nexpect = {{ status = 299 }}\n",
        sample.health()
    );
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
    let smoke = r#"FAILED at smoke test: "front page": .*status 200, expected 299.*; 2\.0\.1 may be live"#;
    assert_says(&machine, "dm-smoke smoke.toml", smoke);
    let journal = machine.journal();
    let causes: Vec<&str> = journal.iter().filter_map(|event| event["cause"].as_str()).collect();
    assert!(causes.iter().any(|cause| cause.contains("front page")), "{causes:?}");
}

#[test]
fn a_failed_migration_says_the_error_of_the_database() {
    let server = Postgres::start();
    let psql = postgres::program("psql");
    let machine = machine()
        .with("PSQL", psql.to_str().unwrap())
        .with("DATABASE_URL", &server.url("postgres"))
        .with("DM_OUTPUT", "on-failure");
    let script = "DM_SERVICE=database dm-migrate -- bash -c 'exec $PSQL $DATABASE_URL -Xqv VERBOSITY=verbose -c \"select z\"'";
    let expected = r#"FAILED at migration: column "z" does not exist \(42703\); 2\.0\.1 may be live"#;
    assert_says(&machine, script, expected);
}

#[test]
fn a_cancelled_deployment_says_what_may_be_live() {
    let machine = machine();
    let script = "dm-stage migration -- sh -c 'echo ready; while :; do sleep 0.1; done'";
    let mut command = deployment(&machine, script);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    signal::kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.lines().last(), Some("CANCELLED during migration; 2.0.1 may be live"), "{stderr}");
}

#[test]
fn without_being_asked_for_the_line_is_printed_in_ci_and_on_a_terminal_only() {
    let machine = machine();
    let stage = |arguments: &[&str], ci: &str| {
        let mut command = machine.tool("dm-stage");
        command.args(["deployment"]).args(arguments).args(["--", "true"]).env("CI", ci);
        command
    };
    let printed = Regex::new(r"^deployed 2\.0\.1 in \d+ms$").unwrap();
    assert!(printed.is_match(&last_line(stage(&[], "true"))));
    for silent in [stage(&[], ""), stage(&[], "false"), stage(&["--summary-line", "never"], "true")] {
        assert_eq!(last_line(silent), "");
    }
    let mut nested = machine.tool("dm-stage");
    nested.args(["deployment", "--", "dm-stage", "deployment", "--", "true"]).env("CI", "true");
    let output = nested.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{output:?}");
    let mut terminal = Terminal::start(&stage(&[], ""));
    terminal.wait_for("deployed 2.0.1 in ");
    assert!(terminal.end().1.success());
}
