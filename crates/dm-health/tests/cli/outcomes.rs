//! Stories of how a run ends, and of what it reports then.

use super::*;
use std::ops::ControlFlow;

#[test]
fn a_signal_ends_the_stream_and_is_recorded() {
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

/// Starts the run as a terminal does, or with `--ignore-signal=HUP` as nohup does, however the tests were started.
fn started_by_env(run: &Run, signals: &str) -> Child {
    let command = run.command();
    let mut env = std::process::Command::new("env");
    env.arg(signals).arg(command.get_program()).args(command.get_args()).env_clear();
    env.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    env.stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_hang_up_also_ends_the_program_of_a_probe() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let url = format!("exec:sh -c 'exec 3> {}; sleep 1000 & wait'", pipe.display());
    let run = Run::new(&url, "--timeout 1h");
    let child = started_by_env(&run, "--default-signal=HUP");
    // Opening succeeds when the program runs; reading ends when all of its processes are gone.
    let mut lifeline = fs::File::open(&pipe).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGHUP).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(1));
    let records = lines(&String::from_utf8(output.stdout).unwrap());
    let end = records.last().unwrap();
    assert_eq!((&end["type"], &end["exit"]), (&"end".into(), &129.into()));
    assert_eq!(run.event()["status"], "cancelled");
    lifeline.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn under_nohup_it_continues() {
    let server = Server::start(&[OK]);
    let mut child = started_by_env(&Run::new(&server.url("/"), "--watch 1h"), "--ignore-signal=HUP");
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    stdout.nth(1).unwrap().unwrap();
    kill(pid, Signal::SIGHUP).unwrap();
    assert!(stdout.nth(3).unwrap().unwrap().contains("probe"));
    kill(pid, Signal::SIGTERM).unwrap();
    stdout.for_each(drop);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_closed_pipe_ends_it_at_once_without_a_message() {
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
        // The reader has judged the version: its exit code counts in a pipeline.
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(output.stderr, b"");
        assert_eq!((&run.event()["status"], &run.event()["probes"]), (&"success".into(), &1.into()));
    }
}

#[test]
fn a_pipe_that_is_closed_before_the_service_is_healthy_proves_nothing() {
    let server = Server::start(&[DOWN]);
    let mut run = Run::new(&server.url("/"), "--watch 2h --grace 1h");
    run.interval("1h");
    let mut child = run.spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(stdout.nth(1).unwrap().unwrap().contains("bad_status"));
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(3), b"".as_slice()));
    assert_eq!(run.event()["status"], "cancelled");
}

#[test]
fn if_no_reader_was_ever_there_nothing_runs() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let run = Run::new(&Server::refusing(), "");
    let child = run.command().stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(4), b"".as_slice()));
    assert_eq!(run.event()["probes"], 0);
}

#[test]
fn a_full_disk_is_reported() {
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
fn wrong_usage_exits_with_2_and_one_line() {
    for (url, flags, message) in [
        ("localhost:80", "", "scheme"),
        ("ftp://host", "", "scheme"),
        ("not a url", "", "not a URL"),
        ("http://h/a", "--url http://h/b", "two targets have the name h: give each a unique name"),
        ("http://h/a", "--url web=http://h/b --name api", "name each one"),
        ("tcp://127.0.0.1", "", "such as tcp://127.0.0.1:5432"),
        (
            "http://h",
            "--url api=http://h/ --url db=tcp://h",
            "'--url <[NAME=]URL>' (number 3 of 3): tcp:// needs",
        ),
        ("http://h", "--timeout 3", "needs a unit"),
        ("http://h", "--max-fail 0", "--max-fail 0"),
        ("http://h", "--watch 10m..60s", "MIN 10m00s is longer than MAX 1m00s"),
        ("http://h", "--watch 60s..", "MIN..MAX, such as 60s..10m"),
        ("http://h", "--version-at cookie:v", "use json:JSONPATH"),
        ("http://h", "--version-at body:(", "unclosed group"),
        ("http://h", "--version-at header:set-cookie", "holds secrets"),
        ("http://h", "--version-at body", "--version-at body needs --expect-version"),
        (
            "http://h",
            "--control-url a=http://g --control-url a=http://i",
            "as in --control-url a-2=http://i/",
        ),
        ("http://h", "--fail-rate 6/5", "write FAILURES/PROBES, such as 5/20"),
        ("http://h", "--min-cert-days 14", "no --url uses it"),
        ("http://h", "--expect-body-regex (", "unclosed group"),
        ("http://h", "--expect-json version", "does not begin with $"),
        ("http://h", "--expect-header version", "NAME: VALUE"),
        ("http://h", "--expect-status 2", "class such as 2xx"),
        ("http://h", "--min-success 9 --deadline 100ms", "is too short"),
        (
            "http://h",
            "--require-export --pushgateway-url http://127.0.0.1:1 --textfile dm.txt",
            "must end in .prom",
        ),
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
    run.assert().code(0).stdout(help.and(contains("Consecutive, because")));
    run.args = vec!["--version".to_owned()];
    run.assert().code(0).stdout(contains("dm-health"));
}

#[test]
fn no_secret_is_printed_or_recorded() {
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
    // The server still receives them.
    let request = &server.requests()[0];
    assert!(
        request.contains("token=hunter2") && request.contains("authorization: Basic dXNlcjpwYTU1"),
        "{request}"
    );
}

#[test]
fn the_library_observes_a_url() {
    let (interval, timeout) = (Duration::from_millis(20), Duration::from_secs(30));
    // Whether two probes in a row succeed in time.
    let works = |server: &Server, deadline| {
        let url = &server.url("/").parse().unwrap();
        let observation = dm_health::Observation { url, interval, timeout, deadline, version_at: None };
        let mut in_a_row = 0;
        dm_health::observe(observation, |probe| {
            in_a_row = if probe.ok { in_a_row + 1 } else { 0 };
            if in_a_row == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        in_a_row == 2
    };
    let recovering = Server::start(&[DOWN, DOWN, DOWN, DOWN, DOWN, DOWN, OK]);
    assert!(works(&recovering, Duration::from_mins(2)));
    assert_eq!(recovering.requests().len(), 8);
    assert!(!works(&Server::start(&[OK, DOWN, OK, DOWN]), Duration::from_millis(150)));
    assert!(!works(&Server::start(&[Reply::Hang]), Duration::from_millis(50)));
}
