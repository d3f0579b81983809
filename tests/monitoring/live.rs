//! Each of the thirteen alerts, for real: the tools cause it, the gateway holds it, Prometheus finds it, Alertmanager
//! sends it to whom it should, and when the cause is gone it says so.
//!
//! Nobody waits for an hour here, and no number in an expression is changed for that. What has to be long ago, or to
//! take long, is so by the clock of the tool (libfaketime); what has to have been usual for 3 weeks is put into
//! Prometheus' own files before it starts.

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
use crate::shortened;

/// What every cause and every cure works with.
struct Scene {
    machine: Machine,
    good: Sample,
    bad: Sample,
}

impl Scene {
    /// Runs a script on the machine, and expects its exit code.
    fn run(&self, script: &str, code: i32) {
        let mut command = self.machine.shell(script);
        command.env("GOOD", self.good.health().replace("/health", "")).env("NOBODY", fault::refused());
        command.env("BAD", self.bad.health().replace("/health", ""));
        // dm-late COMMAND…: as if it had been run so much earlier. dm-fast: as if each second were a minute.
        let clock = library("libfaketime.so.1");
        command.env("CLOCK", clock).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {output:?}");
    }
}

/// An alert, what causes it, and what ends it, each with its exit code. Without a cure it ends by itself.
struct Story {
    /// Its name, and under what circumstances, where there are several.
    name: &'static str,
    cause: (&'static str, i32),
    cure: Option<(&'static str, i32)>,
}

impl Story {
    fn alert(&self) -> &'static str {
        self.name.split(',').next().unwrap()
    }
}

/// A cause that was there before Prometheus was.
const NOTHING: &str = "true";
/// Watches BAD or GOOD and judges it, by a limit for which few requests are enough: a slow machine makes no more.
const WATCH_BAD: &str = "dm-health --url $BAD/api/orders --interval 10ms --watch 1200ms --max-fail 500 --format jsonl | \
    dm-rollback --if-error-rate 20 --verify-url $GOOD/health -- true";
const WATCH_GOOD: &str = "dm-health --url $GOOD/api/orders --interval 10ms --watch 1200ms --format jsonl | \
    dm-rollback --if-error-rate 20 -- true";
const SMOKE: &str = "for n in 1 2 3 4 5 6; do \
    printf '[[test]]\\nname = \"%s\"\\nhttp = { url = \"/health\" }\\nexpect = { status = 404 }\\n' $n; done > smoke.toml
    FAKETIME=-3555s LD_PRELOAD=$CLOCK dm-smoke smoke.toml --base-url $GOOD";
const ROLLED_BACK: &str = "dm-health --url $BAD/api/orders --interval 10ms --watch 1200ms --max-fail 500 --format jsonl | \
    FAKETIME=-855s LD_PRELOAD=$CLOCK dm-rollback --if-error-rate 20 --verify-url $GOOD/health -- true";
/// A second of this is a minute to the tool, and a second to the command that it runs.
const SLOW_BUILD: &str = "export FAKETIME='-130s x60' DM_EXPORT_BUDGET=1h; unset FAKETIME_DONT_FAKE_MONOTONIC
    LD_PRELOAD=$CLOCK dm-stage build -- env -u LD_PRELOAD sleep 2.1";
const SLOW_MIGRATION: &str =
    "export FAKETIME='-130s x60' DM_EXPORT_BUDGET=1h; unset FAKETIME_DONT_FAKE_MONOTONIC
    LD_PRELOAD=$CLOCK dm-migrate -- env -u LD_PRELOAD sleep 2.1";
/// It hangs until it is let go.
const HANGING_MIGRATION: &str = "mkfifo hold
    FAKETIME=-5m LD_PRELOAD=$CLOCK dm-migrate --timeout 3m -- env -u LD_PRELOAD cat hold < /dev/null > /dev/null 2>&1 &";
/// Two of 21 took 13 minutes; the first is seen before the others are counted.
const LATE: &str = "for n in {1..19}; do dm-stage deployment -- true || exit 1; done
    export DM_STARTED_AT=$(date -u -d '13 minutes ago' +%FT%TZ)
    for n in 1 2; do dm-stage deployment --finish success || exit 1; done";

const STORIES: [Story; 13] = [
    Story {
        name: "DeploymentFailed",
        cause: ("dm-stage deployment -- false", 1),
        cure: Some(("dm-stage deployment -- true", 0)),
    },
    Story {
        name: "HealthCheckFailuresPostDeploy",
        cause: ("dm-health --url $NOBODY --interval 10ms --max-fail 5", 1),
        cure: Some(("dm-health --url $GOOD/health --interval 10ms --min-success 3", 0)),
    },
    Story { name: "PostDeployErrorRateHigh", cause: (WATCH_BAD, 10), cure: Some((WATCH_GOOD, 0)) },
    Story {
        name: "DatabaseMigrationSlow",
        cause: (SLOW_MIGRATION, 0),
        cure: Some(("dm-migrate -- true", 0)),
    },
    Story {
        name: "DatabaseMigrationSlow, while it runs",
        cause: (HANGING_MIGRATION, 0),
        cure: Some(("echo go > hold", 0)),
    },
    Story {
        name: "TimeToDeployP95High",
        cause: (LATE, 0),
        cure: Some(("for n in {1..25}; do dm-stage deployment -- true || exit 1; done", 0)),
    },
    Story {
        name: "PostDeployLatencyHigh",
        cause: ("dm-health --url $SLOW/api/orders --interval 10ms --min-success 1", 0),
        cure: Some(("dm-health --url $GOOD/api/orders --interval 10ms --min-success 1", 0)),
    },
    // Over an hour after the failures, or 15 minutes after the rollback, they end by themselves.
    Story { name: "SmokeTestsFailing", cause: (SMOKE, 1), cure: None },
    Story {
        name: "DeploymentStuckInProgress",
        cause: ("FAKETIME=-61m LD_PRELOAD=$CLOCK dm-stage deployment --start --deployment-id 7", 0),
        cure: Some(("dm-stage deployment --finish success --deployment-id 7", 0)),
    },
    Story { name: "BuildSlow", cause: (SLOW_BUILD, 0), cure: Some(("dm-stage build -- true", 0)) },
    // Nothing is deployed where 24 a day are usual.
    Story {
        name: "DeploymentFrequencyAnomalous",
        cause: (NOTHING, 0),
        cure: Some(("for n in {1..12}; do dm-stage deployment -- true || exit 1; done", 0)),
    },
    Story {
        name: "DeploymentSlightlyBehindSchedule",
        cause: ("FAKETIME=-11m LD_PRELOAD=$CLOCK dm-stage deployment --start --deployment-id 7", 0),
        cure: Some(("dm-stage deployment --finish success --deployment-id 7", 0)),
    },
    Story { name: "DeploymentRolledBack", cause: (ROLLED_BACK, 10), cure: None },
];

/// Three weeks of 24 deployments a day, and a day without any, as Prometheus would have them.
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
    common::atomic::write(&file, text.as_bytes()).unwrap();
    let made = Command::new(server("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args([&file, &data.join("tsdb")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Who is told of an alert of this severity.
fn receiver(severity: &str) -> &'static str {
    match severity {
        "critical" => "page",
        "high" | "medium" => "slack",
        "info" => "log",
        other => panic!("{other}"),
    }
}

/// Every alert that came to `receiver` as `status`, after the first `before` messages, by name and service.
fn told(inbox: &Recording, before: usize, receiver: &str, status: &str) -> Vec<(String, String)> {
    let to = format!("POST /{receiver} ");
    let bodies = inbox.requests().into_iter().skip(before).filter(|request| request.head.starts_with(&to));
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    bodies
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap())
        .flat_map(|message| message["alerts"].as_array().unwrap().clone())
        .filter(|alert| alert["status"] == status)
        .map(|alert| (label(&alert, "alertname"), label(&alert, "service")))
        .collect()
}

fn wait_for(inbox: &Recording, before: usize, alert: &str, service: &str, status: &str) {
    let severity = &alerts().into_iter().find(|rule| rule.name() == alert).unwrap().labels["severity"];
    let wanted = (alert.to_owned(), service.to_owned());
    eventually(&format!("{alert} {status}"), || match told(inbox, before, receiver(severity), status) {
        found if found.contains(&wanted) => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

#[test]
fn each_of_the_thirteen_alerts_fires_and_ends() {
    let inbox = Recording::answering(|_| answer("200 OK", ""));
    let alertmanager = Alertmanager::with(&shortened::routes(&inbox.url));
    let gateway = Pushgateway::start();
    let (data, rules): (TempDir, TempDir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    history(data.path());
    let more = format!(
        "{}alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}",
        shortened::rules(rules.path()),
        alertmanager.address()
    );
    let started = Instant::now();
    let prometheus = Prometheus::with(&gateway, &more, data);
    prometheus.expect("up{job=\"pushgateway\"}", 1.0);

    let seconds = Mutex::new(Vec::new());
    thread::scope(|threads| {
        for story in &STORIES {
            threads.spawn(|| {
                let (good, bad, slow) = (Sample::start(0), Sample::start(60), Sample::start(0));
                slow.switch("{\"latency_ms\":1100}");
                let machine = Machine::new()
                    .with("PUSHGATEWAY_URL", &gateway.url())
                    .with("DM_EXPORT_BUDGET", "5m")
                    .with("DM_SERVICE", story.name)
                    .with("SLOW", &slow.health().replace("/health", ""));
                let scene = Scene { machine, good, bad };
                if story.name == "TimeToDeployP95High" {
                    scene.run("dm-stage deployment -- true", 0);
                    prometheus.expect("time_to_deploy_seconds_count{service=\"TimeToDeployP95High\"}", 1.0);
                }
                let before = if story.cause.0 == NOTHING { 0 } else { inbox.requests().len() };
                scene.run(story.cause.0, story.cause.1);
                let caused = if story.cause.0 == NOTHING { started } else { Instant::now() };
                wait_for(&inbox, before, story.alert(), story.name, "firing");
                seconds.lock().unwrap().push((story.name, caused.elapsed().as_secs_f64()));
                let before = story.cure.map_or(before, |(script, code)| {
                    let before = inbox.requests().len();
                    scene.run(script, code);
                    before
                });
                wait_for(&inbox, before, story.alert(), story.name, "resolved");
            });
        }
    });

    // Last, as it takes the others' data away.
    let before = inbox.requests().len();
    let stopped = gateway.stop();
    let caused = Instant::now();
    wait_for(&inbox, before, "PushgatewayDown", "", "firing");
    seconds.lock().unwrap().push(("PushgatewayDown", caused.elapsed().as_secs_f64()));
    let before = inbox.requests().len();
    let _back = stopped.start();
    wait_for(&inbox, before, "PushgatewayDown", "", "resolved");

    // Who may roll back is told of what begins, never of what ends.
    let acted = told(&inbox, 0, "hook", "firing");
    for alert in ["HealthCheckFailuresPostDeploy", "PostDeployErrorRateHigh"] {
        assert!(acted.contains(&(alert.to_owned(), alert.to_owned())), "{acted:?}");
    }
    assert_eq!(told(&inbox, 0, "hook", "resolved"), []);
    assert!(!told(&inbox, 0, "watchdog", "firing").is_empty());

    for (alert, seconds) in seconds.into_inner().unwrap() {
        println!("{alert:<34} {seconds:>5.1} s from its cause to its receiver");
    }
}
