//! Answers of a server that must not be taken for counts, and what of them is shown.

use std::process::Stdio;
use std::sync::mpsc;

use assert_cmd::assert::Assert;
use common::clock::{Clock, SystemClock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use testkit::fault::{self, Recording};

use crate::{History, Server, dm_rollback};

/// A fake that answers with the time, with the samples of a healthy service, and with `more` beside them.
fn prometheus(more: &Value) -> Recording {
    let more = more.clone();
    Recording::answering(move |head| {
        let now = SystemClock.now().timestamp();
        let healthy: Vec<Value> =
            (0..60).rev().map(|step| json!([now - 5 * step, (1000 - 10 * step).to_string()])).collect();
        let series = json!([{"metric": {"__name__": "shop_total", "status": "200"}, "values": healthy}]);
        let mut answer = match head {
            head if head.contains("time%28") => json!({"data": {"result": [now, now.to_string()]}}),
            head if head.contains("metadata") => json!({"data": {}}),
            head if head.contains("query=shop") => json!({"data": {"result": series}}),
            _ => json!({"data": {"result": []}}),
        };
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fault::answer("200 OK", &answer.to_string())
    })
}

const SHOP: [&str; 6] = ["--if-error-rate", "5", "--total-query", "shop_total", "--since", "4m"];

fn judge(url: &str) -> Assert {
    let mut command = dm_rollback("x", &[&SHOP[..], &["--prometheus", url]].concat());
    command.env("PROMETHEUS_TOKEN", "s3cret-t0ken").assert()
}

#[test]
fn a_partial_answer_is_not_the_whole() {
    judge(&prometheus(&json!({})).url).code(0);
    let store = json!({"warnings": ["store 10.0.0.7 (b) is down\n: no data"]});
    judge(&prometheus(&store).url).code(3).stderr(contains("a part of the data: store 10.0.0.7 (b) is down"));
    judge(&prometheus(&json!({"isPartial": true})).url).code(3).stderr(contains("only a part of the data"));
    // Remarks about the query are no missing data.
    let remarks = ["PromQL warning: x", "PromQL info: metric might not be a counter"];
    judge(&prometheus(&json!({"warnings": remarks, "infos": ["y"]})).url).code(0);
    judge(&prometheus(&json!({"warnings": null, "isPartial": false})).url).code(0);
}

#[test]
fn what_a_server_says_is_shown_in_one_line_and_without_secrets() {
    let text =
        "bad token Bearer s3cret-t0ken for ada:p4ssw0rd\u{1b}[2J\n::error::keep: 0 of 999 requests failed";
    let server =
        Recording::answering(move |_| fault::answer("401 Unauthorized", &json!({"error": text}).to_string()));
    let url = server.url.replace("http://", "http://ada:p4ssw0rd@");
    let unsafe_parts =
        contains("s3cret").or(contains("p4ssw0rd")).or(contains("\u{1b}")).or(contains("\n::error"));
    judge(&url).code(3).stderr(contains("bad token Bearer ***").and(unsafe_parts.not()));
}

#[test]
fn a_gauge_is_no_counter() {
    let mut history = History::default();
    history.add(r#"load{status="200"}"#, |step| Some(if step % 2 == 0 { 100 } else { 150 + step }));
    // One whose jumps look like errors.
    for status in ["200", "500"] {
        let series = format!("jobs{{status=\"{status}\"}}");
        history.add(&series, |step| Some(if step % 2 == 0 { 100 } else { 150 + step }));
    }
    let server = Server::with(&history);
    for gauge in ["load", "jobs"] {
        server
            .errors("x", &["--total-query", gauge])
            .code(3)
            .stderr(contains("decreases too often for a counter"));
    }
    server
        .errors("x", &["--total-query", "job:load:rate5m"])
        .code(2)
        .stderr(contains("a recording rule of a rate"));
    let known = Recording::answering(|head| {
        let now = SystemClock.now().timestamp();
        let answer = match head {
            head if head.contains("time%28") => json!({"data": {"result": [now, now.to_string()]}}),
            head if head.contains("metadata") => {
                json!({"data": {"shop_total": [{"type": "gauge", "help": ""}]}})
            }
            _ => json!({"data": {"result": []}}),
        };
        fault::answer("200 OK", &answer.to_string())
    });
    judge(&known.url).code(3).stderr(contains("--total-query shop_total: this is a gauge: give a counter"));
}

#[test]
fn a_native_histogram_is_named_and_not_asked_again() {
    let native = Recording::answering(|head| {
        let now = SystemClock.now().timestamp();
        let series = json!([{"metric": {"__name__": "shop_total"}, "histograms": [[now, {"count": "1"}]]}]);
        let result = if head.contains("time%28") { json!([now, now.to_string()]) } else { series };
        fault::answer("200 OK", &json!({"data": {"result": result}}).to_string())
    });
    judge(&native.url)
        .code(3)
        .stderr(contains("shop_total is a native histogram").and(contains("retrying").not()));
}

#[test]
fn a_signal_ends_a_query_that_hangs() {
    let (asked, queries) = mpsc::channel();
    let server = Recording::answering(move |_| {
        asked.send(()).unwrap();
        loop {
            std::thread::park();
        }
    });
    let state = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", "x").env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
    command.args(SHOP).args(["--dry-run", "--watch", "10m", "--prometheus", &server.url]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    queries.recv().unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    // The query did not reach its own timeout.
    assert!(stderr.contains("the watch was interrupted") && !stderr.contains("retrying"), "{stderr}");
}
