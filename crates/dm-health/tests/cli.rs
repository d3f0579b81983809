//! Stories of the whole program, against a real server.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod server;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::Value;
use server::{Reply, Server};
use tempfile::TempDir;

/// A run with a state directory of its own and nothing else of this machine's environment.
struct Run {
    state: TempDir,
    args: Vec<String>,
}

impl Run {
    fn new(url: &str, flags: &str) -> Self {
        let mut args = vec!["--url".to_owned(), url.to_owned(), "--interval".to_owned(), "20ms".to_owned()];
        args.extend(flags.split_whitespace().map(str::to_owned));
        Self { state: tempfile::tempdir().unwrap(), args }
    }

    fn interval(&mut self, interval: &str) {
        interval.clone_into(&mut self.args[3]);
    }

    fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dm-health"));
        command
            .env_clear()
            .env("DM_STATE_DIR", self.state.path())
            .env("DM_SERVICE", "shop")
            .env("PUSHGATEWAY_URL", "disabled")
            .args(&self.args);
        command
    }

    fn assert(&self) -> Assert {
        Command::from_std(self.command()).timeout(Duration::from_secs(20)).assert()
    }

    fn spawn(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The one event in the journal.
    fn event(&self) -> Value {
        let journal = fs::read_to_string(self.state.path().join("journal.jsonl")).unwrap();
        let mut events = lines(&journal);
        assert_eq!(events.len(), 1, "{journal}");
        events.remove(0)
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The probes of a stream, once it is known to be whole: `start`, probes, and an `end` that counts them.
fn probes(assert: &Assert) -> Vec<Value> {
    let output = assert.get_output();
    let mut records = lines(std::str::from_utf8(&output.stdout).unwrap());
    let end = records.pop().unwrap();
    let start = records.remove(0);
    assert_eq!(
        (&start["v"], &start["type"], &start["tool"]),
        (&1.into(), &"start".into(), &"dm-health".into())
    );
    assert_eq!((&start["service"], &start["interval_ms"]), (&"shop".into(), &20.into()));
    assert_eq!((&end["type"], &end["records"]), (&"end".into(), &records.len().into()));
    assert_eq!(end["exit"].as_i64(), output.status.code().map(i64::from));
    for (index, record) in records.iter().enumerate() {
        assert_eq!((&record["type"], &record["seq"]), (&"probe".into(), &(index + 1).into()));
    }
    records
}

fn oks(probes: &[Value]) -> Vec<bool> {
    probes.iter().map(|probe| probe["ok"].as_bool().unwrap()).collect()
}

const OK: Reply = Reply::Status(200);
const DOWN: Reply = Reply::Status(503);

#[test]
fn it_ends_with_0_at_the_first_success() {
    let server = Server::start(&[DOWN, DOWN, OK]);
    let run = Run::new(&server.url("/health"), "");
    let assert = run.assert().code(0).stderr(is_empty());
    let probes = probes(&assert);
    assert_eq!(oks(&probes), [false, false, true]);
    let good = &probes[2];
    assert_eq!(
        (&good["status"], &good["reason"], &good["src"]),
        (&200.into(), &Value::Null, &"probe".into())
    );
    assert_eq!(good["address"], server.address().as_str());
    assert!(good["latency_ms"].as_f64().unwrap() > 0.0);
    let phases = &good["phase_ms"];
    assert!(phases["resolve"].is_null() && phases["tls"].is_null(), "{phases}");
    assert!(phases["connect"].is_number() && phases["wait"].is_number() && phases["transfer"].is_number());

    let event = run.event();
    assert_eq!((&event["type"], &event["stage"]), (&"health".into(), &"health_check".into()));
    assert_eq!((&event["status"], &event["error_type"]), (&"success".into(), &Value::Null));
    assert_eq!((&event["probes"], &event["failures"]), (&3.into(), &2.into()));
    assert_eq!(event["latency_ms"]["max"], good["latency_ms"]);
}

#[test]
fn it_asks_politely_and_anew_each_time() {
    let server = Server::start(&[DOWN, OK]);
    Run::new(&server.url("/health?v=1"), "").assert().code(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[0].starts_with("GET /health?v=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[0].contains(&format!("host: {}\r\n", server.address())), "{requests:?}");
    assert!(requests[0].contains("user-agent: dm-health/"), "{requests:?}");
}

#[test]
fn five_failures_in_a_row_prove_it_unhealthy() {
    let server = Server::start(&[DOWN]);
    let run = Run::new(&server.url("/"), "");
    let assert = run.assert().code(1).stderr(contains("failed 5 times in a row").and(contains("bad_status")));
    let probes = probes(&assert);
    assert_eq!(oks(&probes), [false; 5]);
    assert!(probes.iter().all(|probe| probe["reason"] == "bad_status" && probe["status"] == 503));
    let event = run.event();
    assert_eq!((&event["status"], &event["error_type"]), (&"failure".into(), &"bad_status".into()));
    assert_eq!(event["latency_ms"], Value::Null);
}

#[test]
fn a_success_starts_the_count_of_failures_again() {
    let server = Server::start(&[DOWN, DOWN, DOWN, DOWN, OK, DOWN, DOWN, DOWN, DOWN, OK, OK]);
    let assert = Run::new(&server.url("/"), "--min-success 2").assert().code(0);
    assert_eq!(probes(&assert).len(), 11);
}

#[test]
fn failures_in_the_grace_time_do_not_count() {
    let server = Server::start(&[DOWN, DOWN, DOWN, OK]);
    let assert = Run::new(&server.url("/"), "--max-fail 1 --grace 1m").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [false, false, false, true]);
}

#[test]
fn a_watch_goes_on_after_healthy_and_ends_with_0() {
    let server = Server::start(&[OK, DOWN, OK]);
    let assert = Run::new(&server.url("/"), "--watch 400ms").assert().code(0).stderr(is_empty());
    assert!(probes(&assert).len() >= 3);
}

#[test]
fn a_watch_finds_what_becomes_unhealthy() {
    let server = Server::start(&[OK, OK, DOWN]);
    let assert = Run::new(&server.url("/"), "--watch 1m --max-fail 3").assert().code(1);
    assert_eq!(oks(&probes(&assert)), [true, true, false, false, false]);
}

#[test]
fn failures_now_and_then_are_too_many_at_the_rate_that_was_told() {
    let server = Server::start(&[OK, DOWN, OK, OK, DOWN, OK, DOWN, OK]);
    let run = Run::new(&server.url("/"), "--watch 1m --fail-rate 3/6");
    let assert =
        run.assert().code(1).stderr(contains("reached the --fail-rate 3/6").and(contains("bad_status")));
    assert_eq!(oks(&probes(&assert)), [true, false, true, true, false, true, false]);
    assert_eq!(run.event()["status"], "failure");
}

#[test]
fn not_healthy_by_the_deadline_is_124() {
    let server = Server::start(&[DOWN]);
    let run = Run::new(&server.url("/"), "--max-fail 1000 --deadline 300ms");
    let assert = run.assert().code(124).stderr(contains("not healthy within 300ms"));
    assert!(!probes(&assert).is_empty());
    assert_eq!(run.event()["status"], "timeout");
}

#[test]
fn the_deadline_does_not_wait_for_a_probe() {
    let server = Server::start(&[Reply::Hang]);
    let run = Run::new(&server.url("/"), "--timeout 1h --deadline 50ms");
    let assert = run.assert().code(124).stderr(contains("no probe was answered"));
    assert_eq!(probes(&assert), Vec::<Value>::new());
}

#[test]
fn each_way_to_fail_has_its_reason() {
    let refusing = Server::refusing();
    let hang = Server::start(&[Reply::Hang]);
    let half = Server::start(&[Reply::HalfABody]);
    let reset = Server::start(&[Reply::Reset]);
    let garbage = Server::start(&[Reply::Garbage]);
    let redirect = Server::start(&[Reply::Status(302)]);
    let stories = [
        (refusing, "refused", "connection refused by 127.0.0.1"),
        (hang.url("/"), "read_timeout", "no answer within 60ms"),
        (half.url("/"), "read_timeout", "no whole answer within 60ms"),
        (reset.url("/"), "other", "reset"),
        (garbage.url("/"), "other", "not an HTTP answer"),
        (redirect.url("/"), "bad_status", "status 302, expected 2xx; redirects are not followed"),
        (garbage.url("/").replace("http:", "https:"), "tls", "no TLS connection"),
        ("http://does-not-exist.invalid/".to_owned(), "dns", "the name did not resolve"),
    ];
    for (url, reason, message) in stories {
        let timeout = if reason == "read_timeout" { "60ms" } else { "10s" };
        let run = Run::new(&url, &format!("--max-fail 1 --timeout {timeout}"));
        let assert = run.assert().code(1).stderr(contains(message));
        let probe = probes(&assert).remove(0);
        assert_eq!(probe["reason"], reason, "{url}: {probe}");
        assert_eq!(probe["latency_ms"].is_number(), reason == "bad_status", "{url}: {probe}");
        assert_eq!(run.event()["error_type"], reason);
    }
}

#[test]
fn the_expected_status_can_be_told() {
    let server = Server::start(&[Reply::Status(200), Reply::Status(404), Reply::Status(204)]);
    let assert =
        Run::new(&server.url("/"), "--expect-status 204,3xx --expect-status 404 --min-success 2").assert();
    assert_eq!(oks(&probes(&assert.code(0))), [false, true, true]);
}

#[test]
fn an_old_version_that_answers_well_is_not_the_new_one() {
    for (flag, expected, reason) in [
        ("--expect-header", "x-app-version: 42", "assertion"),
        ("--expect-body", "\"version\":\"42\"", "body_mismatch"),
        ("--expect-body-regex", "^.\"version\": *\"42\"", "body_mismatch"),
        ("--expect-json", "$.version == \"42\"", "body_mismatch"),
    ] {
        let server = Server::start(&[Reply::Version("41"), Reply::Version("41"), Reply::Version("42")]);
        let mut run = Run::new(&server.url("/"), "");
        run.args.extend([flag.to_owned(), expected.to_owned()]);
        let found = probes(&run.assert().code(0));
        assert_eq!(oks(&found), [false, false, true], "{flag}");
        assert_eq!((&found[0]["status"], &found[0]["reason"]), (&200.into(), &reason.into()));
        assert!(found[0]["latency_ms"].is_number());
    }
}

#[test]
fn an_answer_that_takes_too_long_is_a_failure() {
    let server = Server::start(&[OK]);
    let run = Run::new(&server.url("/"), "--max-latency 1ns --max-fail 2");
    let found = probes(&run.assert().code(1).stderr(contains("too_slow")));
    assert!(found.iter().all(|probe| probe["reason"] == "too_slow" && probe["status"] == 200), "{found:?}");
}

#[test]
fn a_long_body_is_not_read_to_its_end() {
    let server = Server::start(&[Reply::EndlessBody]);
    let assert = Run::new(&server.url("/"), "--timeout 15s").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true]);
}

#[test]
fn a_probe_that_is_longer_than_the_interval_is_told_and_moves_no_other() {
    let server = Server::start(&[Reply::Hang, OK]);
    let assert = Run::new(&server.url("/"), "--timeout 130ms").assert().code(0);
    let probes = probes(&assert);
    assert_eq!((oks(&probes), &probes[1]["skipped"]), (vec![false, true], &Value::Null));
    assert!(probes[0]["skipped"].as_u64() >= Some(6), "{probes:?}");
    let run = Run::new(&Server::start(&[Reply::Hang, OK]).url("/"), "--timeout 130ms --format human");
    run.assert().code(0).stdout(contains("turns left out: a probe took longer than --interval"));
}

#[test]
fn a_connection_is_kept_where_that_is_wanted() {
    let server = Server::start(&[Reply::KeepAlive]);
    let run = Run::new(&server.url("/"), "--reuse --min-success 3 --jitter 5ms");
    let probes = probes(&run.assert().code(0));
    assert_eq!(probes.len(), 3);
    assert!(probes[0]["phase_ms"]["connect"].is_number() && probes[2]["phase_ms"]["connect"].is_null());
    assert!(probes.iter().all(|probe| probe["address"] == server.address().as_str()));
    // The first connection; the server reads no more of it, and sees no other.
    assert_eq!(server.requests().len(), 3);
    assert!(!server.requests()[0].contains("connection: close"), "{:?}", server.requests());
}

#[test]
fn a_server_that_keeps_no_connection_though_it_says_so_is_asked_on_another() {
    let server = Server::start(&[OK]);
    let assert = Run::new(&server.url("/"), "--reuse --min-success 5").assert().code(0);
    assert_eq!(oks(&probes(&assert)), [true; 5]);
}

#[test]
fn people_get_lines_and_a_summary_on_stdout() {
    let server = Server::start(&[DOWN, OK]);
    let run = Run::new(&server.url("/"), "--format human --name api");
    run.assert().code(0).stderr(is_empty()).stdout(
        contains("polling http://127.0.0.1:")
            .and(contains("bad_status: status 503, expected 2xx"))
            .and(contains("api is healthy: it answered well once\n2 probes, 1 failed; latency p50 ")),
    );
}

/// The probes of one of several targets.
fn of<'a>(probes: &'a [Value], name: &str) -> Vec<&'a Value> {
    probes.iter().filter(|probe| probe["name"] == name).collect()
}

