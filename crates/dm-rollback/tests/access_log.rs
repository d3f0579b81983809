//! Access logs as a source of the evidence: recorded ones, and one that is written during a watch.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod verdict;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use chrono::{DateTime, TimeDelta, Utc};
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use verdict::verdict;

const FIVE: [&str; 4] = ["--if-error-rate", "5", "--since", "all"];

/// What comes of a recorded log.
fn decided(log: &str, args: &[&str]) -> Assert {
    let state = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("DM_STATE_DIR", state.path());
    command.env("DM_SERVICE", "api").env("DM_ENVIRONMENT", "production").env("DM_VERSION", "2.0");
    command.current_dir(state.path()).args(["--dry-run", "--access-log", "-"]).args(args);
    command.write_stdin(log).assert()
}

fn counts(assert: &Assert) -> (u64, u64) {
    let verdict = verdict(assert);
    (verdict["total"].as_u64().unwrap(), verdict["errors"].as_u64().unwrap())
}

/// A line in the combined format.
fn line(ts: DateTime<Utc>, user: &str, request: &str, status: u16, agent: &str, fields: &str) -> String {
    let time = ts.format("%d/%b/%Y:%H:%M:%S +0000");
    format!("203.0.113.9 - {user} [{time}] \"{request}\" {status:03} 12 \"-\" \"{agent}\"{fields}\n")
}

/// Four minutes, with a request in each second.
fn log(status: impl Fn(u32) -> u16, fields: &str) -> String {
    let begin: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let second = |second: u32| {
        let ts = begin + TimeDelta::seconds(i64::from(second));
        line(ts, "-", "GET /a HTTP/1.1", status(second), "curl/8", fields)
    };
    (0..240).map(second).collect()
}

#[test]
fn a_log_is_counted_as_it_is_written() {
    let bad = decided(&log(|second| if second < 60 { 200 } else { 502 }, ""), &FIVE).code(11);
    let bad = verdict(&bad);
    assert_eq!((&bad["sources"][0]["source"], &bad["verdict"]), (&"access_log".into(), &"rollback".into()));
    let refused = decided(&log(|second| if second % 2 == 0 { 404 } else { 200 }, ""), &FIVE).code(0);
    assert_eq!(counts(&refused), (240, 0), "the client's own errors");
    // Requests logged before the deployment are the baseline.
    let since = ["--if-error-rate", "5", "--since", "2026-01-01T00:01:59Z"];
    let kept = verdict(&decided(&log(|_| 200, ""), &since).code(0));
    assert_eq!((&kept["total"], &kept["baseline"]["total"]), (&120.into(), &120.into()));
    // Slow requests are a separate condition.
    let latency = [&FIVE[..], &["--if-latency", "1s"]].concat();
    let slow = verdict(&decided(&log(|_| 200, " 1.500"), &latency).code(11));
    assert_eq!((&slow["condition"], &slow["errors"]), (&"latency".into(), &51.into()));
    decided(&"\u{0}\u{1}\n".repeat(9), &FIVE).code(3).stderr(contains("9 of 9 lines are neither"));
    let cut = ["--if-error-rate", "5", "--watch", "10m"];
    decided(&log(|_| 200, ""), &cut).code(3).stderr(contains("the log ended after"));
}

#[test]
fn whole_logs_count_only_if_the_caller_says_so() {
    let refused = decided(&log(|_| 500, ""), &["--if-error-rate", "5"]).code(2);
    refused.stderr(contains("give --since TIME, or --since all"));
    decided("", &[&FIVE[..], &["--watch", "1s"]].concat()).code(2).stderr(contains("without --watch"));
    decided("", &[&FIVE[..], &["--exclude-path", "health"]].concat())
        .code(2)
        .stderr(contains("the beginning of a path"));
}

