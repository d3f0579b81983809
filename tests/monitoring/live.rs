//! Each of the thirteen alerts with real servers: the tools cause it, the Pushgateway exposes the metrics, Prometheus
//! evaluates the rule, and Alertmanager notifies the right receiver when it fires and when it ends.
//!
//! No test waits for an hour, and no number in an expression is changed. If an event must be long ago, or must take long,
//! the clock of the tool is faked (libfaketime). Three weeks of history are written into Prometheus' data folder before it
//! starts.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use common::clock::{Clock, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use testkit::alertmanager::Alertmanager;
use testkit::bin::{Machine, library, server};
use testkit::fault::{self, Recording, answer};
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;
use testkit::server::eventually;

use crate::repository::alerts;
use crate::shortened_waits;

/// The machine and the services that the scripts of a scenario use.
struct Fixture {
    machine: Machine,
    good: Sample,
    bad: Sample,
}

impl Fixture {
    /// Runs a script on the machine and checks its exit code.
    fn run(&self, script: &str, code: i32) {
        let mut command = self.machine.shell(script);
        command.env("GOOD", self.good.health().replace("/health", "")).env("REFUSED", fault::refused());
        command.env("BAD", self.bad.health().replace("/health", ""));
        command.env("ROLLBACK", self.bad.roll_back(&self.machine)).env("DM_BUCKET", "100ms");
        // Scripts preload $CLOCK to shift the clock of a tool, or to make it run faster.
        let clock = library("libfaketime.so.1");
        command.env("CLOCK", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
    }
}

/// An alert, the script that causes it, and the script that ends it, each with its exit code.
struct Scenario {
    /// The name of the alert, followed by the circumstances if there are several scenarios for it.
    name: &'static str,
    cause: (&'static str, i32),
    /// `None` if the alert ends by itself.
    recovery: Option<(&'static str, i32)>,
}

impl Scenario {
    fn alert(&self) -> &'static str {
        self.name.split(',').next().unwrap()
    }
}

/// The cause existed before Prometheus started.
const PREEXISTING: &str = "true";
/// Watches BAD and evaluates it: it is rolled back, or should have been. The limit is high, because a slow machine makes only a few requests.
const WATCH_BAD: &str = "dm-health --url $BAD/api/orders --interval 10ms --watch 1m --format jsonl | \
    dm-rollback --if-error-rate 20 --verify-url $GOOD/health -- $ROLLBACK";
const JUDGE_BAD: &str = "dm-health --url $BAD/api/orders --interval 10ms --watch 1m --format jsonl | \
    dm-rollback --if-error-rate 20 --dry-run -- $ROLLBACK";
const SMOKE: &str = "for n in 1 2 3 4 5 6; do \
    printf '[[test]]\\nname = \"%s\"\\nhttp = { url = \"/health\" }\\nexpect = { status = 404 }\\n' $n; done > smoke.toml
    FAKETIME=-3555s LD_PRELOAD=$CLOCK dm-smoke smoke.toml --base-url $GOOD";
/// Both tools have the same clock: records from the future are no evidence.
const ROLLED_BACK: &str = "export FAKETIME=-855s
    LD_PRELOAD=$CLOCK dm-health --url $BAD/api/orders --interval 10ms --watch 1m --format jsonl | \
    LD_PRELOAD=$CLOCK dm-rollback --if-error-rate 20 --verify-url $GOOD/health -- $ROLLBACK";
/// For the tool, each second counts as a minute; for the command that it runs, it is a second.
const SLOW_BUILD: &str = "export FAKETIME='-130s x60' DM_EXPORT_BUDGET=1h; unset FAKETIME_DONT_FAKE_MONOTONIC
    LD_PRELOAD=$CLOCK dm-stage build -- env -u LD_PRELOAD sleep 2.1";
const SLOW_MIGRATION: &str =
    "export FAKETIME='-130s x60' DM_EXPORT_BUDGET=1h; unset FAKETIME_DONT_FAKE_MONOTONIC
    LD_PRELOAD=$CLOCK dm-migrate -- env -u LD_PRELOAD sleep 2.1";
/// Hangs until the recovery script writes to `hold`.
const HANGING_MIGRATION: &str = "mkfifo hold
    FAKETIME=-5m LD_PRELOAD=$CLOCK dm-migrate --timeout 3m -- env -u LD_PRELOAD cat hold < /dev/null > /dev/null 2>&1 &";
/// Two of 21 deployments take 13 minutes. Another one before them lets Prometheus see the counter before it grows.
const LATE: &str = "for n in {1..19}; do dm-stage deployment -- true || exit 1; done
    export DM_STARTED_AT=$(date -u -d '13 minutes ago' +%FT%TZ)
    for n in 1 2; do dm-stage deployment --finish success || exit 1; done";

const SCENARIOS: [Scenario; 13] = [
    Scenario {
        name: "DeploymentFailed",
        cause: ("dm-stage deployment -- false", 1),
        recovery: Some(("dm-stage deployment -- true", 0)),
    },
    Scenario {
        name: "HealthCheckFailuresPostDeploy",
        cause: ("dm-health --url $REFUSED --interval 10ms --max-fail 5", 1),
        recovery: Some(("dm-health --url $GOOD/health --interval 10ms --min-success 3", 0)),
    },
    // A verified rollback ends it at once, and would not let it begin.
    Scenario { name: "PostDeployErrorRateHigh", cause: (JUDGE_BAD, 11), recovery: Some((WATCH_BAD, 10)) },
    Scenario {
        name: "DatabaseMigrationSlow",
        cause: (SLOW_MIGRATION, 0),
        recovery: Some(("dm-migrate -- true", 0)),
    },
    Scenario {
        name: "DatabaseMigrationSlow, while it runs",
        cause: (HANGING_MIGRATION, 0),
        recovery: Some(("echo go > hold", 0)),
    },
    Scenario {
        name: "TimeToDeployP95High",
        cause: (LATE, 0),
        recovery: Some(("for n in {1..25}; do dm-stage deployment -- true || exit 1; done", 0)),
    },
    Scenario {
        name: "PostDeployLatencyHigh",
        cause: ("dm-health --url $SLOW/api/orders --interval 10ms --min-success 1", 0),
        recovery: Some(("dm-health --url $GOOD/api/orders --interval 10ms --min-success 1", 0)),
    },
    // These end by themselves: an hour after the failures, or 15 minutes after the rollback.
    Scenario { name: "SmokeTestsFailing", cause: (SMOKE, 1), recovery: None },
    Scenario {
        name: "DeploymentStuckInProgress",
        cause: ("FAKETIME=-61m LD_PRELOAD=$CLOCK dm-stage deployment --start --deployment-id 7", 0),
        recovery: Some(("dm-stage deployment --finish success --deployment-id 7", 0)),
    },
    Scenario { name: "BuildSlow", cause: (SLOW_BUILD, 0), recovery: Some(("dm-stage build -- true", 0)) },
    // No deployment today, although 24 a day are normal.
    Scenario {
        name: "DeploymentFrequencyAnomalous",
        cause: (PREEXISTING, 0),
        recovery: Some(("for n in {1..12}; do dm-stage deployment -- true || exit 1; done", 0)),
    },
    Scenario {
        name: "DeploymentSlightlyBehindSchedule",
        cause: ("FAKETIME=-11m LD_PRELOAD=$CLOCK dm-stage deployment --start --deployment-id 7", 0),
        recovery: Some(("dm-stage deployment --finish success --deployment-id 7", 0)),
    },
    Scenario { name: "DeploymentRolledBack", cause: (ROLLED_BACK, 10), recovery: None },
];

/// Writes the history of three weeks with 24 deployments a day, and of a day without any, into Prometheus' data folder.
fn history(data: &Path) {
    let now = SystemClock.now().timestamp();
    let labels = "environment=\"production\",service=\"DeploymentFrequencyAnomalous\"";
    let mut text = "# TYPE deployment_total counter\n".to_owned();
    for at in (now - 86_400..now - 60).step_by(240) {
        let series = format!(
            "deployment_total{{job=\"dm_counters\",slot=\"0\",stage=\"deployment\",status=\"success\",{labels}}}"
        );
        writeln!(text, "{series} 0 {at}").unwrap();
    }
    text.push_str("# TYPE service_environment:deployments:increase1d gauge\n");
    for week in [3, 2, 1] {
        let then = now - week * 7 * 86_400;
        for at in (then - 600..then + 600).step_by(60) {
            writeln!(text, "service_environment:deployments:increase1d{{{labels}}} 24 {at}").unwrap();
        }
    }
    text.push_str("# EOF\n");
    let file = data.join("history");
    common::fs::atomic::write(&file, text.as_bytes()).unwrap();
    let import = Command::new(server("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args([&file, &data.join("tsdb")])
        .output()
        .unwrap();
    assert!(import.status.success(), "{import:?}");
}

/// The receiver for alerts of this severity and action.
fn receiver(severity: &str, action: Option<&str>) -> &'static str {
    match (severity, action) {
        (_, Some("log")) => "log",
        ("critical", _) => "incident",
        ("high" | "medium", _) => "slack",
        other => panic!("{other:?}"),
    }
}

/// The alerts with this status that `receiver` got after the first `before` messages, as pairs of name and service.
fn notifications(inbox: &Recording, before: usize, receiver: &str, status: &str) -> Vec<(String, String)> {
    let request_line = format!("POST /{receiver} ");
    let requests = inbox.requests().into_iter().skip(before);
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    requests
        .filter(|request| request.head.starts_with(&request_line))
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .flat_map(|message| message["alerts"].as_array().unwrap().clone())
        .filter(|alert| alert["status"] == status)
        .map(|alert| (label(&alert, "alertname"), label(&alert, "service")))
        .collect()
}

fn wait_for(inbox: &Recording, before: usize, alert: &str, service: &str, status: &str) {
    let labels = alerts().into_iter().find(|rule| rule.name() == alert).unwrap().labels;
    let receiver = receiver(&labels["severity"], labels.get("auto_action").map(String::as_str));
    let expected = (alert.to_owned(), service.to_owned());
    eventually(&format!("{alert} {status}"), || match notifications(inbox, before, receiver, status) {
        alerts if alerts.contains(&expected) => Ok(()),
        alerts => Err(format!("{alerts:?}")),
    });
}

#[test]
fn each_of_the_thirteen_alerts_fires_and_ends() {
    let inbox = Recording::answering(|_| answer("200 OK", ""));
    let alertmanager = Alertmanager::with(&shortened_waits::routes(&inbox.url));
    let gateway = Pushgateway::start();
    let (data, rules): (TempDir, TempDir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    history(data.path());
    let extra_config = format!(
        "{}alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}",
        shortened_waits::rules(rules.path()),
        alertmanager.address()
    );
    let started = Instant::now();
    let prometheus = Prometheus::with(&gateway, &extra_config, data);
    prometheus.expect("up{job=\"pushgateway\"}", 1.0);

    let seconds = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for scenario in &SCENARIOS {
            threads.spawn(|| {
                let (good, bad, slow) = (Sample::start(0), Sample::start(60), Sample::start(0));
                slow.switch("{\"latency_ms\":1100}");
                let machine = Machine::new()
                    .with("PUSHGATEWAY_URL", &gateway.url())
                    .with("DM_EXPORT_BUDGET", "5m")
                    .with("DM_SERVICE", scenario.name)
                    .with("SLOW", &slow.health().replace("/health", ""));
                let fixture = Fixture { machine, good, bad };
                if scenario.name == "TimeToDeployP95High" {
                    fixture.run("dm-stage deployment -- true", 0);
                    prometheus.expect("time_to_deploy_seconds_count{service=\"TimeToDeployP95High\"}", 1.0);
                }
                let before = if scenario.cause.0 == PREEXISTING { 0 } else { inbox.requests().len() };
                fixture.run(scenario.cause.0, scenario.cause.1);
                let caused_at = if scenario.cause.0 == PREEXISTING { started } else { Instant::now() };
                wait_for(&inbox, before, scenario.alert(), scenario.name, "firing");
                seconds.lock().unwrap().push((scenario.name, caused_at.elapsed().as_secs_f64()));
                let before = scenario.recovery.map_or(before, |(script, code)| {
                    let before = inbox.requests().len();
                    fixture.run(script, code);
                    before
                });
                wait_for(&inbox, before, scenario.alert(), scenario.name, "resolved");
            });
        }
    });

    // Last, because it takes the other alerts' data away.
    let before = inbox.requests().len();
    let stopped = gateway.stop();
    let caused_at = Instant::now();
    wait_for(&inbox, before, "PushgatewayDown", "", "firing");
    seconds.lock().unwrap().push(("PushgatewayDown", caused_at.elapsed().as_secs_f64()));
    let before = inbox.requests().len();
    let _restarted = stopped.start();
    wait_for(&inbox, before, "PushgatewayDown", "", "resolved");

    // The hook that may roll back gets firing alerts, but never resolved ones.
    let hook_alerts = notifications(&inbox, 0, "hook", "firing");
    for alert in ["HealthCheckFailuresPostDeploy", "PostDeployErrorRateHigh"] {
        assert!(hook_alerts.contains(&(alert.to_owned(), alert.to_owned())), "{hook_alerts:?}");
    }
    assert_eq!(notifications(&inbox, 0, "hook", "resolved"), []);
    assert!(!notifications(&inbox, 0, "watchdog", "firing").is_empty());

    for (alert, seconds) in seconds.into_inner().unwrap() {
        println!("{alert:<34} {seconds:>5.1} s from the cause to the notification");
    }
}
