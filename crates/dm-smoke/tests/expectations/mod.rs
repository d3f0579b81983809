//! Expectations: values in them, negations, lists, and the report of all that are not met.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::echo::Echo;
use crate::support::{Place, Server, answer};

/// The SHA-256 of 1,200,000 zeros.
const LONG_SUM: &str = "61fff2faaf6ddcfa769eb8b37aeca30342bfa713f535114c6217d14b000aecb3";

fn run(suite: &str) -> assert_cmd::assert::Assert {
    let server = Server::start(|request| {
        if request.starts_with("GET /token ") {
            answer(200, r#"{"id":"a.c","n":7}"#)
        } else {
            let head = "HTTP/1.1 200 X\r\nconnection: close\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n";
            let body = r#"{"version":"1.4.2","n":7,"id":"a.c"}"#;
            format!("{head}content-length: {}\r\n\r\n{body}", body.len())
        }
    });
    let place = Place::with_suite(suite);
    let mut command = place.command();
    command.args(["--base-url", &server.url, "--format", "human", "--timeout", "2m"]).env("OLD", "1.4.2");
    assert_cmd::Command::from_std(command).assert()
}

#[test]
fn a_value_in_an_expectation_is_inserted() {
    run(r#"
        [[test]]
        name = "no longer the old version"
        http = { url = "/" }
        expect = { json = '$.version != "{{env.OLD}}"' }
    "#)
    .code(1)
    .stdout(contains("\"***\" found, expected $.version != \"***\"").and(contains("1.4.2").not()));
    run(r#"
        [[test]]
        name = "first"
        http = { url = "/token" }
        capture = { id = "$.id", n = "$.n" }

        [[test]]
        name = "the same"
        http = { url = "/" }
        expect = { json = ['$.id == "{{id}}"', '$.n == {{n}}', '$.id =~ "^{{id}}$"'], body_contains = ["{{id}}", "{{n}}"] }

        [[test]]
        name = "an expression takes a value literally"
        http = { url = "/" }
        expect = { body_matches = '"id":"{{id}}"', body_not_matches = 'abc{{n}}' }

        [[test]]
        name = "arguments"
        command = ["printf", "%s", "{{id}} {{env.OLD}}"]
        expect = { stdout_contains = "{{id}} {{env.OLD}}", stdout_not_contains = ["x", '{{"{{"}}'] }
    "#)
    .code(0)
    .stdout(contains("4 passed"));
}

#[test]
fn negations_and_lists() {
    run(r#"
        [[test]]
        name = "good"
        http = { url = "/" }
        expect = { body_not_contains = ["error", "exception"], json_absent = ["$.errors", "$.debug"], headers = { set-cookie = ["a=1", "b=2"], server = { absent = true } } }
    "#)
    .code(0);
    run(r#"
        [[test]]
        name = "bad"
        http = { url = "/" }
        expect = { status = 201, body_not_contains = "version", json_absent = "$.n", headers = { set-cookie = [ "c=3" ], x-no = "1" } }

        [[test]]
        name = "bad command"
        command = ["sh", "-c", "echo out; echo err >&2; exit 3"]
        expect = { stdout_not_contains = "out", stderr_matches = "^x" }
    "#)
    .code(1)
    .stdout(
        contains("status 200, expected 201: ")
            .and(contains("; the header set-cookie is not \"c=3\": \"a=1\""))
            .and(contains("; there is no header x-no, expected \"1\""))
            .and(contains("; the body contains \"version\""))
            .and(contains("; 7 found, expected no $.n"))
            .and(contains("exit code 3, expected exit code 0: \"err\"; stdout contains \"out\": \"out\"; stderr does not match \"^x\"")),
    );
}

#[test]
fn a_whole_body_is_compared_however_long_it_is() {
    let echo = Echo::start();
    let place = Place::with_suite(
        r#"
        [[test]]
        name = "good"
        http = { url = "/hello" }
        expect = { body_equals = "hello", body_file = "hello.txt", body_size = 5, sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" }
        [[test]]
        name = "long"
        http = { url = "/long" }
        expect = { body_size = { min = 1200000, max = 1200000 }, sha256 = "{{env.SUM}}", body_file = "zeros" }
        [[test]]
        name = "bad"
        http = { url = "/hello" }
        expect = { body_equals = "hell", body_file = "zeros", body_size = { max = 4 }, sha256 = "{{env.SUM}}" }
        "#,
    );
    common::fs::atomic::write(&place.path("hello.txt"), b"hello").unwrap();
    common::fs::atomic::write(&place.path("zeros"), &vec![0; 1_200_000]).unwrap();
    let mut command = place.command();
    command.args(["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"]).env("SUM", LONG_SUM);
    assert_cmd::Command::from_std(command).assert().code(1).stdout(
        contains("2 passed, 1 failed")
            .and(contains("the body is not \"hell\": \"hello\""))
            .and(contains("; the body has 5 bytes, expected at most 4"))
            .and(contains("; the SHA-256 of the body is 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824, expected ***"))
            .and(contains("; the body of 5 bytes is not that of zeros, of 1200000 bytes: they differ from byte 1 on")),
    );
}

fn run_by_tls(echo: &Echo, suite: &str) -> assert_cmd::assert::Assert {
    let base = format!("https://127.0.0.1:{}", echo.port("https"));
    Place::with_suite(&echo.fill(suite)).smoke(&["--base-url", &base, "--format", "human", "--timeout", "2m"])
}

#[test]
fn where_a_response_came_from_and_its_cookies() {
    let echo = Echo::start();
    run_by_tls(
        &echo,
        r#"
        [defaults]
        tls = { ca = "PEM/ca.pem" }
        [[test]]
        name = "redirects and cookies"
        http = { method = "POST", url = "/login", form = { user = "me" }, redirects = 3 }
        expect = { redirects = 1, url = { matches = "/home$", not_contains = "login" }, http_version = "2" }
        capture = { path = { url = true, regex = "[0-9]/(.*)" } }
        [[test]]
        name = "the first response"
        http = { method = "POST", url = "/login", form = { user = "me" } }
        capture = { sid = { cookie = "sid" } }
        [test.expect]
        status = 302
        redirects = 0
        url = "https://127.0.0.1:HTTPS/login"
        headers = { set-cookie = { count = 2 }, location = { present = true } }
        cookies = { sid = { matches = "^me-", http_only = true, path = "/", secure = false }, theme = "dark", no = { absent = true } }
        [[test]]
        name = "captured"
        http = { url = "/{{path}}", headers = { cookie = "sid={{sid}}" } }
        expect = { body_equals = "home of sid=me-hush-hush" }
        [[test]]
        name = "the certificate"
        http = { url = "/" }
        expect = { certificate = { min_days = 14, issuer = { contains = "an authority for tests" } } }
        "#,
    )
    .stdout(contains("4 passed"))
    .code(0);
    run_by_tls(
        &echo,
        r#"
        [[test]]
        name = "TLS"
        [test.http]
        method = "POST"
        url = "/login"
        form = { user = "me" }
        tls = { ca = "PEM/ca.pem" }
        [test.expect]
        status = 302
        http_version = "1.1"
        cookies = { sid = { max_age = 60, same_site = "Lax" }, theme = { absent = true } }
        [[test]]
        name = "plain"
        http = { url = "http://127.0.0.1:HTTP/" }
        [test.expect]
        redirects = 1
        url = { contains = "home" }
        certificate = { min_days = 14 }
        headers = { date = { count = 2 }, x-no = { present = true } }
        "#,
    )
    .code(1)
    .stdout(
        contains("; the response came by HTTP/2.0, expected HTTP/1.1")
            .and(contains("same_site of the cookie sid is not set, expected Lax"))
            .and(contains("; max_age of the cookie sid is not set, expected 60"))
            .and(contains("; the cookie theme is set, expected none"))
            .and(contains("there are 1 headers date, expected 2 of them"))
            .and(contains("; there is no header x-no, expected any"))
            .and(contains("; 0 redirects were followed, expected 1"))
            .and(contains("; the url that answered does not contain \"home\": \"http://127.0.0.1:"))
            .and(contains("; there is no certificate, because there is no TLS")),
    );
}

#[test]
fn json_has_types_lengths_and_counts() {
    run(r#"
        [[test]]
        name = "good"
        http = { url = "/" }
        expect = { json = ['$.n is integer', '$.version is not number', '$.id length == 3', '$.* count >= 3'] }
        [[test]]
        name = "bad"
        http = { url = "/" }
        expect = { json = ['$.n is string', '$.version length < 5', '$.* count == 1'] }
    "#)
    .code(1)
    .stdout(
        contains("7 found, expected $.n is string")
            .and(contains("; \"1.4.2\" found, expected $.version length < 5"))
            .and(contains("; 3 values found, expected $.* count == 1")),
    );
}

#[test]
fn a_value_that_is_not_expected_is_shown_after_its_filters() {
    run(r#"
        [[test]]
        name = "values"
        http = { url = "/" }
        expect = { value = [
            { json = "$.version", filters = [{ split = "." }, "count"], is = "== 3" },
            { json = "$.version", filters = [{ split = "." }, "count"], is = ["== 4", "is integer"] },
            { header = "set-cookie", filters = "last", equals = "a=1" },
            { json = "$.id", filters = "count" },
            { json = "$.none", filters = "to_hex" },
            { json = "$.version", not_contains = "{{env.OLD}}" },
        ] }
    "#)
    .code(1)
    .stdout(
        contains("the JSON value after split, count is \"3\", expected == 4")
            .and(contains("the header set-cookie after last is not \"a=1\": \"b=2\""))
            .and(contains("the JSON value after count: count: the value is not a list"))
            .and(contains("the JSON value after to_hex: the body has no such JSON value"))
            .and(contains("the JSON value contains \"***\": \"***\""))
            .and(contains("1.4.2").or(contains("expected == 3")).not()),
    );
    for (capture, says) in [
        ("{ json = '$.id', filters = 'to_int' }", "cannot capture v: to_int: the value is not an integer"),
        ("{ header = 'x-none', filters = 'count' }", "cannot capture v: the response has no header x-none"),
    ] {
        let suite = format!("[[test]]\nname = 'a'\nhttp = {{ url = '/' }}\ncapture = {{ v = {capture} }}");
        run(&suite).code(1).stdout(contains(says));
    }
}

#[test]
fn a_filter_that_is_not_valid_is_found_by_the_check() {
    for (value, says) in [
        (
            "{ json = '$', filters = 'base64decode' }",
            "there is no filter base64decode; did you mean base64_decode?",
        ),
        ("{ json = '$', filters = 'nth' }", "the filter nth takes an argument: { nth = … }"),
        ("{ json = '$', filters = { count = 1 } }", "the filter count takes no argument: write \"count\""),
        ("{ json = '$', filters = { decode = 'klingon' } }", "klingon is no encoding such as utf-8"),
        ("{ json = '$', filters = { format_date = '%Q' } }", "not a format of dates"),
        ("{ json = '$', filters = { regex = '(' } }", "unclosed group"),
        ("{ json = '$', filters = { replace_regex = ['(', ''] } }", "unclosed group"),
        ("{ json = '$', filters = { json = 'a' } }", "not a JSONPath"),
        ("{ json = '$', filters = { split = '{{v}}' } }", "no value can be inserted here"),
        ("{ json = '$', is = '3' }", "3 is not a comparison such as == 3"),
        ("{ json = '$', url = true }", "expected a table such as"),
    ] {
        let suite = format!("[[test]]\nname = 'a'\nhttp = {{ url = '/' }}\nexpect = {{ value = {value} }}");
        Place::with_suite(&suite).smoke(&["--check"]).code(2).stderr(contains(says));
    }
}
