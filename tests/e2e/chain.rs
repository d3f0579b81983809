//! dm-health | dm-rollback, against the sample service.

use std::process::Output;

use serde_json::Value;
use testkit::bin::Machine;
use testkit::sample::Sample;

/// A machine with short buckets of time, so that a verdict takes a second.
fn machine() -> Machine {
    Machine::new().with("DM_VERSION", "2").with("DM_BUCKET", "100ms")
}

fn rollbacks(machine: &Machine) -> usize {
    std::fs::read_to_string(machine.folder().join("rolled-back")).unwrap_or_default().lines().count()
}

fn run(machine: &Machine, script: &str) -> (Output, Value) {
    let output = machine.shell(&format!("set -o pipefail; {script}")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let verdict = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|record| record["type"] == "verdict")
        .unwrap_or_else(|| panic!("no verdict in {text:?}, {}", String::from_utf8_lossy(&output.stderr)));
    (output, verdict)
}

#[test]
fn a_bad_version_is_rolled_back_and_the_rollback_verified() {
    let (machine, sample) = (machine(), Sample::start(30));
    let watch = "--interval 5ms --watch 1m --format jsonl";
    let (output, verdict) = run(
        &machine,
        &format!(
            "dm-health --url {} {watch} | dm-rollback --if-error-rate 5 -- {}",
            sample.orders(),
            sample.roll_back(&machine)
        ),
    );
    assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(rollbacks(&machine), 1);
    assert_eq!((&verdict["verdict"], &verdict["condition"]), (&"rollback".into(), &"error_rate".into()));
    let rate = verdict["rate_percent"].as_f64().unwrap();
    // It acts as soon as it has proof, after about fifty requests; about 30 % of these fail.
    assert!((10.0..60.0).contains(&rate), "{rate}");
    let event = machine.journal().into_iter().find(|event| event["type"] == "rollback").unwrap();
    assert_eq!((&event["result"], &event["status"]), (&"verified".into(), &"success".into()));
}

#[test]
fn a_healthy_version_is_kept() {
    let (machine, sample) = (machine(), Sample::start(0));
    // The watch ends as soon as the version is proven good, also on a busy machine.
    let (output, verdict) = run(
        &machine,
        &format!(
            "dm-health --url {} --interval 5ms --watch 100ms..1m --format jsonl | dm-rollback --if-error-rate 5 -- {}",
            sample.orders(),
            sample.roll_back(&machine)
        ),
    );
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((verdict["verdict"].as_str(), rollbacks(&machine)), (Some("keep"), 0));
}

#[test]
fn a_killed_producer_leaves_no_verdict_and_no_rollback() {
    let (machine, sample) = (Machine::new(), Sample::start(100));
    // The producer is killed after 30 lines.
    let script = format!(
        ": > stream; dm-health --url {} --interval 10ms --watch 10m --max-fail 1000000 --format jsonl >> stream & pid=$!; \
         while [ \"$(wc -l < stream)\" -lt 30 ]; do :; done; kill -9 $pid; wait $pid || true; \
         dm-rollback --if-error-rate 5 --if-health-fails -- {} < stream",
        sample.orders(),
        sample.roll_back(&machine)
    );
    let (output, verdict) = run(&machine, &script);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((verdict["verdict"].as_str(), rollbacks(&machine)), (Some("inconclusive"), 0));
    assert!(verdict["why"].as_str().unwrap().contains("producer died"), "{verdict}");
}

#[test]
fn a_rollback_that_fails_or_does_not_help_needs_a_person() {
    let (machine, sample) = (machine(), Sample::start(100));
    let down = format!("dm-health --url {} --interval 10ms --max-fail 5 --format jsonl", sample.orders());
    let failed = format!("{down} | dm-rollback --if-health-fails -- sh -c 'echo no way; exit 4'");
    let (output, _) = run(&machine, &failed);
    assert_eq!(output.status.code(), Some(12));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("FAILED: its command ended with exit code 4") && stderr.contains("no way"),
        "{stderr}"
    );

    // Without a cool-down, because another rollback follows at once.
    let useless =
        format!("{down} | dm-rollback --if-health-fails --cool-down 0s --verify-deadline 500ms -- true");
    let (output, _) = run(&machine, &useless);
    assert_eq!(output.status.code(), Some(12));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("the fault is not proven to be gone"),
        "{output:?}"
    );
    let results: Vec<Value> = machine
        .journal()
        .into_iter()
        .filter(|event| event["type"] == "rollback")
        .map(|e| e["result"].clone())
        .collect();
    assert_eq!(results, ["failed", "unverified"]);
}

#[test]
fn a_dry_run_reports_the_rollback_and_does_nothing() {
    let (machine, sample) = (Machine::new(), Sample::start(100));
    let (output, verdict) = run(
        &machine,
        &format!(
            "dm-health --url {} --interval 10ms --max-fail 5 --format jsonl | \
             dm-rollback --if-health-fails --dry-run -- {}",
            sample.orders(),
            sample.roll_back(&machine)
        ),
    );
    assert_eq!(output.status.code(), Some(11));
    assert_eq!((verdict["verdict"].as_str(), rollbacks(&machine)), (Some("rollback"), 0));
}

#[test]
fn failing_smoke_tests_roll_back_which_only_another_version_can_verify() {
    let (machine, sample) = (machine(), Sample::start(100));
    let suite = machine.folder().join("smoke.toml");
    common::fs::atomic::write(&suite, b"[[test]]\nname = \"orders\"\nhttp = { url = \"/api/orders\" }\n")
        .unwrap();
    let base = sample.orders().replace("/api/orders", "");
    let (output, verdict) = run(
        &machine,
        &format!(
            "dm-smoke smoke.toml --base-url {base} --format jsonl | \
             dm-rollback --if-smoke-fails --verify-url {} -- {}",
            sample.orders(),
            sample.roll_back(&machine)
        ),
    );
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(12), "{stderr}");
    assert!(stderr.contains("smoke tests cannot be measured again"), "{stderr}");
    assert_eq!(verdict["condition"], "smoke_fails");
    assert_eq!(rollbacks(&machine), 1);
}