/// A second target for a run.
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
    assert!(of(&probes, "api").iter().all(|probe| probe["ok"] == true && probe["src"] == "probe:api"));
    assert_eq!(of(&probes, "web").iter().filter(|probe| probe["ok"] == true).count(), 1);
    assert_eq!(of(&probes, "web")[0]["target"], web.url("/"));

    let event = run.event();
    assert_eq!((&event["target"], &event["failures"]), (&"2 targets".into(), &2.into()));
    let targets = event["targets"].as_array().unwrap();
    assert_eq!((&targets[0]["name"], &targets[0]["failures"]), (&"api".into(), &0.into()));
    assert_eq!((&targets[1]["name"], &targets[1]["probes"]), (&"web".into(), &3.into()));
    assert!(targets[1]["latency_ms"]["p50"].is_number());
}

#[test]
fn several_targets_are_unhealthy_when_one_is_however_slow_the_others_are() {
    let slow = Server::start(&[Reply::Hang]);
    let mut run = Run::new(&format!("slow={}", slow.url("/")), "--timeout 1h --max-fail 3");
    add_target(&mut run, "down", &Server::refusing());
    let assert = run.assert().code(1).stderr(contains("down is unhealthy: it failed 3 times in a row"));
    assert_eq!(oks(&probes(&assert)), [false; 3]);
    assert_eq!(run.event()["error_type"], "refused");
}

