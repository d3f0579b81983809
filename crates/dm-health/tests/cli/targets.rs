//! Stories of several targets in one run.

use super::*;

/// The probes of the target with this name.
fn probes_named<'a>(probes: &'a [Value], name: &str) -> Vec<&'a Value> {
    probes.iter().filter(|probe| probe["name"] == name).collect()
}

/// Adds a target to a run.
fn add_target(run: &mut Run, name: &str, url: &str) {
    run.args.extend(["--url".to_owned(), format!("{name}={url}")]);
}

#[test]
fn several_targets_are_healthy_when_all_are() {
    let api = Server::start(&[OK]);
    let web = Server::start(&[DOWN, DOWN, OK]);
    let mut run = Run::new(&format!("api={}", api.url("/")), "");
    add_target(&mut run, "web", &web.url("/"));
    let assert = run.assert().code(0).stderr(is_empty());
    let probes = probes(&assert);
    assert!(
        probes_named(&probes, "api").iter().all(|probe| probe["ok"] == true && probe["src"] == "probe:api")
    );
    assert_eq!(probes_named(&probes, "web").iter().filter(|probe| probe["ok"] == true).count(), 1);
    assert_eq!(probes_named(&probes, "web")[0]["target"], web.url("/"));

    let event = run.event();
    assert_eq!((&event["target"], &event["failures"]), (&"2 targets".into(), &2.into()));
    let targets = event["targets"].as_array().unwrap();
    assert_eq!((&targets[0]["name"], &targets[0]["failures"]), (&"api".into(), &0.into()));
    assert_eq!((&targets[1]["name"], &targets[1]["probes"]), (&"web".into(), &3.into()));
    assert!(targets[1]["latency_ms"]["p50"].is_number());
}

#[test]
fn one_unhealthy_target_decides_without_waiting_for_slow_ones() {
    let slow = Server::start(&[Reply::Hang]);
    let mut run = Run::new(&format!("slow={}", slow.url("/")), "--timeout 1h --max-fail 3");
    add_target(&mut run, "down", &Server::refusing());
    let assert = run.assert().code(1).stderr(contains("down is unhealthy: it failed 3 times in a row"));
    assert_eq!(oks(&probes(&assert)), [false; 3]);
    assert_eq!(run.event()["error_type"], "refused");
}

#[test]
fn a_watch_of_many_targets_ends_without_a_pause_between_turns() {
    let server = Server::start(&[OK]);
    // On a busy machine, this many responses may be slow.
    let mut run = Run::new(&format!("t0={}", server.url("/")), "--watch 1s --timeout 1m");
    // With 200 targets, there are two turns every millisecond, but never more connections than the server has room for.
    run.interval("100ms");
    (1..200).for_each(|n| add_target(&mut run, &format!("t{n}"), &server.url("/")));
    run.assert().code(0).stderr(is_empty());
}

#[test]
fn the_deadline_names_the_targets_that_were_not_healthy() {
    let mut run = Run::new(&format!("api={}", Server::start(&[OK]).url("/")), "--deadline 2s");
    add_target(&mut run, "web", &Server::start(&[Reply::Hang]).url("/"));
    run.assert().code(124).stderr(contains("web was not healthy within 2.0s; no probe was answered"));
}

#[test]
fn each_of_several_targets_has_its_own_latency_series() {
    let mut run = Run::new(&format!("api={}", Server::start(&[OK]).url("/")), "");
    add_target(&mut run, "web", &Server::start(&[OK]).url("/"));
    let textfile = run.state.path().join("dm.prom");
    run.args.extend(["--textfile".to_owned(), textfile.display().to_string()]);
    run.assert().code(0);
    let text = fs::read_to_string(textfile).unwrap();
    let latency = text.lines().filter(|line| line.starts_with("api_health_check_latency_ms{"));
    let series =
        |target: &str| latency.clone().filter(|line| line.contains(&format!("target=\"{target}\""))).count();
    assert_eq!((series("api"), series("web")), (3, 3), "{text}");
}

#[test]
fn on_a_terminal_a_live_line_shows_successes_until_the_end() {
    let server = Server::start(&[DOWN, OK]);
    let run = Run::new(&server.url("/"), "--min-success 5");
    let line = format!("{} {}", env!("CARGO_BIN_EXE_dm-health"), run.args.join(" "));
    let mut terminal = std::process::Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear();
    terminal.env("DM_STATE_DIR", run.state.path()).env("PUSHGATEWAY_URL", "disabled").env("TERM", "xterm");
    let assert = Command::from_std(terminal).timeout(Duration::from_mins(2)).assert().code(0);
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(shown.contains("1 probe, 1 failed  ✗"), "{shown}");
    assert!(shown.contains("  \u{1b}[1m\u{1b}[31mFAIL\u{1b}[0m  "), "{shown}");
    assert_eq!(shown.matches("  \u{1b}[32mok  \u{1b}[0m  ").count(), 1, "{shown}");
    let (_, end) = shown.rsplit_once("\u{1b}[2K").unwrap();
    assert!(end.trim_start().starts_with("127.0.0.1 is healthy: it passed 5 times in a row"), "{end}");
}
