//! A complete automatic rollback: users of the sample service, a real Prometheus that counts their requests, dm-rollback
//! that judges them, and a real Alertmanager that is notified.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use chrono::{DateTime, Utc};
use common::clock::{Clock as _, SystemClock};
use serde_json::Value;
use testkit::alertmanager::Alertmanager;
use testkit::bin::Machine;
use testkit::prometheus::Prometheus;
use testkit::sample::Sample;
use testkit::server::{client, eventually};

/// Users who send orders continuously, until this is dropped.
struct Users(Child);

impl Users {
    fn start(machine: &Machine, sample: &Sample) -> Self {
        let mut command: Command = machine.tool("dm-health");
        command.args([
            "--url",
            &sample.orders(),
            "--interval",
            "50ms",
            "--watch",
            "10m",
            "--max-fail",
            "1000000",
        ]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn a_version_that_fails_for_a_third_of_its_users_is_rolled_back() {
    let (sample, alertmanager) =
        (Sample::start(0), Alertmanager::with("{route: {receiver: nobody}, receivers: [{name: nobody}]}"));
    let prometheus = Prometheus::scraping_service("shop", sample.address());
    let machine = Machine::new()
        .with("ALERTMANAGER_URL", &format!("http://{}", alertmanager.address()))
        .with("DM_BUCKET", "1s");
    let _users = Users::start(&machine, &sample);
    eventually("counted requests", || {
        match prometheus.query("http_requests_total{status=\"200\"} > 20").as_slice() {
            [] => Err("none".to_owned()),
            _ => Ok(()),
        }
    });
    let mark_good = machine.tool("dm-rollback").args(["--mark-good", "--app-version", "1"]).status().unwrap();
    assert!(mark_good.success());

    let (faulty_since, started) = (SystemClock.now(), Instant::now());
    sample.switch("{\"error_percent\":30}");
    let script = format!(
        "dm-rollback --app-version 2 --deployment-id d-2 --prometheus {} --if-error-rate 5 --watch 3m --interval 500ms \
         --require-target --verify-url {} -- {}",
        prometheus.url(),
        sample.orders(),
        sample.roll_back(&machine)
    );
    let output = machine.shell(&script).output().unwrap();
    let duration = started.elapsed();
    assert_eq!(output.status.code(), Some(10), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdict = records.iter().find(|record| record["type"] == "verdict").unwrap();
    assert_eq!(
        (&verdict["verdict"], &verdict["sources"][0]["source"]),
        (&"rollback".into(), &"prometheus".into())
    );

    let alerts: Value = client()
        .get(format!("http://{}/api/v2/alerts", alertmanager.address()))
        .send()
        .unwrap()
        .json()
        .unwrap();
    let [alert] = alerts.as_array().unwrap().as_slice() else { panic!("{alerts}") };
    assert_eq!(alert["labels"]["alertname"], "DeploymentRolledBack");
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(description.contains("from 2 to 1"), "{description}");

    let ledger =
        std::fs::read_to_string(machine.folder().join("state/rollback/production/shop.jsonl")).unwrap();
    let entries: Vec<Value> = ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let since = |ts: &Value| (time(ts) - faulty_since).as_seconds_f64();
    println!("{:>6.1} s  decided: {}", since(&verdict["ts"]), verdict["why"].as_str().unwrap());
    println!("{:>6.1} s  the rollback started", since(&entries[1]["ts"]));
    println!("{:>6.1} s  rolled back and verified", since(&entries[2]["ts"]));
    println!("{:>6.1} s  the alert is in Alertmanager", since(&alert["startsAt"]));
    println!("{:>6.1} s  dm-rollback ended", duration.as_secs_f64());
}