#[test]
fn a_watch_of_many_ends_though_their_turns_leave_no_pause() {
    let server = Server::start(&[OK]);
    let mut run = Run::new(&format!("t0={}", server.url("/")), "--watch 1s");
    // A turn every millisecond.
    run.interval("1s");
    (1..1000).for_each(|n| add_target(&mut run, &format!("t{n}"), &server.url("/")));
    run.assert().code(0).stderr(is_empty());
}

#[test]
fn the_deadline_names_the_targets_that_were_not_healthy() {
    let mut run = Run::new(&format!("api={}", Server::start(&[OK]).url("/")), "--deadline 300ms");
    add_target(&mut run, "web", &Server::start(&[Reply::Hang]).url("/"));
    run.assert().code(124).stderr(contains("web was not healthy within 300ms; no probe was answered"));
}

#[test]
fn the_latencies_of_several_targets_are_series_of_their_own() {
    let mut run = Run::new(&format!("api={}", Server::start(&[OK]).url("/")), "");
    add_target(&mut run, "web", &Server::start(&[OK]).url("/"));
    let textfile = run.state.path().join("dm.prom");
    run.args.extend(["--textfile".to_owned(), textfile.display().to_string()]);
    run.assert().code(0);
    let text = fs::read_to_string(textfile).unwrap();
    let latency = text.lines().filter(|line| line.starts_with("api_health_check_latency_ms{"));
    let of =
        |target: &str| latency.clone().filter(|line| line.contains(&format!("target=\"{target}\""))).count();
    assert_eq!((of("api"), of("web")), (3, 3), "{text}");
}

