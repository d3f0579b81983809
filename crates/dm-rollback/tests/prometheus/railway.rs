//! Railway's counts: whose clock counts, values that arrive late, and values that stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use assert_cmd::assert::Assert;
use chrono::TimeDelta;
use common::clock::{Clock, SystemClock};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};
use testkit::fault::{self, Recording, Request};

use crate::{counts, dm_rollback};

#[test]
fn railway_s_clock_is_compared_by_its_date() {
    let judge = |ahead: i64| {
        let railway = Recording::answering(move |_| {
            let now = SystemClock.now() + TimeDelta::seconds(ahead);
            // Settled steps by Railway's own clock.
            let first = now.timestamp() - 90;
            let samples: Vec<Value> =
                (0..10).rev().map(|step| json!({"ts": first - 30 * step, "value": 30.0})).collect();
            let groups = json!([{"statusCode": 200, "samples": samples}]);
            let body = json!({"data": {"httpMetricsGroupedByStatus": groups}}).to_string();
            fault::answer(&format!("200 OK\r\nDate: {}", now.format("%a, %d %b %Y %H:%M:%S GMT")), &body)
        });
        let args = ["--if-error-rate", "5", "--railway", "--railway-url", &railway.url, "--since", "10m"];
        let mut command = dm_rollback("api", &args);
        command.env("RAILWAY_SERVICE_ID", "s").env("RAILWAY_ENVIRONMENT_ID", "e").env("RAILWAY_TOKEN", "t");
        command.assert()
    };
    let corrected = judge(40).code(0);
    assert_eq!(counts(&corrected).0, 300);
    corrected.stderr(contains("ahead of this machine's: corrected"));
    judge(-40).code(0).stderr(contains("behind this machine's: corrected"));
    judge(120).code(3).stderr(contains("Railway's clock is").and(contains("set the clocks (NTP)")));
}

/// A run against a fake that answers with these groups: the status, and the samples.
fn judge(
    args: &[&str],
    groups: impl Fn(&Request) -> Vec<(u16, Vec<Value>)> + Clone + Send + 'static,
) -> Assert {
    let railway = Recording::answering_all(move |request| {
        let groups: Vec<Value> = groups(request)
            .into_iter()
            .map(|(status, samples)| json!({"statusCode": status, "samples": samples}))
            .collect();
        fault::answer("200 OK", &json!({"data": {"httpMetricsGroupedByStatus": groups}}).to_string())
    });
    let fixed = ["--if-error-rate", "5", "--railway", "--railway-url", &railway.url, "--since", "10m"];
    let mut command = dm_rollback("api", &[&fixed[..], args].concat());
    command
        .env("RAILWAY_SERVICE_ID", "s")
        .env("RAILWAY_ENVIRONMENT_ID", "e")
        .env("RAILWAY_TOKEN", "s3cret-t0ken");
    command.assert()
}

/// Settled steps with this number of requests each. The newest one ended this number of seconds ago.
fn steps(count: i64, requests: f64, ago: i64) -> Vec<Value> {
    // On a grid, as a server has it.
    let newest = (SystemClock.now().timestamp() - ago - 30) / 30 * 30;
    (0..count).rev().map(|step| json!({"ts": newest - 30 * step, "value": requests})).collect()
}

#[test]
fn counts_that_stop_are_no_success() {
    judge(&[], |_| vec![(200, steps(12, 30.0, 60))]).code(0);
    judge(&[], |_| vec![(200, steps(12, 30.0, 240))]).code(3).stderr(
        contains("Railway has no requests from the last").and(contains("does the service still run?")),
    );
}

#[test]
fn a_status_that_arrives_after_the_others_of_its_step_counts() {
    let polls = Arc::new(AtomicUsize::new(0));
    let late = judge(&[], move |_| {
        let is_first = polls.fetch_add(1, Ordering::SeqCst) == 0;
        let mut groups = vec![(200, steps(12, 30.0, 60))];
        groups.extend((!is_first).then(|| (502, steps(12, 30.0, 60))));
        groups
    });
    let (total, errors) = counts(&late);
    assert!(errors >= 330 && total == errors * 2, "{errors} of {total}");
}

#[test]
fn a_server_that_quotes_the_token_does_not_show_it() {
    let railway = Recording::answering(|_| {
        let message = "s3cret-t0ken is bad\n::error::\u{1b}[2J";
        fault::answer("200 OK", &json!({"errors": [{"message": message}], "data": null}).to_string())
    });
    let args = ["--if-error-rate", "5", "--railway", "--railway-url", &railway.url];
    let mut command = dm_rollback("api", &args);
    command
        .env("RAILWAY_SERVICE_ID", "s")
        .env("RAILWAY_ENVIRONMENT_ID", "e")
        .env("RAILWAY_TOKEN", "s3cret-t0ken");
    let shown =
        contains("Railway: *** is bad").and(contains("s3cret").not()).and(contains("\n::error").not());
    command.assert().code(3).stderr(shown.and(contains("\u{1b}").not()));
}