#[test]
fn a_stranger_cannot_prevent_a_rollback_or_a_keep() {
    let begin: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let odd: String = (0..40)
        .map(|second| {
            let ts = begin + TimeDelta::seconds(3 * second);
            [
                line(ts, "[:x", "GET / HTTP/1.1", 401, "-", ""),
                line(ts, r"\x22] \x22", "GET / HTTP/1.1", 401, "] \\x22 200", ""),
                line(ts, "-", r"\x16\x03\x01", 400, "-", ""),
                line(ts, "-", "GET /", 9, "-", ""),
                line(ts, "-", "", 400, "-", ""),
            ]
            .concat()
        })
        .collect();
    let merged = |log: String| {
        let mut lines: Vec<&str> = log.lines().chain(odd.lines()).collect();
        lines.sort_by_key(|line| line.split_once("Jan/2026:").map(|(_, rest)| rest[..8].to_owned()));
        lines.join("\n") + "\n"
    };
    let bad = decided(&merged(log(|second| if second % 2 == 0 { 500 } else { 200 }, "")), &FIVE);
    assert_eq!(verdict(&bad.code(11))["verdict"], "rollback");
    let good = decided(&merged(log(|_| 200, "")), &FIVE).code(0);
    assert_eq!(counts(&good.stderr(contains("lines are neither").not())), (320, 0), "all lines were read");
    // Most of a log is unreadable, and the rest is proof.
    let bad = log(|second| if second % 2 == 0 { 500 } else { 200 }, "");
    decided(&("x\n".repeat(500) + &bad), &FIVE).code(11);
}

#[test]
fn what_the_server_answers_itself_is_no_failure_of_the_application() {
    for status in [501, 505] {
        let some = log(|second| if second % 4 == 0 { status } else { 200 }, "");
        let some =
            decided(&some, &FIVE).code(0).stderr(contains("60 of 240 requests were answered with an error"));
        assert_eq!(counts(&some), (180, 0));
        let most = log(|second| if second % 5 == 0 { 200 } else { status }, "");
        decided(&most, &FIVE).code(3).stderr(contains("192 of 240 requests were answered with an error"));
    }
    let refused = log(|second| if second % 5 == 0 { 200 } else { 400 }, "");
    decided(&refused, &FIVE).code(0).stderr(contains("192 of 240 requests were refused with 4xx"));
    // nginx says what the application answered.
    let limited = log(|second| if second % 4 == 0 { 503 } else { 200 }, " us=200");
    decided(&limited, &FIVE).code(0);
    decided(&log(|_| 200, " us=503 rt=0.100"), &FIVE).code(11);
    let json = |second: u32| {
        let (status, upstream) = if second.is_multiple_of(3) { (503, "-") } else { (200, "200") };
        let ts = 1_767_225_600 + second;
        format!("{{\"ts\":{ts},\"status\":{status},\"upstream_status\":\"{upstream}\"}}\n")
    };
    let mixed: String = (0..180).map(json).collect();
    for absent in [mixed.clone(), mixed.replace("\"-\"", "\"\"")] {
        assert_eq!(counts(&decided(&absent, &FIVE).code(0)), (120, 0), "escape=json writes nothing");
    }
}

#[test]
fn a_version_that_nobody_got_an_answer_from_is_not_kept() {
    for status in [499, 0] {
        let hangs = log(|_| status, "");
        decided(&hangs, &FIVE).code(3).stderr(contains("were given up by the client (499 or 000)"));
        decided(&hangs, &[&FIVE[..], &["--count-client-aborts"]].concat()).code(11);
        let some = log(|second| if second % 5 == 0 { status } else { 200 }, "");
        let some = decided(&some, &FIVE).code(0).stderr(contains("48 of 240 requests were given up"));
        assert_eq!(counts(&some), (192, 0));
    }
    for status in [401, 403, 404, 429] {
        decided(&log(|_| status, ""), &FIVE).code(3).stderr(contains("refused with 4xx"));
        // It was so before the deployment.
        let since = ["--if-error-rate", "5", "--since", "2026-01-01T00:01:59Z"];
        decided(&log(|_| status, ""), &since).code(0);
    }
}

#[test]
fn one_error_before_the_deployment_excuses_nothing() {
    let since = ["--if-error-rate", "5", "--since", "2026-01-01T00:00:00Z"];
    decided(&log(|_| 404, ""), &since).code(3).stderr(contains("refused with 4xx"));
}

#[test]
fn an_outage_at_the_end_of_a_log_is_not_kept() {
    for status in [499, 404, 501] {
        let tail = log(|second| if second < 185 { 200 } else { status }, "");
        decided(&tail, &FIVE).code(3).stderr(contains("at the end, "));
    }
}

#[test]
fn the_newer_file_first_is_the_wrong_order() {
    // Half of the requests failed before the deployment as well: this version is not to blame.
    let log = log(|second| if second % 2 == 0 { 500 } else { 200 }, "");
    let old = log.replace("01/Jan/2026:", "01/Jan/2025:");
    let since = ["--if-error-rate", "5", "--since", "2025-12-31T00:00:00Z"];
    decided(&(log.clone() + &old), &since).code(3).stderr(contains("give the oldest file first"));
    decided(&(old + &log), &since).code(3).stderr(contains("before was bad"));
}

