//! Stories of requests in full: what is sent, what is kept of the answer, and who waits for whom.

use common::event::{Reason, TestResult};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};

use crate::support::{Place, Server, answer, records, tests};

const LOGIN: &str = r#"
    [[test]]
    name = "orders"
    http = { url = "/orders/{{id}}", query = { q = "a b&c" }, headers = { authorization = "Bearer {{token}}" } }
    expect = { json = ['$.items[*].n >= 2', '$.items[?@.name == "scone"]'], headers = { content-type = { contains = "json" } } }

    [[test]]
    name = "login"
    http = { method = "POST", url = "/login", json = { user = "me", password = "{{env.PASSWORD}}" } }
    capture = { token = "$.token", id = { header = "location", regex = "/orders/(.*)" } }

    [[test]]
    name = "the tool"
    command = ["sh", "-c", "echo $TOKEN; test $TOKEN = hush-token"]
    env = { TOKEN = "{{token}}" }
"#;

fn json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlocation: /orders/4 2?\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn what_one_test_captures_another_is_given() {
    let server = Server::start(|request| {
        if request.starts_with("POST /login ") {
            json(r#"{"token":"hush-token"}"#)
        } else {
            json(r#"{"items":[{"name":"scone","n":2},{"name":"tea","n":7}]}"#)
        }
    });
    let place = Place::with_suite(LOGIN);
    let mut command = place.command();
    command.env("PASSWORD", "hush-password").args(["--base-url", &server.url]);
    let told = assert_cmd::Command::from_std(command).assert().code(0).stderr(is_empty());
    let records = records(&told.get_output().stdout);
    let names: Vec<_> = tests(&records).iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["orders", "login", "the tool"], "in the suite's order");
    let requests = server.requests();
    assert!(requests[0].contains("content-type: application/json\r\n"), "{requests:?}");
    assert!(requests[1].starts_with("GET /orders/4%202%3F?q=a+b%26c HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[1].contains("authorization: Bearer hush-token\r\n"), "{requests:?}");
}

#[test]
fn secrets_of_the_environment_and_captured_ones_are_masked() {
    let server = Server::start(|request| {
        if request.starts_with("POST /login ") {
            json(r#"{"token":"hush-token"}"#)
        } else {
            json(r#"{"items":"hush-token hush-password"}"#)
        }
    });
    let suite = LOGIN.replace("test $TOKEN = hush-token", "exit 1");
    let place = Place::with_suite(&suite);
    for format in ["human", "jsonl", "tap", "junit"] {
        let mut command = place.command();
        command.env("PASSWORD", "hush-password").args(["--base-url", &server.url, "--format", format]);
        assert_cmd::Command::from_std(command)
            .assert()
            .code(1)
            .stdout(contains("***").and(contains("hush").not()))
            .stderr(is_empty());
    }
    let journal = std::fs::read_to_string(place.path("state/journal.jsonl")).unwrap();
    assert!(!journal.contains("hush"), "{journal}");

    // The test that captures a secret hides it, too.
    let server = Server::start(|_| json(r#"{"token":"hush-token"}"#));
    let place = Place::with_suite(&LOGIN.replace("capture =", "expect = { json = '$.user' }\ncapture ="));
    let mut command = place.command();
    command.env("PASSWORD", "hush-password").args(["--base-url", &server.url]);
    assert_cmd::Command::from_std(command).assert().code(1).stdout(contains("hush").not());
}

#[test]
fn who_waits_for_a_test_that_fails_is_skipped() {
    let server = Server::start(|_| answer(403, "no"));
    let place = Place::with_suite(LOGIN);
    let mut command = place.command();
    command.env("PASSWORD", "x").args(["--base-url", &server.url]);
    let told = assert_cmd::Command::from_std(command).assert().code(1);
    let records = records(&told.get_output().stdout);
    let told: Vec<_> = tests(&records)
        .iter()
        .map(|test| (test.result, test.attempts, test.message.as_deref().unwrap()))
        .collect();
    let why = "depends on \"login\", which did not pass";
    let login = format!("POST {}/login: status 403, expected 2xx: \"no\"", server.url);
    assert_eq!(
        told,
        [(TestResult::Skip, 0, why), (TestResult::Fail, 1, login.as_str()), (TestResult::Skip, 0, why)]
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn check_needs_neither_the_address_nor_the_secrets() {
    Place::with_suite(LOGIN).smoke(&["--check"]).code(0).stdout("smoke: 3 tests\n");
    Place::with_suite(LOGIN)
        .smoke(&["--base-url", "http://h"])
        .code(2)
        .stderr(contains("smoke.toml:9:80: the environment variable PASSWORD is not set"));
}

#[test]
fn redirects_are_followed_as_far_as_is_said() {
    let server = Server::start(|request| match request.split(' ').nth(1) {
        Some("/end") => answer(200, "here"),
        Some(path) => format!(
            "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            if path == "/a" {
                "/b"
            } else if path == "/b" {
                "/end"
            } else {
                "/endless"
            }
        ),
        None => answer(400, ""),
    });
    let test = |url: &str, rest: &str| {
        format!("[[test]]\nname = '{url} {rest}'\nhttp = {{ url = '{url}', redirects = {rest} }}\n")
    };
    let suite = test("/a", "2") + &test("/a", "1") + &test("/endless", "20");
    let told = Place::with_suite(&suite).smoke(&["--base-url", &server.url]).code(1);
    let records = records(&told.get_output().stdout);
    let told: Vec<_> = tests(&records).iter().map(|test| (test.result, test.reason)).collect();
    let bad = (TestResult::Fail, Some(Reason::BadStatus));
    assert_eq!(told, [(TestResult::Pass, None), bad, bad]);
    assert_eq!(server.requests().len(), 3 + 2 + 21);
}

#[test]
fn each_test_has_a_connection_of_its_own_unless_they_are_reused() {
    for (flags, connections) in [(&[][..], 3), (&["--reuse"][..], 1)] {
        let server =
            Server::start(|_| answer(200, "").replace("connection: close", "connection: keep-alive"));
        let suite =
            ["a", "b", "c"].map(|name| format!("[[test]]\nname = '{name}'\nhttp = {{ url = '/' }}\n"));
        let told = ["--base-url", &server.url, "--jobs", "1"];
        Place::with_suite(&suite.concat()).smoke(&[&told[..], flags].concat()).code(0);
        assert_eq!((server.requests().len(), server.connections()), (3, connections), "{flags:?}");
    }
}

#[test]
fn a_form_is_sent_as_a_browser_does() {
    let server = Server::start(|_| answer(200, "<input name=csrf value=t0ken>"));
    let suite = r#"
        [[test]]
        name = "page"
        http = { url = "/" }
        capture = { csrf = { regex = "name=csrf value=(\\w+)" } }
        [[test]]
        name = "form"
        http = { method = "POST", url = "/", form = { csrf = "{{csrf}}", text = "a b" } }
        [[test]]
        name = "missing"
        http = { url = "/" }
        capture = { other = { regex = "no such thing" } }
    "#;
    let place = Place::with_suite(suite);
    place
        .smoke(&["--base-url", &server.url, "--format", "human", "--jobs", "1"])
        .code(1)
        .stdout(contains("cannot capture other: the body does not match: \"<input name=csrf"));
    let form = server.requests().into_iter().find(|request| request.starts_with("POST")).unwrap();
    assert!(form.contains("content-type: application/x-www-form-urlencoded\r\n"), "{form}");
    assert!(form.contains("content-length: 19\r\n"), "csrf=t0ken&text=a+b: {form}");
}

#[test]
fn a_header_that_comes_twice_is_captured_from_where_it_matches_and_no_value_leads_to_another_path() {
    let server = Server::start(|_| {
        "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: sid=..\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
    });
    let capture = "capture = { sid = { header = 'set-cookie', regex = 'sid=([^;]+)' } }";
    let suite = crate::http("login", "/login", capture) + &crate::http("user", "/users/{{sid}}/profile", "");
    let place = Place::with_suite(&suite);
    let told = place.smoke(&["--base-url", &server.url, "--format", "human", "--jobs", "1"]).code(1);
    told.stdout(contains("ok    login").and(contains("the captured value sid is a step to another path")));
    assert_eq!(server.requests().len(), 1);
}
