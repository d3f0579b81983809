//! Requests: their content, captured values, redirects, connections and dependencies.

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
fn a_test_uses_the_values_that_another_captures() {
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
    let result = assert_cmd::Command::from_std(command).assert().code(0).stderr(is_empty());
    let records = records(&result.get_output().stdout);
    let names: Vec<_> = tests(&records).iter().map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["orders", "login", "the tool"], "in the suite's order");
    let requests = server.requests();
    assert!(requests[0].contains("content-type: application/json\r\n"), "{requests:?}");
    assert!(requests[1].starts_with("GET /orders/4%202%3F?q=a+b%26c HTTP/1.1\r\n"), "{requests:?}");
    assert!(requests[1].contains("authorization: Bearer hush-token\r\n"), "{requests:?}");
}

#[test]
fn captured_values_and_variables_are_masked() {
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

    // The test that captures a secret masks it, too.
    let server = Server::start(|_| json(r#"{"token":"hush-token"}"#));
    let place = Place::with_suite(&LOGIN.replace("capture =", "expect = { json = '$.user' }\ncapture ="));
    let mut command = place.command();
    command.env("PASSWORD", "hush-password").args(["--base-url", &server.url]);
    assert_cmd::Command::from_std(command).assert().code(1).stdout(contains("hush").not());
}

#[test]
fn dependents_of_a_failed_test_are_skipped() {
    let server = Server::start(|_| answer(403, "no"));
    let place = Place::with_suite(LOGIN);
    let mut command = place.command();
    command.env("PASSWORD", "x").args(["--base-url", &server.url]);
    let result = assert_cmd::Command::from_std(command).assert().code(1);
    let records = records(&result.get_output().stdout);
    let results: Vec<_> = tests(&records)
        .iter()
        .map(|test| (test.result, test.attempts, test.message.as_deref().unwrap()))
        .collect();
    let why = "depends on \"login\", which did not pass";
    let login = format!("POST {}/login: status 403, expected 2xx: \"no\"", server.url);
    assert_eq!(
        results,
        [(TestResult::Skip, 0, why), (TestResult::Fail, 1, login.as_str()), (TestResult::Skip, 0, why)]
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn check_needs_neither_base_url_nor_secrets() {
    Place::with_suite(LOGIN).smoke(&["--check"]).code(0).stdout("smoke: 3 tests\n");
    Place::with_suite(LOGIN)
        .smoke(&["--base-url", "http://h"])
        .code(2)
        .stderr(contains("smoke.toml:9:80: the environment variable PASSWORD is not set"));
}

#[test]
fn redirects_are_followed_up_to_the_limit() {
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
    let result = Place::with_suite(&suite).smoke(&["--base-url", &server.url]).code(1);
    let records = records(&result.get_output().stdout);
    let results: Vec<_> = tests(&records).iter().map(|test| (test.result, test.reason)).collect();
    let bad = (TestResult::Fail, Some(Reason::BadStatus));
    assert_eq!(results, [(TestResult::Pass, None), bad, bad]);
    assert_eq!(server.requests().len(), 3 + 2 + 21);
}

#[test]
fn each_test_opens_a_connection_unless_reuse_is_set() {
    for (flags, connections) in [(&[][..], 3), (&["--reuse"][..], 1)] {
        let server =
            Server::start(|_| answer(200, "").replace("connection: close", "connection: keep-alive"));
        let suite =
            ["a", "b", "c"].map(|name| format!("[[test]]\nname = '{name}'\nhttp = {{ url = '/' }}\n"));
        let args = ["--base-url", &server.url, "--jobs", "1"];
        Place::with_suite(&suite.concat()).smoke(&[&args[..], flags].concat()).code(0);
        assert_eq!((server.requests().len(), server.connections()), (3, connections), "{flags:?}");
    }
}

#[test]
fn a_form_is_sent_url_encoded() {
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
fn a_capture_searches_repeated_headers_and_cannot_leave_its_path() {
    let server = Server::start(|_| {
        "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: sid=..\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
    });
    let capture = "capture = { sid = { header = 'set-cookie', regex = 'sid=([^;]+)' } }";
    let suite = crate::http("login", "/login", capture) + &crate::http("user", "/users/{{sid}}/profile", "");
    let place = Place::with_suite(&suite);
    let result = place.smoke(&["--base-url", &server.url, "--format", "human", "--jobs", "1"]).code(1);
    result.stdout(
        contains("ok    login")
            .and(contains("the captured value sid is . or .., which would change the path of the URL")),
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn requests_go_through_the_proxy_of_the_environment_and_messages_name_it() {
    let suite = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n";
    let run = |base: &str, variables: &[(&str, &str)]| {
        let place = Place::with_suite(suite);
        let mut command = place.command();
        command.args(["--base-url", base, "--format", "human"]).envs(variables.iter().copied());
        assert_cmd::Command::from_std(command).assert()
    };
    let proxy = Server::start(|_| answer(200, ""));
    run("http://shop.invalid", &[("http_proxy", &proxy.url)]).code(0);
    assert!(proxy.requests()[0].starts_with("GET http://shop.invalid/health HTTP/1.1\r\n"));
    run(&proxy.url, &[("HTTP_PROXY", "http://192.0.2.1"), ("NO_PROXY", "127.0.0.1")]).code(0);

    let down = testkit::fault::refused();
    run(&proxy.url, &[("HTTP_PROXY", &down)])
        .code(1)
        .stdout(contains(format!("/health: the proxy {down}: connection refused")));
    run(&proxy.url, &[("ALL_PROXY", "socks5://proxy:1080")])
        .code(1)
        .stdout(contains("a socks5 proxy is not supported"));
    run(&proxy.url, &[("HTTP_PROXY", "not a url")])
        .code(2)
        .stderr(contains("HTTP_PROXY is not the URL of a proxy"));
}

#[test]
fn a_redirect_to_another_host_takes_no_secret_along() {
    let other = Server::start(|_| answer(500, ""));
    let location = format!("{}/there?token=hush-hush", other.url);
    let first = Server::start(move |_| {
        format!("HTTP/1.1 307 X\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    });
    let suite = "[[test]]\nname = \"a\"\n\
                 http = { method = \"POST\", url = \"/here?key=hush-hush\", headers = { x-api-key = \"hush-hush\", accept = \"text/html\" }, redirects = 3 }\n";
    let assert = Place::with_suite(suite).smoke(&["--base-url", &first.url, "--format", "human"]).code(1);
    let subject = format!(
        "POST {}/here?key=***, redirected once to {}/there?token=***: status 500",
        first.url, other.url
    );
    assert.stdout(contains(subject).and(contains("hush").not()));
    let request = other.requests().remove(0);
    assert!(request.starts_with("POST /there") && request.contains("accept: text/html\r\n"), "{request}");
    let headers = request.split_once("\r\n").unwrap().1;
    assert!(!headers.contains("hush") && !headers.contains("referer"), "{request}");
}

#[test]
fn a_missing_base_url_is_one_error_and_a_missing_file_of_authorities_is_named() {
    let test = |name: &str, url: &str| format!("[[test]]\nname = '{name}'\nhttp = {{ url = '{url}' }}\n");
    let suite: String = (0..30).map(|number| test(&number.to_string(), "/")).collect();
    let assert = Place::with_suite(&suite).smoke(&[]).code(2);
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stderr).matches("give --base-url").count(), 1);
    let place = Place::with_suite(&test("tls", "https://127.0.0.1:1/"));
    let mut command = place.command();
    command.env("SSL_CERT_FILE", "/nonexistent.pem");
    assert_cmd::Command::from_std(command).assert().code(5).stderr(contains("cannot read /nonexistent.pem"));
}

#[test]
fn defaults_go_to_the_deployment_and_to_no_other_host() {
    let (server, other) = (Server::start(|_| answer(200, "")), Server::start(|_| answer(200, "")));
    let suite = format!(
        "[defaults]\nheaders = {{ x-a = \"{{{{env.KEY}}}}\", accept = \"text/html\" }}\n\
         basic_auth = {{ user = \"me\", password = \"hush-hush\" }}\n\
         [[test]]\nname = \"a\"\nhttp = {{ url = \"/a\" }}\n\
         [[test]]\nname = \"b\"\nhttp = {{ url = \"/b\", bearer = \"own\", headers = {{ accept = \"own\" }} }}\ndepends_on = \"a\"\n\
         [[test]]\nname = \"c\"\nhttp = {{ url = \"{}/c\" }}\n",
        other.url
    );
    let place = Place::with_suite(&suite);
    let mut command = place.command();
    command.args(["--base-url", &server.url]).env("KEY", "hush-key");
    assert_cmd::Command::from_std(command).assert().code(0);
    let [a, b] = server.requests().try_into().unwrap();
    // printf me:hush-hush | base64
    for line in ["x-a: hush-key\r\n", "accept: text/html\r\n", "authorization: Basic bWU6aHVzaC1odXNo\r\n"] {
        assert!(a.contains(line), "{a}");
    }
    for line in ["x-a: hush-key\r\n", "accept: own\r\n", "authorization: Bearer own\r\n"] {
        assert!(b.contains(line), "{b}");
    }
    assert_eq!((b.matches("accept:").count(), b.matches("authorization:").count()), (1, 1));
    assert!(!other.requests()[0].contains("hush") && !other.requests()[0].contains("authorization"));
    let suite = "[defaults]\nbearer = \"{{token}}\"\n[[test]]\nname = \"a\"\nhttp = { url = \"/\" }\ncapture = { token = \"$\" }";
    Place::with_suite(suite)
        .smoke(&["--check"])
        .code(2)
        .stderr(contains("2:10: defaults take only {{env.NAME}}"));
}