#[test]
fn on_a_terminal_successes_are_one_live_line_that_is_gone_at_the_end() {
    let server = Server::start(&[DOWN, OK]);
    let run = Run::new(&server.url("/"), "--min-success 5");
    let line = format!("{} {}", env!("CARGO_BIN_EXE_dm-health"), run.args.join(" "));
    let mut terminal = std::process::Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env_clear();
    terminal.env("DM_STATE_DIR", run.state.path()).env("PUSHGATEWAY_URL", "disabled").env("TERM", "xterm");
    let assert = Command::from_std(terminal).timeout(Duration::from_secs(20)).assert().code(0);
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(shown.contains("1 probe, 1 failed  ✗"), "{shown}");
    assert_eq!(shown.matches("  ok  ").count(), 1, "{shown}");
    let (_, end) = shown.rsplit_once("\u{1b}[2K").unwrap();
    assert!(end.trim_start().starts_with("127.0.0.1 is healthy: it answered well 5 times in a row"), "{end}");
}

#[test]
fn a_signal_ends_it_with_an_end_and_a_record() {
    let server = Server::start(&[OK]);
    let run = Run::new(&server.url("/"), "--watch 1h");
    let mut child = run.spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut begun = String::new();
    stdout.read_line(&mut begun).unwrap();
    stdout.read_line(&mut begun).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    stdout.read_to_string(&mut begun).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    assert_eq!(output.stderr, b"");
    let records = lines(&begun);
    let end = records.last().unwrap();
    assert_eq!((&end["type"], &end["exit"]), (&"end".into(), &143.into()));
    assert_eq!(end["records"], records.len() - 2);
    let event = run.event();
    assert_eq!((&event["status"], &event["error_type"]), (&"cancelled".into(), &"cancelled".into()));
}

