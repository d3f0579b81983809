//! What is not scraped any more is neither good nor verified, whichever role it has.

use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use testkit::prometheus::Prometheus;

use crate::{History, SCRAPES, Server, counts, dm_rollback};

/// A counter with this increase at each scrape, until a scrape. The deployment is at scrape 30.
fn until(history: &mut History, series: &str, each: i64, last: i64) {
    history.add(series, |step| (step <= last && step < SCRAPES).then_some(1000 + each * step));
}

fn apart(server: &Server, name: &str) -> Assert {
    let (total, error) = (format!("{name}_requests_total"), format!("{name}_errors_total"));
    server.errors("x", &["--total-query", &total, "--error-query", &error])
}

#[test]
fn errors_that_are_counted_apart_have_to_be_scraped_like_requests() {
    let mut history = History::default();
    history.steady("alive_requests_total", 10, 10).steady("alive_errors_total", 0, 0);
    history.steady("exporter_requests_total", 10, 10);
    until(&mut history, "exporter_errors_total", 0, 35);
    // The new version counts its errors by another name.
    until(&mut history, r#"renamed_requests_total{instance="old"}"#, 10, 29);
    until(&mut history, r#"renamed_errors_total{instance="old"}"#, 0, 29);
    history.add(r#"renamed_requests_total{instance="new"}"#, |step| (step >= 30).then_some(10 * step));
    until(&mut history, "mirror_requests_total", 10, 40);
    history.steady("mirror_errors_total", 0, 0);
    // Other statuses of the same metric show that errors would be counted.
    history.steady("statuses_requests_total", 10, 10);
    history.steady(r#"statuses_errors_total{code="404"}"#, 1, 1);
    let server = Server::with(&history);
    assert_eq!(counts(&apart(&server, "alive").code(0)), (300, 0));
    for name in ["exporter", "renamed"] {
        let stale = format!("no sample of {name}_errors_total from the last");
        apart(&server, name).code(3).stderr(contains(stale));
    }
    apart(&server, "mirror").code(3).stderr(contains("no sample of mirror_requests_total from the last"));
    let error = r#"statuses_errors_total{code=~"5.."}"#;
    server.errors("x", &["--total-query", "statuses_requests_total", "--error-query", error]).code(0);
}

#[test]
fn a_histogram_that_is_not_scraped_any_more_is_not_fast() {
    let mut history = History::default();
    for le in ["1", "+Inf"] {
        until(&mut history, &format!(r#"stopped_seconds_bucket{{le="{le}"}}"#), 10, 45);
    }
    let args = ["--if-latency", "1s", "--latency-query", "stopped_seconds_bucket"];
    let stopped = Server::with(&history).judge("x", "", &args);
    stopped
        .code(3)
        .stderr(contains("no sample of stopped_seconds_bucket").and(contains("is it still scraped?")));
}

#[test]
fn one_series_with_a_gap_does_not_excuse_the_silence_of_the_others() {
    let mut history = History::default();
    until(&mut history, r#"gap_total{status="200",instance="p"}"#, 10, 45);
    history.add(r#"gap_total{status="200",instance="z"}"#, |step| [2, 44].contains(&step).then_some(5));
    Server::with(&history)
        .errors("x", &["--total-query", "gap_total"])
        .code(3)
        .stderr(contains("is it still scraped?"));
}

#[test]
fn errors_from_before_the_deployment_are_not_the_new_version_s() {
    let mut history = History::default();
    // A proxy counts errors of a service that is down, and counts no requests.
    history.steady("down_requests_total", 0, 10).steady("down_errors_total", 10, 0);
    assert_eq!(counts(&apart(&Server::with(&history), "down").code(0)), (300, 0));
}

#[test]
fn without_its_control_group_a_version_is_neither_kept_nor_rolled_back() {
    let mut history = History::default();
    history.steady(r#"new_total{status="200"}"#, 10, 10).steady(r#"new_total{status="500"}"#, 0, 5);
    until(&mut history, r#"dead_total{status="200"}"#, 10, 29);
    // Its requests go on, and its errors are not counted any more.
    history.steady("blind_total", 10, 10);
    until(&mut history, "blind_errors_total", 0, 29);
    history.steady(r#"twin_total{status="200"}"#, 10, 10);
    let server = Server::with(&history);
    let run = |control: &[&str]| server.errors("x", &[&["--total-query", "new_total"], control].concat());
    run(&["--control-query", "twin_total"]).code(11);
    run(&["--control-query", "tpyo_total"])
        .code(3)
        .stderr(contains("there is no control group to compare with"));
    run(&["--control-query", "dead_total"]).code(3).stderr(contains("the control group has no requests"));
    for errors in ["blind_errors_total", "tpyo_errors_total"] {
        let control = ["--control-query", "blind_total", "--control-error-query", errors];
        run(&control).code(3).stderr(contains("the control group has no requests"));
    }
    run(&["--control-query", "new_total"]).code(2).stderr(contains("are the same"));
}

#[test]
fn a_target_that_is_down_has_crashed_and_one_that_left_was_replaced() {
    let dead = testkit::fault::refused();
    let dead = dead.trim_start_matches("http://");
    let mut history = History::default();
    history.steady(r#"shop_total{status="200",job="shop",instance="alive:1"}"#, 10, 10);
    for instance in [dead, "left:1"] {
        until(
            &mut history,
            &format!(r#"shop_total{{status="200",job="shop",instance="{instance}"}}"#),
            10,
            45,
        );
    }
    // A scrape failed before service discovery knew that the instance was replaced.
    history.add(r#"up{job="shop",instance="left:1"}"#, |step| (step <= 46).then_some(i64::from(step < 46)));
    let prometheus = Prometheus::scraping_service_into("shop", dead, history.data());
    prometheus.expect(&format!(r#"count_over_time(up{{job="shop",instance="{dead}"}}[1m]) > bool 2"#), 1.0);
    let run = |query: &str| {
        let args = [
            "--if-error-rate",
            "5",
            "--prometheus",
            &prometheus.url(),
            "--since",
            "5m",
            "--total-query",
            query,
        ];
        dm_rollback("x", &args).assert()
    };
    let crashed = run("shop_total").code(3);
    crashed.stderr(contains(format!("instance=\"{dead}\"")).and(contains("did it crash?")));
    run(&format!(r#"shop_total{{instance!="{dead}"}}"#)).code(0);
}

#[test]
fn a_new_target_that_never_came_up_is_no_good_version() {
    let dead = testkit::fault::refused();
    let dead = dead.trim_start_matches("http://");
    let mut history = History::default();
    history.steady(r#"shop_total{status="200",job="shop",instance="old:1"}"#, 10, 10);
    history.add(r#"up{job="shop",instance="old:1"}"#, |_| Some(1));
    let prometheus = Prometheus::scraping_service_into("shop", dead, history.data());
    prometheus.expect(&format!(r#"count_over_time(up{{job="shop",instance="{dead}"}}[1m]) > bool 2"#), 1.0);
    let run = |query: &str| {
        let args = ["--if-error-rate", "5", "--prometheus", &prometheus.url(), "--since", "5m"];
        dm_rollback("x", &[&args[..], &["--total-query", query]].concat()).assert()
    };
    let never = contains(format!("instance=\"{dead}\"")).and(contains("never came up"));
    run("shop_total").code(3).stderr(never);
    run(r#"shop_total{instance="old:1"}"#).code(0);
}

#[test]
fn a_series_that_is_born_and_stops_is_no_success_where_nothing_knows_its_target() {
    let mut history = History::default();
    history.steady(r#"shop_total{status="200",instance="a"}"#, 10, 10);
    history.add(r#"shop_total{status="200",instance="b"}"#, |step| (35..45).contains(&step).then_some(step));
    Server::with(&history)
        .errors("x", &["--total-query", "shop_total"])
        .code(3)
        .stderr(contains(r#"instance="b" appeared after"#).and(contains("did it crash?")));
}
