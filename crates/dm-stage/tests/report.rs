//! The report: a page of HTML about a deployment, or about those of some time.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]
#![expect(clippy::disallowed_methods, reason = "these commands start no others")]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use common::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;

use support::{dm_stage, journal, state_dir};

/// What a page must not contain: it would load or run something.
const ACTIVE: [&str; 8] =
    ["<script", "<img", "<iframe", "<link", "<object", " src=", "@import", "javascript:"];

fn report(state: &TempDir, arguments: &[&str]) -> Output {
    let mut command = dm_stage(state);
    command.env_remove("DM_SERVICE").env_remove("DM_ENVIRONMENT").current_dir(state.path());
    command.args(["--report", "report.html"]).args(arguments).output().unwrap()
}

/// The page, which is written without a word.
fn page(state: &TempDir, arguments: &[&str]) -> String {
    let output = report(state, arguments);
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let page = std::fs::read_to_string(state.path().join("report.html")).unwrap();
    for active in ACTIVE {
        assert!(!page.contains(active), "{active}");
    }
    page
}

/// An event of a deployment of the service `api`.
fn event(
    id: u64,
    ended: DateTime<Utc>,
    (stage, status): (&str, &str),
    seconds: f64,
    fields: &Value,
) -> Value {
    let mut event = json!({
        "v": 1, "type": "stage", "exit_code": 0, "signal": null, "cpu_s": 1.5, "max_rss_bytes": 1_048_576,
        "id": format!("{:016x}", id * 16 + u64::try_from(stage.len()).unwrap()),
        "ts": ended.to_rfc3339_opts(SecondsFormat::Millis, true), "tool": "dm-stage", "deployment": format!("r{id}"),
        "service": "api", "environment": "production", "version": format!("1.{id}"),
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "stage": stage, "status": status, "duration_s": seconds,
        "error_type": if status == "success" { Value::Null } else { "exit_code".into() },
    });
    if stage != "deployment" {
        event["parent"] = "deployment".into();
    }
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn write(state: &TempDir, events: &[Value]) {
    let mut text = String::new();
    for event in events {
        writeln!(text, "{event}").unwrap();
    }
    common::fs::atomic::write(&state.path().join("journal.jsonl"), text.as_bytes()).unwrap();
}

/// The exact value of a figure.
fn figure(page: &str, name: &str) -> f64 {
    let (_, rest) = page.split_once(&format!("<dt>{name}</dt><dd><data value=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

/// What jq computes from the journal.
fn computed(file: &Path, program: &str) -> f64 {
    let output = Command::new("jq").args(["-n", program]).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn the_figures_of_five_thousand_deployments_are_those_of_the_journal() {
    let state = state_dir();
    let now = SystemClock.now();
    let mut events = Vec::new();
    for id in 0..5000_u64 {
        // One every eight minutes; some fail, a part of them is rolled back.
        let began = now - TimeDelta::minutes(8 * (5000 - i64::try_from(id).unwrap()));
        let is_failed = id % 17 == 3 || id % 17 == 4;
        let status = if is_failed { "failure" } else { "success" };
        let seconds = 60.0 + f64::from(u32::try_from(id * 7919 % 240).unwrap());
        let ended = began + TimeDelta::milliseconds((60 + i64::try_from(id * 7919 % 240).unwrap()) * 1000);
        events.push(event(id, began + TimeDelta::seconds(40), ("build", status), 40.0, &json!({})));
        if id % 17 == 4 {
            let rollback = json!({
                "type": "rollback", "verdict": "rollback", "condition": "error_rate", "evidence": [],
                "result": "verified", "target": format!("1.{}", id - 2), "why": "too many errors",
            });
            events.push(event(id, ended - TimeDelta::seconds(1), ("rollback", "success"), 2.0, &rollback));
        }
        let lead_time = if is_failed { json!({}) } else { json!({"lead_time_s": seconds * 9.0}) };
        let mut whole = event(id, ended, ("deployment", status), seconds, &lead_time);
        whole["cost_dollars"] = (seconds / 1000.0).into();
        events.push(whole);
    }
    write(&state, &events);

    let page = page(&state, &["--last", "60d"]);
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let file = state.path().join("journal.jsonl");
    let whole = "[inputs | select(.stage == \"deployment\")]";
    let good = format!("{whole} | map(select(.status == \"success\"))");
    let median = "sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2";
    // From the start of a failed deployment to the next verified rollback, or to the end of the next good one.
    let restored = "[inputs | select(.stage == \"deployment\" or .result == \"verified\")
        | {end: (.ts | .[:19] + \"Z\" | fromdate), took: .duration_s, bad: (.status != \"success\"), back: (.result == \"verified\"), of: .deployment}]
        | sort_by(.end) | . as $all
        | reduce .[] as $it ({since: null, lengths: [], done: []};
            if $it.back then
                ([$all[] | select(.of == $it.of and (.back | not))][0]) as $whole
                | .lengths += [$it.end - (.since // ($whole.end - $whole.took))] | .since = null | .done += [$it.of]
            elif $it.bad then if (.done | index($it.of)) then . else .since //= ($it.end - $it.took) end
            elif .since then .lengths += [$it.end - .since] | .since = null
            else . end)
        | .lengths | add / length";
    for (name, program) in [
        ("Deployments", format!("{whole} | length")),
        ("Success rate", format!("{whole} | 100 * (map(select(.status == \"success\")) | length) / length")),
        (
            "Change failure rate",
            format!("{whole} | 100 * (map(select(.status == \"failure\")) | length) / length"),
        ),
        ("Deployment frequency", format!("{good} | length / 60")),
        ("Lead time for changes", format!("{good} | map(.lead_time_s) | {median}")),
        ("Duration", format!("{good} | map(.duration_s) | {median}")),
        ("Cost", format!("{whole} | map(.cost_dollars) | add")),
        ("Rollbacks", "[inputs | select(.type == \"rollback\")] | length".to_owned()),
        ("Time to restore", restored.to_owned()),
    ] {
        let (shown, expected) = (figure(&page, name), computed(&file, &program));
        assert!((shown - expected).abs() <= 1e-6 * expected.abs(), "{name}: {shown}, and jq says {expected}");
    }
    assert_eq!(journal(state.path()), events, "a report changes nothing");
    assert!(page.contains("4500 older deployments are counted above"));
    // Only what is asked for is counted.
    let week = self::page(&state, &["--last", "7d"]);
    let expected = computed(
        &file,
        &format!("{whole} | map(select(.ts[:19] + \"Z\" | fromdate | . > now - 7 * 86400)) | length"),
    );
    assert!((figure(&week, "Deployments") - expected).abs() <= 2.0);
    let none = self::page(&state, &["--last", "7d", "--service", "web"]);
    assert!(none.contains("No deployment is on record for this time."));
}

#[test]
fn a_deployment_shows_its_watch_its_tests_and_its_locks() {
    let state = state_dir();
    let now = SystemClock.now();
    let at = |second: i64| now - TimeDelta::seconds(300 - second);
    let points: Vec<Value> = (1..=6_i32)
        .map(|n| json!({"after_s": 10.0 * f64::from(n), "total": 20, "errors": n, "evidence": f64::from(n) - 1.5}))
        .collect();
    write(
        &state,
        &[
            event(
                1,
                at(20),
                ("migration", "success"),
                9.0,
                &json!({
                    "type": "migration", "before": "6", "after": "7", "dirty": false, "lock_wait_s": 4.2, "blocked_max": 3,
                    "blocked_by": "session 4711 (psql)",
                }),
            ),
            event(
                1,
                at(40),
                ("health_check", "success"),
                5.0,
                &json!({
                    "type": "health", "target": "https://api.example/health", "probes": 9, "failures": 2,
                    "latency_ms": {"p50": 12.0, "p95": 34.0, "max": 56.0},
                }),
            ),
            event(
                1,
                at(50),
                ("smoke_test", "failure"),
                5.0,
                &json!({
                    "type": "smoke", "suite": "shop", "results": [["pass", 4], ["fail", 30]],
                    "failed": [{"name": "checkout", "why": "status: 500, expected 200"}],
                }),
            ),
            event(
                1,
                at(120),
                ("rollback", "success"),
                4.0,
                &json!({
                    "type": "rollback", "verdict": "rollback", "condition": "error_rate",
                    "evidence": [{"source": "probe", "total": 120, "errors": 21}], "result": "verified", "target": "1.0",
                    "why": "21 of 120 requests failed",
                    "watch": {"began": at(60).to_rfc3339(), "needed": 4.6, "points": points},
                }),
            ),
            event(1, at(130), ("deployment", "failure"), 120.0, &json!({"cost_dollars": 0.02})),
        ],
    );
    let page = page(&state, &[]);
    for part in [
        "<title>api in production: failed</title>",
        "rolled back to 1.0, verified",
        "from 6 to 7",
        "session 4711 (psql)",
        "<dd>4.2s</dd>",
        "https://api.example/health",
        "<td class=\"number\">34 ms</td>",
        "shop: 4 pass, 30 fail",
        "status: 500, expected 200",
        "29 more tests failed.",
        "by the error rate, back to 1.0. 21 of 120 requests failed",
        "4.60 (dashed) is needed for a rollback. The verdict came after 1m00s.",
        "<td class=\"number\">20</td><td class=\"number\">6</td><td class=\"number\">4.50</td>",
        "$0.0200",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert_eq!(page.matches("<svg ").count(), 2);
}

#[test]
fn nothing_from_outside_becomes_a_part_of_the_page() {
    let state = state_dir();
    let now = SystemClock.now();
    let hostile =
        "</pre></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x\u{202e}{{ 7 * 7 }}";
    write(
        &state,
        &[
            event(
                1,
                now,
                ("build", "failure"),
                1.0,
                &json!({"stderr_tail": [hostile, "\u{1b}]0;title\u{7}"], "cause": hostile, "exit_code": 1}),
            ),
            event(
                1,
                now,
                ("smoke_test", "failure"),
                1.0,
                &json!({
                    "type": "smoke", "suite": "s", "results": [["fail", 1]], "failed": [{"name": hostile, "why": hostile}],
                }),
            ),
            event(
                1,
                now,
                ("health_check", "failure"),
                1.0,
                &json!({
                    "type": "health", "target": hostile, "probes": 1, "failures": 1, "latency_ms": null,
                }),
            ),
            event(
                1,
                now,
                ("deployment", "failure"),
                2.0,
                &json!({"cause": hostile, "run_url": "javascript:alert(1)"}),
            ),
        ],
    );
    for arguments in [&["--deployment", "r1"][..], &["--last", "1d"]] {
        let output = report(&state, arguments);
        assert!(output.status.success(), "{output:?}");
        let page = std::fs::read_to_string(state.path().join("report.html")).unwrap();
        for active in ["<script", "<img", "javascript:", "\u{202e}", "\u{1b}", "\" onload=", ">49<"] {
            assert!(!page.contains(active), "{arguments:?}: {active}");
        }
        assert!(page.contains("&lt;script&gt;") || arguments.contains(&"--last"), "{arguments:?}");
        assert_eq!(page.matches("</style>").count(), 1);
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn what_cannot_be_reported_is_an_error_and_changes_nothing() {
    let state = state_dir();
    let now = SystemClock.now();
    let error = |arguments: &[&str]| {
        let output = report(&state, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(error(&[]).contains("is empty: no deployment has been recorded yet"));
    write(&state, &[event(1, now, ("deployment", "success"), 1.0, &json!({}))]);
    assert!(error(&["--deployment", "r9"]).contains("has no deployment r9; the newest are r1"));
    assert!(error(&["--service", "web"]).contains("no deployment of web"));
    assert!(error(&["--deployment", "r1", "--last", "1d"]).contains("cannot be used with"));
    assert!(!state.path().join("report.html").exists());
    std::fs::create_dir(state.path().join("report.html")).unwrap();
    assert!(error(&[]).contains("cannot write the report to report.html"));
}