#[test]
fn a_closed_pipe_ends_it_quietly_and_at_once() {
    for format in ["jsonl", "human"] {
        let server = Server::start(&[OK]);
        let mut run = Run::new(&server.url("/"), &format!("--watch 2h --format {format}"));
        run.interval("1h");
        let mut child = run.spawn();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        stdout.read_line(&mut line).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stderr, b"");
        assert_eq!((&run.event()["status"], &run.event()["probes"]), (&"cancelled".into(), &1.into()));
    }
}

#[test]
fn without_a_reader_from_the_start_nothing_runs() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = Run::new(&Server::refusing(), "");
    let child = run.command().stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(4), b"".as_slice()));
    assert_eq!(run.event()["probes"], 0);
}

#[test]
fn a_full_disk_is_told() {
    let server = Server::start(&[OK]);
    let run = Run::new(&server.url("/"), "");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = run.command().stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the output"), "{output:?}");
    assert_eq!(run.event()["status"], "error");
}

#[test]
fn wrong_usage_is_2_and_one_line() {
    for (url, flags, message) in [
        ("localhost:80", "", "scheme"),
        ("ftp://host", "", "scheme"),
        ("not a url", "", "not a URL"),
        ("http://h/a", "--url http://h/b", "two targets are called h: give each a name"),
        ("http://h/a", "--url web=http://h/b --name api", "give each its own"),
        ("http://h", "--timeout 3", "needs a unit"),
        ("http://h", "--max-fail 0", "--max-fail 0"),
        ("http://h", "--fail-rate 6/5", "failures/probes, such as 5/20"),
        ("http://h", "--min-cert-days 14", "no --url is one"),
        ("http://h", "--expect-body-regex (", "unclosed group"),
        ("http://h", "--expect-json version", "does not begin with $"),
        ("http://h", "--expect-header version", "NAME: VALUE"),
        ("http://h", "--expect-status 2", "class such as 2xx"),
        ("http://h", "--min-success 9 --deadline 100ms", "no longer than that"),
        ("http://h", "--no-such-flag", "--no-such-flag"),
        ("http://h", "--format tap", "tap"),
    ] {
        let run = Run::new(url, flags);
        let one_line = predicate::function(|text: &str| text.lines().count() == 1);
        run.assert().code(2).stdout(is_empty()).stderr(contains(message).and(one_line));
        assert!(!run.state.path().join("journal.jsonl").exists());
    }
    let mut run = Run::new("http://h", "");
    run.interval("0s");
    run.assert().code(2).stderr(contains("longer than zero"));
    run.args.clear();
    run.assert().code(2).stderr(contains("--url"));
}

#[test]
fn help_has_examples_and_the_exit_codes() {
    let mut run = Run::new("", "");
    run.args = vec!["--help".to_owned()];
    let help = contains("Examples:").and(contains("set -o pipefail")).and(contains("Exit code"));
    run.assert().code(0).stdout(help.and(contains("In a row, because")));
    run.args = vec!["--version".to_owned()];
    run.assert().code(0).stdout(contains("dm-health"));
}

#[test]
fn no_secret_is_shown_or_recorded() {
    let server = Server::start(&[DOWN]);
    let url = server.url("/health?token=hunter2").replace("http://", "http://user:pa55@");
    for format in ["jsonl", "human"] {
        let run = Run::new(&url, &format!("--max-fail 2 --format {format}"));
        let assert = run.assert().code(1);
        let output = assert.get_output();
        let journal = fs::read_to_string(run.state.path().join("journal.jsonl")).unwrap();
        let everything = format!(
            "{}{}{journal}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(everything.contains("token=***"), "{everything}");
        for secret in ["hunter2", "pa55", "user:"] {
            assert!(!everything.contains(secret), "{everything}");
        }
    }
    // And yet they are used.
    let request = &server.requests()[0];
    assert!(
        request.contains("token=hunter2") && request.contains("authorization: Basic dXNlcjpwYTU1"),
        "{request}"
    );
}

#[test]
fn others_can_verify_with_it() {
    let (every, timeout) = (Duration::from_millis(20), Duration::from_secs(2));
    let verify = |server: &Server, deadline| {
        dm_health::verify(&server.url("/").parse().unwrap(), 2, every, timeout, deadline).unwrap()
    };
    let recovering = Server::start(&[DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, OK]);
    assert!(verify(&recovering, Duration::from_secs(10)));
    assert_eq!(recovering.requests().len(), 8);
    assert!(!verify(&Server::start(&[OK, DOWN, OK, DOWN]), Duration::from_millis(150)));
    assert!(!verify(&Server::start(&[Reply::Hang]), Duration::from_millis(50)));
}
