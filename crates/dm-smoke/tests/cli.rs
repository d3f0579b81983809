//! The command line, against a real server and real commands.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without may panic")]

mod bodies;
mod connections;
mod cookies;
mod endings;
mod expectations;
mod hurl_draw;
mod import;
mod import_suite;
mod polling;
mod producers;
mod reports;
mod requests;
mod retries;
mod schema;
mod sections;
mod streams;
mod support;
mod tables;

use std::io::Read;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc;

use common::event::{Detail, Reason, Status, TestResult};
use common::records::Record;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, is_match, starts_with};

use support::{PATIENCE, Place, Server, answer, records, tests};

fn http(name: &str, url: &str, rest: &str) -> String {
    format!("[[test]]\nname = '{name}'\nhttp = {{ url = '{url}' }}\n{rest}\n")
}

fn shell(name: &str, script: &str, rest: &str) -> String {
    format!("[[test]]\nname = '{name}'\ncommand = ['sh', '-c', '''{script}''']\n{rest}\n")
}

/// A URL that refuses connections.
fn refusing_url() -> String {
    testkit::fault::refused()
}

#[test]
fn all_tests_pass() {
    let server = Server::start(|_| answer(200, "all ok"));
    let suite =
        http("health", "/health", "expect = { status = 200, body_contains = 'ok', max_latency = '20s' }")
            + &shell("tool", "echo v1.2", "expect = { exit = 0, stdout_contains = '1.2' }");
    Place::with_suite(&suite)
        .smoke(&["--base-url", &server.url, "--format", "human"])
        .code(0)
        .stdout(
            is_match(r"\Aok    health \(\d+ms\)\nok    tool \(\d+ms\)\n2 passed in [\d.]+m?s\n\z").unwrap(),
        )
        .stderr(is_empty());
}

#[test]
fn a_failed_test_is_reported_with_its_reason() {
    let server = Server::start(|_| answer(503, "database\nis down"));
    let place = Place::with_suite(&(shell("good", "true", "") + &http("bad", "/health?token=hush-hush", "")));
    place
        .smoke(&["--base-url", &server.url, "--format", "human"])
        .code(1)
        .stdout(contains("FAIL  bad ("))
        .stdout(contains(format!(
            "GET {}/health?token=***: status 503, expected 2xx: \"database\\nis down\"\n",
            server.url
        )))
        .stdout(contains("1 passed, 1 failed in "));
}

#[test]
fn a_suite_without_tests_does_not_succeed() {
    let place = Place::with_suite("name = 'empty'");
    place.smoke(&["--format", "human"]).code(4).stdout("no test was run\n");
    assert_eq!(place.event().status, Status::Error);
    place.smoke(&["--format", "tap"]).code(4).stdout(starts_with("TAP version 14\n1..0 # SKIP"));
}

#[test]
fn an_invalid_suite_is_refused_before_any_test_runs() {
    let server = Server::start(|_| answer(200, ""));
    let place = Place::with_suite(&(http("a", "/", "") + &shell("b", "true", "expcet = {}")));
    for args in [&["--base-url", server.url.as_str()][..], &["--check"][..]] {
        place.smoke(args).code(2).stdout(is_empty()).stderr(
            starts_with("dm-smoke: smoke.toml:8:1: unknown field `expcet`, did you mean `expect`?")
                .and(is_match(r"\A.*\n\z").unwrap()),
        );
    }
    assert!(server.requests().is_empty());
    assert!(!place.path("state").exists());
}

#[test]
fn check_runs_no_test() {
    let place = Place::with_suite(&(http("a", "/", "") + &shell("b", "touch ran", "")));
    place.smoke(&["--check"]).code(0).stdout("smoke: 2 tests\n").stderr(is_empty());
    assert!(!place.path("ran").exists());
}

#[test]
fn wrong_usage_is_reported_on_one_line() {
    let place = Place::with_suite(&http("a", "/", ""));
    let table: [(&[&str], &str); 8] = [
        (&[], "smoke.toml:3:16: the url is relative: give --base-url"),
        (&["--base-url", "localhost:80"], "--base-url: the scheme is \"localhost\""),
        (&["--base-url", "http://h/?token=hush-hush"], "--base-url: must have no query and no fragment"),
        (&["--jobs", "0"], "invalid value '0' for '--jobs <N>'"),
        (&["--timeout", "5"], "a duration needs a unit"),
        (&["--format", "xml"], "human, jsonl, tap, junit"),
        (&["--report", "smoke.xml"], "give a format and a file, such as junit=smoke.xml"),
        (&["--base-url", "http://h", "--report", "junit=no/x"], "the folder no does not exist"),
    ];
    for (args, message) in table {
        place.smoke(args).code(2).stdout(is_empty()).stderr(
            starts_with("dm-smoke: ")
                .and(contains(message))
                .and(contains("hush").not())
                .and(is_match(r"\A.*\n\z").unwrap()),
        );
    }
    std::fs::remove_file(place.path("smoke.toml")).unwrap();
    place
        .smoke(&[])
        .code(2)
        .stderr("dm-smoke: cannot read smoke.toml: No such file or directory (os error 2)\n");
}