#[test]
fn checks_of_a_load_balancer_can_be_kept_out() {
    let begin: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let log: String = (0..120)
        .map(|second| {
            let ts = begin + TimeDelta::seconds(second);
            let status = if second % 9 < 4 { 500 } else { 200 };
            line(ts, "-", "GET /healthz?x HTTP/1.1", 200, "ELB-HealthChecker/2.0", "").repeat(40)
                + &line(ts, "-", "GET /orders HTTP/1.1", status, "curl/8", "")
        })
        .collect();
    decided(&log, &FIVE).code(0);
    for filter in
        [["--exclude-path", "/health"], ["--exclude-agent", "elb-health"], ["--include-path", "/orders"]]
    {
        let bad = verdict(&decided(&log, &[&FIVE[..], &filter].concat()).code(11));
        assert!(bad["rate_percent"].as_f64().unwrap() > 40.0, "{bad}");
    }
    let none = [&FIVE[..], &["--include-path", "/orders/old"]].concat();
    decided(&log, &none).code(3).stderr(contains("no requests were observed"));
}

#[test]
fn no_unit_is_guessed() {
    let latency = ["--since", "all", "--if-latency", "1s"];
    decided(&log(|_| 200, " rt=5.251 uct=0.001"), &latency).code(11);
    // A stranger with a slow line stretches the time of the request, but not that of the application.
    decided(&log(|_| 200, " uct=0.001 rt=60.000 urt=0.251"), &latency).code(0);
    decided(&log(|_| 499, " rt=60.000"), &latency).code(3).stderr(contains("were given up by the client"));
    decided(&log(|_| 200, " rt=5.251 urt=5.000"), &latency).code(11);
    for fields in [" 0.251 0.250", " 5251", " urt=250"] {
        decided(&log(|_| 200, fields), &latency).code(3).stderr(contains("add rt=$request_time").count(1));
    }
    // A fifth of a second of failures, in each unit; then good requests for two minutes.
    for unit in [1e3, 1e6, 1e9] {
        let at = |seconds: f64| format!("{:.0}", (1_767_225_600.0 + seconds) * unit);
        let json = |seconds: f64, status: u16| format!("{{\"ts\":{},\"status\":{status}}}\n", at(seconds));
        let mut log: String = (0..31).map(|step| json(f64::from(step) * 0.006, 500)).collect();
        (0..2000).for_each(|step| log.push_str(&json(1.0 + f64::from(step) * 0.06, 200)));
        assert_eq!(counts(&decided(&log, &FIVE).code(0)), (2031, 31));
    }
    let unknown = "{\"ts\":58000000000000000,\"status\":500}\n".repeat(100);
    decided(&unknown, &FIVE).code(3).stderr(contains("100 of 100 lines are neither"));
}

#[test]
fn lines_from_a_clock_that_is_off_are_neither_baseline_nor_evidence() {
    for (offset, why) in [(-130, " behind: its newest lines"), (130, " ahead of this machine's")] {
        let state = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-rollback"));
        command.env("DM_STATE_DIR", state.path()).env("DM_SERVICE", "api").current_dir(state.path());
        command.args(["--dry-run", "--access-log", "-", "--if-error-rate", "5", "--watch", "4s"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, said) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        // Lines are written until the verdict is there.
        let mut seconds = 0;
        let verdict = loop {
            let ts = SystemClock.now() + TimeDelta::seconds(offset);
            for status in [200, 500] {
                let _ = stdin.write_all(line(ts, "-", "GET / HTTP/1.1", status, "-", "").as_bytes());
            }
            match said.recv_timeout(Duration::from_millis(50)) {
                Ok(line) if line.contains("inconclusive: ") || line.contains("keep: ") => break line,
                Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) => seconds += 1,
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("no verdict"),
            }
            assert!(seconds < 1200, "no verdict in a minute");
        };
        assert!(verdict.contains("inconclusive: the clock of the log is 2m"), "{offset}: {verdict}");
        assert!(verdict.contains(why), "{offset}: {verdict}");
        assert_eq!(child.wait().unwrap().code(), Some(3));
        reader.join().unwrap();
    }
}
