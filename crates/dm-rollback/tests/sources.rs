//! The sources of the evidence: real servers, and fakes with the same schema for services that cannot run here.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod verdict;

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::alertmanager::Alertmanager;
use testkit::bin::server;
use testkit::fault::{self, Recording};
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use verdict::verdict;

/// A dry run.
fn dm_rollback(state: &TempDir, service: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", service).env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
    command.current_dir(state.path()).arg("--dry-run").args(args);
    command
}

const SHORT: [&str; 4] = ["--watch", "300ms", "--interval", "100ms"];

/// Ten minutes of counters, scraped every ten seconds. `per_ten` is the number of requests between two scrapes, in the
/// first and in the second half.
fn history(data: &Path, now: DateTime<Utc>) {
    let mut text = "# TYPE http_requests counter\n".to_owned();
    let mut series = |name: &str, per_ten: [u64; 2], restarts: bool| {
        let mut value = 1000;
        // The next minute has samples without increases: the service is still scraped.
        for step in 0..66 {
            value += if step < 60 { per_ten[usize::from(step >= 30)] } else { 0 };
            if name.contains("gone") && step >= 40 {
                break;
            }
            if restarts && step == 45 {
                // The process restarted, and lost its counts since the last scrape.
                value = 0;
            }
            let at = now.timestamp() - 600 + 10 * step;
            writeln!(text, "http_requests_total{{{name}}} {value} {at}").unwrap();
            // NaN is ignored.
            if step == 20 {
                writeln!(text, "http_requests_total{{{name}}} NaN {}", at + 1).unwrap();
            }
        }
    };
    series(r#"service="bad",instance="a",status="200""#, [10, 7], true);
    series(r#"service="bad",instance="a",status="503""#, [0, 3], true);
    series(r#"service="bad",instance="b",status="200""#, [10, 10], false);
    series(r#"service="old",status="200""#, [93, 93], false);
    series(r#"service="old",status="500""#, [7, 7], false);
    series(r#"service="gone",status="200""#, [10, 10], false);
    series(r#"service="silent",status="200""#, [0, 0], false);
    series(r#"job="good",code="200""#, [10, 10], false);
    series(r#"app="mute""#, [10, 10], false);
    text.push_str("# EOF\n");
    let file = data.join("history");
    common::fs::atomic::write(&file, text.as_bytes()).unwrap();
    let mut promtool = Command::new(server("promtool"));
    promtool.args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"]);
    promtool.args([&file, &data.join("tsdb")]).assert().success();
}

#[test]
fn prometheus_counts_requests_before_and_after_the_deployment() {
    let (state, data, gateway) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Pushgateway::start());
    let now = SystemClock.now();
    history(data.path(), now);
    let prometheus = Prometheus::with(&gateway, "", data);
    let url = prometheus.url();
    // Between two scrapes, in the middle.
    let since =
        (DateTime::from_timestamp(now.timestamp(), 0).unwrap() - TimeDelta::seconds(305)).to_rfc3339();
    let run = |service: &str, args: &[&str]| {
        let fixed = ["--if-error-rate", "5", "--prometheus", &url, "--since", &since];
        dm_rollback(&state, service, &[&fixed[..], &SHORT, args].concat()).assert()
    };

    // Two instances. One begins to fail and is restarted in between: its counters lose 7 and 3.
    let bad = verdict(&run("bad", &[]).code(11));
    assert_eq!((&bad["verdict"], &bad["condition"]), (&"rollback".into(), &"error_rate".into()), "{bad}");
    assert_eq!((&bad["total"], &bad["errors"]), (&590.into(), &87.into()));
    assert_eq!(bad["baseline"], json!({"total": 580, "errors": 0}));
    assert_eq!(bad["threshold_used_percent"], 5.0);
    // The metrics have the same counts.
    run("bad", &["--textfile", "dm.prom"]).code(11);
    let exported = std::fs::read_to_string(state.path().join("dm.prom")).unwrap();
    for series in [
        r#"post_deployment_error_rate{environment="production",service="bad",source="prometheus",stage="rollback"} 14.7"#,
        r#"post_deployment_requests_total{environment="production",service="bad",source="prometheus",stage="rollback"} 590"#,
        r#"post_deployment_request_errors_total{environment="production",service="bad",source="prometheus",stage="rollback"} 87"#,
    ] {
        assert!(exported.contains(series), "{series} in {exported}");
    }
    // The same with explicit selectors.
    let own = ["--total-query", r#"http_requests_total{service="bad"}"#, "--error-query"];
    let bad = run("x", &[&own[..], &[r#"http_requests_total{service="bad",status=~"5.."}"#]].concat());
    assert_eq!(verdict(&bad.code(11))["errors"], 87);

    // Seven percent before and after: the deployment is not the cause.
    let old = verdict(&run("old", &[]).code(0).stderr(contains("the rate before the deployment")));
    assert_eq!((&old["total"], &old["errors"]), (&3000.into(), &210.into()));
    assert_eq!(old["baseline"], json!({"total": 2900, "errors": 203}));
    run("old", &["--baseline", "0s"]).code(11).stderr(contains("210 of 3000 requests failed"));
    // Other labels identify the service and the status.
    assert_eq!(verdict(&run("good", &[]).code(0))["total"], 300);

    // Missing counts are no success.
    run("unknown", &[])
        .code(3)
        .stderr(contains("no usual counter of requests with service, job or app = unknown"));
    run("gone", &[]).code(3).stderr(contains("is it still scraped?"));
    run("silent", &[]).code(3).stderr(contains("no requests were observed"));
    run("mute", &[]).code(3).stderr(contains("no label of http_requests_total contains the status"));
    let typo = |total, error| run("x", &["--total-query", total, "--error-query", error]).code(3);
    typo("requests", "errors").stderr(contains("Prometheus has no series requests"));
    let total = r#"http_requests_total{job="good"}"#;
    typo(total, "http_errors_total")
        .stderr(contains("has no series http_errors_total, so errors would not be noticed"));
    typo(total, r#"http_requests_total{job="good",stat=~"5.."}"#).stderr(contains(r#"stat!=""}"#));
    // The label exists, and no error was counted: this is a success.
    let none = ["--total-query", total, "--error-query", r#"http_requests_total{job="good",code=~"5.."}"#];
    run("x", &none).code(0);
}

#[test]
fn a_prometheus_that_does_not_answer_decides_nothing() {
    let state = tempfile::tempdir().unwrap();
    let run = |url: &str, args: &[&str]| {
        let fixed = ["--if-error-rate", "5", "--prometheus", url];
        dm_rollback(&state, "api", &[&fixed[..], &SHORT, args].concat()).assert()
    };
    run(&fault::refused(), &[]).code(3).stderr(contains("retrying").and(contains("inconclusive: ")));
    run(&fault::internal_error(), &[])
        .code(3)
        .stderr(contains("not a response from Prometheus: HTTP status 500"));
    // The request has the token; the output does not.
    let guarded = Recording::answering(|_| fault::answer("401 Unauthorized", "no"));
    let mut command = dm_rollback(&state, "api", &["--if-error-rate", "5", "--prometheus", "--watch", "1ms"]);
    command.env("PROMETHEUS_URL", &guarded.url).env("PROMETHEUS_TOKEN", "s3cret-s3cret");
    command.assert().code(3).stderr(contains("401").and(contains("s3cret").not()));
    assert!(guarded.heads()[0].to_lowercase().contains("authorization: bearer s3cret-s3cret"));
}

#[test]
fn conflicting_flags_are_rejected_before_any_query() {
    let state = tempfile::tempdir().unwrap();
    let url = "http://127.0.0.1:1";
    for (args, why) in [
        (&["--if-error-rate", "5", "--prometheus", url, "--total-query", "sum(a)"][..], "without functions"),
        (
            &["--if-error-rate", "5", "--prometheus", url, "--total-query", "a{b=c}"],
            "give a counter's selector",
        ),
        (&["--if-error-rate", "5", "--prometheus"], "needs PROMETHEUS_URL"),
        (&["--if-error-rate", "5", "--railway"], "needs RAILWAY_TOKEN or RAILWAY_API_TOKEN"),
        (&["--if-error-rate", "5", "--watch", "1m"], "a stream ends by itself"),
        (
            &["--if-latency", "1s", "--prometheus", url, "--latency-query", "a_bucket"],
            "units are not guessed: give --latency-unit",
        ),
        (
            &["--if-latency", "1s", "--prometheus", url, "--latency-query", "a_seconds_count"],
            "the buckets of a histogram",
        ),
        (&["--if-error-rate", "5", "--prometheus", url, "--control-query", "rate(a[1m])"], "--control-query"),
        (&["--if-health-fails", "--prometheus", url], "need a stream on stdin"),
        (&["--if-alert", "Down"], "needs --alertmanager-url"),
        (&["--if-error-rate", "5", "--since", "noon"], "give a time such as"),
        (&["--if-error-rate", "5", "--since", "2999-01-01T00:00:00Z"], "is in the future"),
        (&["--if-error-rate", "5", "--baseline-total", "1", "--baseline-errors", "2"], "is more than"),
    ] {
        dm_rollback(&state, "api", args).assert().code(2).stderr(contains(why));
    }
}

#[test]
fn railway_is_queried_in_its_own_schema() {
    let state = tempfile::tempdir().unwrap();
    // Complete, settled steps: five minutes, with thirty requests in each step, of which ten fail.
    let samples = |value: f64| -> Vec<Value> {
        let now = SystemClock.now().timestamp();
        (3..13).rev().map(|step| json!({"ts": now - 30 * step, "value": value})).collect()
    };
    let answer = |good: f64, bad: f64| {
        let groups = json!([
            {"statusCode": 200, "samples": samples(good)},
            {"statusCode": 502, "samples": samples(bad)},
        ]);
        fault::answer("200 OK", &json!({"data": {"httpMetricsGroupedByStatus": groups}}).to_string())
    };
    let run = |answer: String, variables: &[(&str, &str)]| {
        let railway = Recording::answering(move |_| answer.clone());
        let fixed = ["--if-error-rate", "5", "--railway", "--railway-url", &railway.url, "--since", "10m"];
        let mut command = dm_rollback(&state, "api", &[&fixed[..], &SHORT].concat());
        command.env("RAILWAY_SERVICE_ID", "svc").env("RAILWAY_ENVIRONMENT_ID", "env");
        (command.envs(variables.iter().copied()).assert(), railway)
    };
    let project = [("RAILWAY_TOKEN", "s3cret-s3cret")];
    let (assert, railway) = run(answer(20.0, 10.0), &project);
    let bad = verdict(&assert.code(11).stderr(contains("s3cret").not()));
    assert_eq!((&bad["total"], &bad["errors"]), (&300.into(), &100.into()));
    let request = railway.requests().remove(0);
    assert!(request.head.contains("project-access-token: s3cret-s3cret"), "{}", request.head);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert!(body["query"].as_str().unwrap().contains("{ statusCode samples { ts value } }"));
    assert_eq!(
        (&body["variables"]["serviceId"], &body["variables"]["environmentId"]),
        (&"svc".into(), &"env".into())
    );
    let (assert, railway) = run(answer(30.0, 0.0), &[("RAILWAY_API_TOKEN", "other")]);
    assert_eq!(verdict(&assert.code(0))["total"], 300);
    assert!(railway.heads()[0].contains("authorization: Bearer other"));
    run(answer(0.7, 0.3), &project).0.code(3).stderr(contains("it may be a rate"));
    let refused = json!({"errors": [{"message": "Not Authorized"}], "data": null}).to_string();
    run(fault::answer("200 OK", &refused), &project).0.code(3).stderr(contains("Railway: Not Authorized"));
}

#[test]
fn an_alert_that_begins_to_fire_rolls_back() {
    let state = tempfile::tempdir().unwrap();
    let alertmanager = Alertmanager::with("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n");
    let url = format!("http://{}", alertmanager.address());
    let run = |args: &[&str]| {
        let mut command =
            dm_rollback(&state, "api", &[&["--if-alert", "ApiDown"], &SHORT[..], args].concat());
        command.env("ALERTMANAGER_URL", &url).assert()
    };
    let fire = |service: &str, name: &str| {
        let labels = json!({"alertname": name, "service": service, "environment": "production"});
        let alert = json!([{"labels": labels, "startsAt": SystemClock.now().to_rfc3339()}]).to_string();
        let client = reqwest::Client::new().post(format!("{url}/api/v2/alerts")).body(alert);
        let answer = common::runtime::block_on(client.header("Content-Type", "application/json").send());
        assert!(answer.unwrap().unwrap().status().is_success());
    };
    fire("web", "ApiDown");
    fire("api", "Another");
    assert_eq!(verdict(&run(&[]).code(0))["condition"], "alert");
    fire("api", "ApiDown");
    let before = run(&[]).code(3);
    before.stderr(contains("the alert ApiDown fires, but it already fired before the deployment"));
    let verdict = verdict(&run(&["--since", "10m"]).code(11));
    let why = verdict["why"].as_str().unwrap();
    assert!(why.starts_with("the alert ApiDown fires: it began to fire at 20"), "{verdict}");
    let mut command = dm_rollback(&state, "api", &[&["--if-alert", "ApiDown"], &SHORT[..]].concat());
    command
        .env("ALERTMANAGER_URL", fault::refused())
        .assert()
        .code(3)
        .stderr(contains("cannot query Alertmanager"));
}
