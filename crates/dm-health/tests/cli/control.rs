//! Stories of a control group.

use super::*;

fn with_control(url: &str, flags: &str, control: &[&str]) -> Run {
    let mut run = Run::new(url, flags);
    for url in control {
        run.args.extend(["--control-url".to_owned(), (*url).to_owned()]);
    }
    run
}

fn of_control(probes: &[Value]) -> Vec<&Value> {
    probes.iter().filter(|probe| probe["control"] == true).collect()
}

#[test]
fn a_control_group_is_observed_and_decides_nothing() {
    let (new, old) = (Server::start(&[OK]), Server::start(&[DOWN]));
    let run = with_control(&new.url("/"), "--watch 1s --max-fail 2", &[&old.url("/")]);
    let assert = run.assert().code(0).stderr(is_empty());
    let probes = probes(&assert);
    let control = of_control(&probes);
    assert!(control.len() > 3, "{probes:?}");
    assert!(control.iter().all(|probe| probe["src"] == "control" && probe["ok"] == false), "{control:?}");
    let others: Vec<&Value> = probes.iter().filter(|probe| probe["control"].is_null()).collect();
    assert!(others.iter().all(|probe| probe["src"] == "probe" && probe["ok"] == true), "{others:?}");
    let event = run.event();
    assert_eq!((&event["status"], &event["failures"]), (&"success".into(), &0.into()));
    assert_eq!((&event["target"], &event["probes"]), (&new.url("/").into(), &others.len().into()));
}

#[test]
fn a_healthy_control_group_does_not_make_the_service_healthy() {
    let (new, old) = (Server::start(&[DOWN]), Server::start(&[OK]));
    let run = with_control(&new.url("/"), "--max-fail 3", &[&old.url("/")]);
    let assert = run.assert().code(1).stderr(contains("127.0.0.1 is unhealthy: it failed 3 times in a row"));
    assert!(!of_control(&probes(&assert)).is_empty());
}

#[test]
fn a_control_group_does_not_delay_the_start_or_the_end() {
    let (new, old) = (Server::start(&[OK]), Server::start(&[Reply::Hang]));
    for flags in ["--timeout 1h", "--timeout 1h --watch 100ms"] {
        let assert = with_control(&new.url("/"), flags, &[&old.url("/")]).assert().code(0);
        assert_eq!(of_control(&probes(&assert)), Vec::<&Value>::new());
    }
}

#[test]
fn the_control_group_may_be_another_version() {
    let (new, old) = (Server::start(&[Reply::Version("2")]), Server::start(&[Reply::Version("1")]));
    let flags = "--watch 1s --expect-version 2 --version-at json:$.version";
    let (a, b) = (format!("a={}", old.url("/")), format!("b={}", old.url("/")));
    let probes = probes(&with_control(&new.url("/"), flags, &[&a, &b]).assert().code(0));
    let control = of_control(&probes);
    assert!(control.iter().all(|probe| probe["ok"] == true && probe["version"] == "1"), "{control:?}");
    for name in ["a", "b"] {
        assert!(control.iter().any(|probe| probe["src"] == format!("control:{name}")), "{control:?}");
    }
}

#[test]
fn human_output_shows_the_control_group_apart() {
    let (new, old) = (Server::start(&[OK]), Server::start(&[DOWN]));
    let url = format!("old={}", old.url("/"));
    let run = with_control(&new.url("/"), "--watch 500ms --format human", &[&url]);
    run.assert().code(0).stdout(
        contains(format!("  control old: {}", old.url("/")))
            .and(contains("control old  bad_status: status 503"))
            .and(contains("127.0.0.1 became healthy and stayed healthy for 500ms"))
            .and(contains("availability 100.00 %"))
            .and(contains("  control old: ")),
    );
}
