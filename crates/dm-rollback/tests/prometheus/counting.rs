//! Which series are the service's, which statuses are failures, whose clock counts.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::json;
use testkit::bin::library;

use crate::verdict::verdict;
use crate::{History, NOW, SCRAPES, Server, counts, dm_rollback};

#[test]
fn another_environment_s_errors_are_not_counted() {
    let mut history = History::default();
    for label in ["environment", "deployment_environment_name", "namespace"] {
        let series = |environment: &str, status: u16| {
            format!(r#"http_requests_total{{service="{label}",{label}="{environment}",status="{status}"}}"#)
        };
        history.steady(&series("production", 200), 10, 10).steady(&series("staging", 200), 4, 4);
        history.steady(&series("staging", 500), 0, 6);
    }
    history.steady(r#"http_requests_total{service="elsewhere",env="staging",status="200"}"#, 10, 10);
    for job in ["api", "canary"] {
        history.steady(&format!(r#"http_requests_total{{service="jobs",job="{job}",status="200"}}"#), 10, 10);
    }
    let server = Server::with(&history);
    for label in ["environment", "deployment_environment_name", "namespace"] {
        assert_eq!(counts(&server.errors(label, &[]).code(0)), (300, 0), "{label}");
    }
    // What is not known is not guessed; the message has the selector that says it.
    server.errors("elsewhere", &[]).code(3).stderr(
        contains(r#"only with env "staging", and this deployment"#)
            .and(contains(r#"--total-query 'http_requests_total{service="elsewhere",env="staging"}'"#)),
    );
    server.errors("jobs", &[]).code(3).stderr(
        contains(r#"job "api" and "canary", which would be mixed"#)
            .and(contains(r#"--total-query 'http_requests_total{service="jobs",job="canary"}'"#)),
    );
    let one = ["--total-query", r#"http_requests_total{service="jobs",job="canary"}"#];
    assert_eq!(counts(&server.errors("jobs", &one).code(0)), (300, 0));
    let mixed = ["--total-query", r#"http_requests_total{service="environment"}"#];
    server.errors("x", &mixed).code(3).stderr(contains(
        r#"--total-query 'http_requests_total{service="environment",environment="production"}'"#,
    ));
    let both = ["--total-query", r#"http_requests_total{service="environment",environment=~".+"}"#];
    server.errors("x", &both).code(11);
}

#[test]
fn an_error_selector_that_can_never_match_is_not_the_absence_of_errors() {
    let mut history = History::default();
    for (status, requests) in [("200", 8), ("404", 1), ("500", 1)] {
        let series = format!(r#"http_requests_total{{service="codes",status="{status}"}}"#);
        history.steady(&series, requests, requests);
    }
    history.steady(r#"http_requests_total{service="young",status="200"}"#, 10, 10);
    history.steady(r#"jobs_total{service="words",state="done"}"#, 10, 10);
    history.steady(r#"jobs_total{service="words",state="error"}"#, 1, 9);
    let server = Server::with(&history);
    let run =
        |total: &str, error: &str| server.errors("x", &["--total-query", total, "--error-query", error]);
    let codes = r#"http_requests_total{service="codes"}"#;
    let refused = run(codes, r#"http_requests_total{service="codes",status="5xx"}"#).code(3);
    refused.stderr(contains("never will").and(contains("status 200, 404, 500")));
    let young = r#"http_requests_total{service="young"}"#;
    run(young, r#"http_requests_total{service="young",status="5xx"}"#).code(3).stderr(contains("status 200"));
    // With client libraries, the series begins with the first error.
    let none = run(young, r#"http_requests_total{service="young",status=~"5.."}"#).code(0);
    assert_eq!(counts(&none), (300, 0));
    none.stderr(contains("selects no series yet: this is taken for no errors so far"));
    // Another service has such errors, and a misspelt one has nothing.
    run(young, r#"http_requests_total{service="yuong",status=~"5.."}"#)
        .code(3)
        .stderr(contains("has no series http_requests_total").and(contains("would not be noticed")));
    run(r#"jobs_total{service="words"}"#, r#"jobs_total{service="words",state="eror"}"#)
        .code(3)
        .stderr(contains("state done, error"));
    run(r#"jobs_total{service="words"}"#, r#"jobs_total{service="words",state="error"}"#).code(11);
    server
        .errors("words", &["--total-query", r#"jobs_total{service="words"}"#])
        .code(3)
        .stderr(contains("no label of jobs_total contains the status"));
}

#[test]
fn the_faults_of_a_grpc_server_are_its_failures() {
    let mut history = History::default();
    for (job, label, good, other) in [
        ("absent", "code", "0", "5"),
        ("down", "code", "0", "14"),
        ("absent-by-name", "grpc_code", "OK", "NotFound"),
        ("down-by-name", "grpc_code", "OK", "Unavailable"),
    ] {
        for status in [good, other] {
            history.steady(&format!(r#"grpc_server_handled_total{{job="{job}",{label}="{status}"}}"#), 0, 5);
        }
    }
    let server = Server::with(&history);
    for job in ["absent", "absent-by-name"] {
        assert_eq!(counts(&server.errors(job, &["--baseline", "0s"]).code(0)), (300, 0), "{job}");
    }
    for job in ["down", "down-by-name"] {
        server.errors(job, &["--baseline", "0s"]).code(11);
    }
}

#[test]
fn only_new_requests_are_counted_when_series_begin_during_the_watch() {
    let mut history = History::default();
    for instance in ["a", "b", "c"] {
        // The labels change, the process and its counters do not.
        for (zone, range) in [("old", 0..45), ("new", 45..SCRAPES)] {
            for (status, lifetime, requests) in [("200", 1_000_000, 10), ("500", 80_000, 0)] {
                let series = format!(
                    r#"http_requests_total{{service="moved",instance="{instance}",zone="{zone}",status="{status}"}}"#
                );
                history.add(&series, |step| range.contains(&step).then_some(lifetime + requests * step));
            }
        }
    }
    // The first errors of a process, and the first requests of a new one.
    history.steady(r#"http_requests_total{service="first",instance="a",status="200"}"#, 10, 10);
    let late = |step: i64| (step >= 45).then_some(7 + 3 * (step - 45));
    history.add(r#"http_requests_total{service="first",instance="a",status="500"}"#, late);
    history.steady(r#"http_requests_total{service="new",instance="f",status="200"}"#, 10, 10);
    history.add(r#"http_requests_total{service="new",instance="g",status="500"}"#, late);
    let started = NOW.timestamp() - 10 * (SCRAPES - 45) - 5;
    history.add(r#"process_start_time_seconds{instance="g"}"#, |step| (step >= 45).then_some(started));
    let server = Server::with(&history);

    // Fourteen scrapes before and after the change count, and the first with the new labels does not.
    assert_eq!(counts(&server.errors("moved", &[]).code(0)), (3 * 29 * 10, 0));
    let errors = 7 + 3 * 14;
    assert_eq!(counts(&server.errors("first", &[]).code(11)).1, errors);
    assert_eq!(counts(&server.errors("new", &[]).code(11)).1, errors);
}

#[test]
fn slow_requests_are_counted_by_a_histogram() {
    let mut history = History::default();
    let mut histogram = |name: &str, labels: &str, limits: [&str; 3], slow: i64| {
        for (le, before, after) in
            [(limits[0], 9, 9 - slow), (limits[1], 10, 10 - slow), (limits[2], 10, 10), ("+Inf", 10, 10)]
        {
            history.steady(&format!("{name}_bucket{{{labels},le=\"{le}\"}}"), before, after);
        }
    };
    let seconds = ["0.5", "1", "2.5"];
    histogram("http_request_duration_seconds", r#"service="slow",status="200""#, seconds, 5);
    histogram("http_request_duration_seconds", r#"service="fast",status="200""#, seconds, 0);
    histogram("own_ms", r#"service="own""#, ["500", "1000", "2500"], 5);
    histogram("own_latency", r#"service="own""#, ["500", "1000", "2500"], 5);
    for status in ["200", "404"] {
        let series = format!(r#"http_requests_total{{service="slow",status="{status}"}}"#);
        history.steady(&series, 5, 5);
    }
    let server = Server::with(&history);
    let run = |service: &str, args: &[&str]| server.judge(service, "", args);

    let slow = verdict(&run("slow", &["--if-latency", "1s"]).code(11));
    assert_eq!(slow["condition"], "latency", "{slow}");
    assert_eq!((&slow["total"], &slow["errors"]), (&300.into(), &150.into()));
    assert_eq!(slow["baseline"], json!({"total": 290, "errors": 0}));
    assert_eq!(verdict(&run("fast", &["--if-latency", "1s"]).code(0))["total"], 300);
    // Together with the errors of another counter.
    let both = verdict(&run("slow", &["--if-latency", "1s", "--if-error-rate", "5"]).code(11));
    assert_eq!(both["condition"], "latency");
    run("slow", &["--if-latency", "2500ms", "--if-error-rate", "5"]).code(0);

    run("slow", &["--if-latency", "2s"]).code(3).stderr(contains("the limits around it are 1s and 2.5s"));
    let own = |name: &'static str| ["--if-latency", "1s", "--latency-query", name];
    run("x", &own("own_ms_bucket")).code(11);
    run("x", &own("own_latency_bucket")).code(2).stderr(contains("units are not guessed"));
    let unit = |unit| [&own("own_latency_bucket")[..], &["--latency-unit", unit]].concat();
    run("x", &unit("ms")).code(11);
    run("x", &unit("s")).code(3).stderr(contains("the limits around it are 500s"));
    run("nobody", &["--if-latency", "1s"]).code(3).stderr(contains("no usual histogram"));
}

#[test]
fn a_control_group_is_counted_beside_the_new_version() {
    let mut history = History::default();
    history.steady(r#"http_requests_total{service="api",version="2",status="200"}"#, 0, 10);
    history.steady(r#"http_requests_total{service="api",version="1",status="200"}"#, 10, 10);
    history.steady(r#"plain_total{service="api"}"#, 10, 10);
    let server = Server::with(&history);
    let run = |control: &str| {
        let total = r#"http_requests_total{service="api",version="2"}"#;
        server.errors("api", &["--total-query", total, "--control-query", control])
    };
    // The control group's requests are not the new version's.
    assert_eq!(counts(&run(r#"http_requests_total{service="api",version="1"}"#).code(0)).0, 300);
    run("plain_total").code(3).stderr(contains("give --control-error-query"));
    run("absent_total").stderr(contains("there is no control group"));
}

#[test]
fn the_server_s_clock_decides_which_requests_are_the_new_version_s() {
    let mut history = History::default();
    history.steady(r#"http_requests_total{service="api",status="200"}"#, 10, 10);
    // An outage in the last minute.
    history.add(r#"http_requests_total{service="api",status="500"}"#, |step| Some(90 * (step - 53).max(0)));
    let server = Server::with(&history);
    let judge = |offset: &str| {
        let since = ["--if-error-rate", "5", "--since", "5m"];
        let args = ["--prometheus", &server.prometheus.url()];
        let mut command = dm_rollback("api", &[&args[..], &since].concat());
        command.env("LD_PRELOAD", library("libfaketime.so.1")).env("FAKETIME", offset).assert()
    };
    // A clock that is behind would ask for the time before the outage.
    for (offset, difference) in [("-50", "ahead of"), ("+50", "behind")] {
        let rolled_back = judge(offset).code(11);
        assert_eq!(counts(&rolled_back).1, 90 * 6, "{offset}");
        rolled_back.stderr(contains(difference).and(contains("corrected")));
    }
    for offset in ["-120", "+120"] {
        judge(offset).code(3).stderr(contains("Prometheus's clock is").and(contains("set the clocks (NTP)")));
    }
}
