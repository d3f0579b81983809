//! Expectations: values in them, negations, lists, and the report of all that are not met.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::{Place, Server, answer};

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
    command.args(["--base-url", &server.url, "--format", "human"]).env("OLD", "1.4.2");
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