#[test]
fn the_version_names_the_tool() {
    Place::with_suite("").smoke(&["--version"]).code(0).stdout(starts_with("dm-smoke "));
}

#[test]
fn the_output_keeps_the_order_of_the_suite() {
    let (release, released) = mpsc::channel::<()>();
    let (release, released) = (Mutex::new(release), Mutex::new(released));
    let server = Server::start(move |request| {
        match request.split(' ').nth(1) {
            // Waits until the other request has arrived.
            Some("/slow") => released.lock().unwrap().recv_timeout(PATIENCE).unwrap(),
            _ => release.lock().unwrap().send(()).unwrap(),
        }
        answer(200, "")
    });
    let place = Place::with_suite(&(http("slow", "/slow", "") + &http("fast", "/fast", "")));
    let assert = place.smoke(&["--base-url", &server.url, "--jobs", "2"]).code(0);
    let records = records(&assert.get_output().stdout);
    let names: Vec<_> = tests(&records).iter().map(|test| (test.seq, test.name.as_str())).collect();
    assert_eq!(names, [(1, "slow"), (2, "fast")]);
}

#[test]
fn jobs_limits_the_number_of_concurrent_tests() {
    // If two ran at once, the second mkdir would fail.
    let script = "mkdir mark && rmdir mark";
    let suite: String = (0..8).map(|n| shell(&format!("test {n}"), script, "")).collect();
    Place::with_suite(&suite).smoke(&["--jobs", "1"]).code(0);
}

#[test]
fn json_lines_end_with_the_exit_code_and_the_record_count() {
    let place = Place::with_suite(&(shell("a", "exit 3", "") + &shell("b", "kill -9 $$", "")));
    let assert = place.smoke(&["--format", "jsonl"]).code(1);
    let records = records(&assert.get_output().stdout);
    assert!(
        matches!(&records[0], Record::Start(start) if start.tool == "dm-smoke" && start.deployment == "d-42")
    );
    assert!(matches!(records.last(), Some(Record::End { exit: 1, records: 2, .. })), "{records:?}");
    let results: Vec<_> = tests(&records)
        .iter()
        .map(|test| (test.seq, test.result, test.attempts, test.reason, test.message.as_deref().unwrap()))
        .collect();
    assert_eq!(
        results,
        [
            (1, TestResult::Fail, 1, Some(Reason::ExitCode), "sh: exit code 3, expected exit code 0"),
            (2, TestResult::Fail, 1, Some(Reason::Signal), "sh: killed by signal 9, expected exit code 0"),
        ]
    );
}

#[test]
fn a_run_writes_one_event_to_the_journal() {
    let suite = format!("name = 'shop'\n{}{}", shell("a", "true", ""), http("b", &refusing_url(), ""));
    let place = Place::with_suite(&suite);
    place.smoke(&[]).code(1);
    let event = place.event();
    assert_eq!((event.tool.as_str(), event.stage.as_str()), ("dm-smoke", "smoke_test"));
    assert_eq!((event.status, event.error_type), (Status::Failure, Some(Reason::Refused)));
    let Detail::Smoke { suite, results, .. } = event.detail else { panic!("{event:?}") };
    assert_eq!(suite.as_str(), "shop");
    assert_eq!(
        results,
        [
            (TestResult::Pass, 1),
            (TestResult::Fail, 0),
            (TestResult::Error, 1),
            (TestResult::Skip, 0),
            (TestResult::Flaky, 0)
        ]
    );
}

#[test]
fn a_test_that_cannot_run_is_an_error_with_a_reason() {
    let silent = Server::start(|_| String::new());
    let half = Server::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf".to_owned());
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let no_tls = TcpListener::bind("127.0.0.1:0").unwrap();
    let no_tls_url = format!("https://{}", no_tls.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = no_tls.accept().unwrap();
        let mut hello = [0; 4096];
        let _ = connection.read(&mut hello).unwrap();
        std::io::Write::write_all(&mut connection, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let suite = [
        http("refused", &refusing_url(), ""),
        http("silent", &silent.url, "timeout = '200ms'"),
        http("half", &half.url, ""),
        http("no tls", &no_tls_url, ""),
        // TCP connects, but the TLS handshake gets no response.
        http("no handshake", &format!("https://{}", mute.local_addr().unwrap()), "timeout = '200ms'"),
        "[[test]]\nname = 'not found'\ncommand = ['no-such-command']\n".to_owned(),
        "[[test]]\nname = 'not executable'\ncommand = ['./smoke.toml']\n".to_owned(),
        shell("endless", "exec sleep 1000", "timeout = '200ms'"),
    ];
    let assert = Place::with_suite(&suite.concat()).smoke(&[]).code(1);
    let records = records(&assert.get_output().stdout);
    let reasons: Vec<_> = tests(&records)
        .iter()
        .map(|test| {
            assert_eq!(test.result, TestResult::Error, "{test:?}");
            test.reason.unwrap()
        })
        .collect();
    assert_eq!(
        reasons,
        [
            Reason::Refused,
            Reason::ReadTimeout,
            Reason::Other,
            Reason::Tls,
            Reason::ConnectTimeout,
            Reason::NotFound,
            Reason::NotExecutable,
            Reason::Timeout
        ],
        "{records:#?}"
    );
}

#[test]
fn a_request_is_sent_as_written_and_follows_no_redirect() {
    let server = Server::start(|_| {
        "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".to_owned()
    });
    let suite = "
        [[test]]
        name = 'post'
        http = { method = 'POST', url = '/login?x=1', headers = { x-key = 'k' }, body = 'hello' }
        expect = { status = [200, '3xx'] }
    ";
    Place::with_suite(suite).smoke(&["--base-url", &format!("{}/v2/", server.url)]).code(0);
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("POST /v2/login?x=1 HTTP/1.1\r\n"), "{requests:?}");
    assert!(
        requests[0].contains("x-key: k\r\n") && requests[0].contains("content-length: 5\r\n"),
        "{requests:?}"
    );
}

#[test]
fn a_command_gets_the_deployment_variables_and_no_input() {
    let script = "cat; echo $DM_BASE_URL $DM_SERVICE $DM_ENVIRONMENT $DM_DEPLOYMENT_ID";
    let suite = shell("env", script, "expect = { stdout_contains = 'http://api/v2 shop test d-42' }");
    Place::with_suite(&suite).smoke(&["--base-url", "http://api/v2/"]).code(0);
}

#[test]
fn a_command_with_much_output_does_not_block() {
    let suite = shell("loud", "yes ok | head -c 3000000; yes oh | head -c 3000000 >&2; echo end", "");
    Place::with_suite(&suite).smoke(&[]).code(0);
}

#[test]
fn secrets_in_urls_are_never_shown() {
    // The server and the command repeat their input.
    let server = Server::start(|request| answer(404, &format!("cannot {request}")));
    let suite = http("page", "/?token=hush-query", "") + &shell("tool", "echo $DM_BASE_URL; exit 1", "");
    let place = Place::with_suite(&suite);
    let base_url = server.url.replace("http://", "http://admin:hush-password@");
    for format in ["human", "jsonl", "tap", "junit"] {
        place
            .smoke(&["--base-url", &base_url, "--format", format])
            .code(1)
            .stdout(contains("token=***").and(contains("hush").not()))
            .stderr(is_empty());
    }
    place.command();
    let journal = std::fs::read_to_string(place.path("state/journal.jsonl")).unwrap();
    assert!(!journal.contains("hush"), "{journal}");
    let url = refusing_url().replace("http://", "http://admin:hush-password@");
    place.smoke(&["--base-url", &url]).code(1).stdout(contains("refused").and(contains("hush").not()));
    let mut help = place.command();
    help.env("DM_BASE_URL", &base_url).arg("--help");
    assert_cmd::Command::from_std(help).assert().code(0).stdout(contains("hush").not());
}

#[test]
fn a_secret_in_the_environment_is_masked() {
    let script = "echo $DEPLOY_TOKEN postgres://shop:hush-password@db >&2; exit 1";
    let place = Place::with_suite(&shell("tool", script, ""));
    let mut command = place.command();
    command.env("DEPLOY_TOKEN", "hush-token").args(["--format", "human"]);
    assert_cmd::Command::from_std(command)
        .assert()
        .code(1)
        .stdout(contains("*** postgres://shop:***@db").and(contains("hush").not()));
}

#[test]
fn a_missing_program_makes_the_run_inconclusive() {
    let place = Place::with_suite("[[test]]\nname = 'tool'\ncommand = ['no-such-tool']\n");
    place
        .smoke(&["--format", "human"])
        .code(5)
        .stdout(contains("ERROR tool").and(contains("not found in PATH")));
    assert_eq!(place.event().status, Status::Error);
}

#[test]
fn the_last_line_of_a_command_is_checked_too() {
    let script = "seq 1 20000; echo 0 failed";
    let place = Place::with_suite(&shell("runner", script, "expect = { stdout_contains = '0 failed' }"));
    place.smoke(&[]).code(0);
    let place =
        Place::with_suite(&shell("runner", "seq 1 200000", "expect = { stdout_contains = 'failed' }"));
    let cut = contains("the first MiB of stdout does not contain");
    place.smoke(&[]).code(1).stdout(cut);
}
