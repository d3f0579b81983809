use super::*;

use crate::mutation;
use proptest::prelude::*;
use reqwest::Method;
use std::path::Path;
use std::time::Duration;
use url::Url;

use crate::suite::model::{Body, TestKind};

use crate::suite::run_values::RunValues;
use crate::suite::template::Values;

/// Parses a suite; the error is `line:column: message` for each error.
fn parsed(text: &str) -> Result<Suite, String> {
    let base_url = Url::parse("http://user:secret@api/v2/").unwrap();
    let env = |name: &str| (name == "API_TOKEN").then(|| "hush-hush".to_owned());
    let options = SuiteOptions {
        base_url: Some(&base_url),
        timeout: Duration::from_secs(10),
        env: &env,
        run: &RunValues::default(),
    };
    parse(Path::new("shop.toml"), text.to_owned(), &options).map_err(|(_, diagnostics)| {
        let lines = diagnostics.iter().map(|diagnostic| {
            let (line, column) = line_and_column(text, diagnostic.at.start);
            format!("{line}:{column}: {}", diagnostic.message)
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

#[test]
fn fields_have_defaults() {
    let suite = parsed("[[test]]\nname = 'a'\nhttp = { url = '/health?x=1' }").unwrap();
    assert_eq!(suite.name.as_str(), "shop");
    let test = &suite.tests[0];
    assert_eq!(test.timeout, Duration::from_secs(10));
    let TestKind::Http(http) = &test.kind else { panic!("{test:?}") };
    assert_eq!(http.method, Method::GET);
    assert_eq!(http.url.render(&Values::new()), "http://user:secret@api/v2/health?x=1");
    assert_eq!(http.expected.fixed.response.status.to_string(), "2xx");
    assert!(parsed("").unwrap().tests.is_empty());
}

#[test]
fn every_field_is_read() {
    let suite = parsed(
        r#"
        name = "web"
        [[test]]
        name = "login"
        http = { method = "POST", url = "https://other/login", headers = { accept = "*/*" }, body = "{}" }
        expect = { status = [201, "3xx"], body_contains = "ok", max_latency = "500ms" }
        timeout = "5s"
        [[test]]
        name = "tool"
        command = ["./check.sh", "--all"]
        expect = { exit = 3, stdout_contains = "1.2" }
        "#,
    )
    .unwrap();
    assert_eq!(suite.name.as_str(), "web");
    let [login, tool] = suite.tests.as_slice() else { panic!("{suite:?}") };
    assert_eq!(login.timeout, Duration::from_secs(5));
    let TestKind::Http(http) = &login.kind else { panic!("{login:?}") };
    assert_eq!(
        (http.method.as_str(), http.url.render(&Values::new()).as_str()),
        ("POST", "https://other/login")
    );
    assert_eq!(http.expected.fixed.response.status.to_string(), "201 or 3xx");
    assert_eq!(http.expected.fixed.max_latency, Some(Duration::from_millis(500)));
    let TestKind::Command(command) = &tool.kind else { panic!("{tool:?}") };
    let words = [&command.program, &command.args[0]].map(|word| word.render(&Values::new()));
    assert_eq!(words, ["./check.sh", "--all"]);
    assert_eq!(command.expected.fixed.exit, 3);
}

#[test]
fn errors_are_reported_with_their_position() {
    let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
    let http = |expect: &str| test(&format!("http = {{ url = '/' }}\nexpect = {{ {expect} }}"));
    let command = |expect: &str| test(&format!("command = ['true']\nexpect = {{ {expect} }}"));
    let table = [
        ("nmae = 'x'".to_owned(), "1:1: unknown field `nmae`, did you mean `name`?"),
        ("name = ''".to_owned(), "1:8: must not be empty"),
        ("name = 'ä' oops".to_owned(), "1:12: "),
        (
            test("comand = ['x']"),
            "1:1: a test needs http or command\n3:1: unknown field `comand`, did you mean `command`?",
        ),
        (
            test("http = { uri = '/' }"),
            "3:8: missing field `url`\n3:10: unknown field `uri`, did you mean `url`?",
        ),
        (
            test("timeout = 5"),
            "1:1: a test needs http or command\n3:11: invalid type: integer, expected a duration such as",
        ),
        (test("timeout = '5'"), "1:1: a test needs http or command\n3:11: a duration needs a unit"),
        (test(""), "1:1: a test needs http or command"),
        (
            test("command = ['x']\nhttp = { url = '/' }"),
            "3:11: a test takes either http or command, not both",
        ),
        (test("command = []"), "3:11: a command needs a program"),
        (test("command = ['']"), "3:11: the program must not be empty"),
        (test("command = 'x'"), "3:11: invalid type: string, expected an array such as"),
        (test("http = { url = 'health' }"), "3:16: not a URL"),
        (test("http = { url = 'ftp://h/' }"), "3:16: the scheme is \"ftp\""),
        (test("http = { url = '/', method = 'get' }"), "3:30: the method must be in upper case, such as GET"),
        (test("http = { url = '/', headers = { 'a b' = 'x' } }"), "3:33: the name of a header"),
        (test("http = { url = '/', headers = { a = \"x\\n\" } }"), "3:37: the value of a header"),
        (http("status = 42"), "4:21: 42 is not an HTTP status; expected a status such as 200"),
        (http("status = '20x'"), "4:21: \"20x\" is not a class"),
        (http("status = []"), "4:21: an empty array"),
        (http("status = [200, 'ok']"), "4:27: \"ok\" is not a class"),
        (http("status = true"), "4:21: invalid type: boolean, expected a status such as 200"),
        (http("json = []"), "4:19: json must not be an empty array"),
        (http("body_matches = ''"), "4:27: body_matches must not be empty"),
        (http("body_contains = ''"), "4:28: body_contains must not be empty"),
        (http("exit = 0"), "4:19: an http test takes no exit"),
        (command("status = 200"), "4:21: a command test takes no status"),
        (command("exit = 256"), "4:19: "),
        ("[[test]]\nname = ' '\ncommand = ['x']".to_owned(), "2:8: the name of a test must not be empty"),
        (
            "[[test]]\nname = \"a\\uFFFE\"\ncommand = ['x']".to_owned(),
            "2:8: the name of a test must be one line",
        ),
        (
            "[[test]]\nname = \"a\\nb\"\ncommand = ['x']".to_owned(),
            "2:8: the name of a test must be one line",
        ),
        (format!("{0}\n{0}", test("command = ['x']")), "5:8: line 2 already has a test of this name"),
    ];
    for (text, expected) in table {
        let errors = parsed(&text).map(|_| ()).unwrap_err();
        assert!(errors.starts_with(expected), "{text}\n got {errors}\nwant {expected}");
    }
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let text = "
        nam = 'x'
        [[test]]
        name = 'a'
        http = { url = '/', metod = 'GET' }
        expect = { status = 42, jsn = '$.a', json = ['a'], body_matches = '(' }
        [[test]]
        name = 'b'
        command = ['x']
        timeout = '5'
    ";
    let errors = parsed(text).map(|_| ()).unwrap_err();
    let lines: Vec<_> =
        errors.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        lines,
        [
            "2:9: unknown field `nam`, did you mean `name`?",
            "5:29: unknown field `metod`, did you mean `method`?",
            "6:29: 42 is not an HTTP status; expected a status such as 200, a class such as \"2xx\", or an array of these",
            "6:33: unknown field `jsn`, did you mean `json`?",
            "6:54: not a JSONPath",
            "6:75: regex parse error",
            "10:19: a duration needs a unit, such as 5s, 5ms or 1m30s",
        ],
        "{errors}"
    );
}

#[test]
fn a_test_depends_on_the_tests_whose_values_it_uses() {
    let suite = parsed(
        "
        [[test]]
        name = 'orders'
        http = { url = '/orders/{{id}}', headers = { authorization = 'Bearer {{token}}' }, query = { k = '{{env.API_TOKEN}}' } }
        depends_on = 'health'
        [[test]]
        name = 'login'
        http = { method = 'POST', url = '/login', json = { user = 'me', n = 1, list = ['{{env.API_TOKEN}}', true, 1.5] } }
        capture = { token = '$.token', id = { header = 'location', regex = '/(.*)' } }
        [[test]]
        name = 'health'
        http = { url = '/health', redirects = 3 }
        ",
    )
    .unwrap();
    let links: Vec<_> = suite.tests.iter().map(|test| test.depends_on.clone()).collect();
    assert_eq!(links, [vec![1, 2], vec![], vec![]]);
    let TestKind::Http(login) = &suite.tests[1].kind else { panic!("{suite:?}") };
    let Body::Json(json) = &login.body else { panic!("{login:?}") };
    let filled = json.render(&Values::new());
    assert_eq!(filled, serde_json::json!({ "user": "me", "n": 1, "list": ["hush-hush", true, 1.5] }));
    assert_eq!(suite.secrets.redact("hush-hush"), "***");
}

#[test]
fn errors_of_templates_captures_and_dependencies() {
    let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
    let table = [
        (test("http = { url = '/{{id}}' }"), "3:16: no test captures the value \"id\""),
        (test("http = { url = '/{{env.NO}}' }"), "3:16: the environment variable NO is not set"),
        (
            test("http = { url = '/', body = 'a', json = {} }"),
            "3:8: a request takes only one of body, json, form, multipart",
        ),
        (test("http = { url = '/', redirects = 101 }"), "3:33: redirects must be an integer from 0 to 100"),
        (test("command = ['x']\ncapture = { a = '$.a' }"), "4:11: a command test takes no capture"),
        (test("command = ['x']\ndepends_on = ['b']"), "4:15: there is no test \"b\""),
        (test("command = ['x']\ndepends_on = ['a']"), "2:8: the test depends on itself: \"a\" → \"a\""),
        (test("http = { url = '/' }\ncapture = { 'a b' = '$.a' }"), "4:13: `a b` is not the name"),
        (test("http = { url = '/' }\ncapture = { a = {} }"), "4:17: expected a JSONPath such as"),
        (
            test("http = { url = '/' }\nexpect = { headers = { etag = {} } }"),
            "4:31: expected a string, or a table",
        ),
        (test("http = { url = '/' }\nenv = { A = 'b' }"), "4:7: an http test takes no env"),
        ("test = 3".to_owned(), "1:8: invalid type: integer, expected [[test]]"),
        ("[[test]]\ncommand = ['x']".to_owned(), "1:1: missing field `name`"),
        ("a = \nb = ".to_owned(), "1:"),
    ];
    for (text, expected) in table {
        let errors = parsed(&text).map(|_| ()).unwrap_err();
        assert!(errors.starts_with(expected), "{text}\n got {errors}\nwant {expected}");
    }
}

proptest! {
    #[test]
    fn the_example_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[crate::EXAMPLE], &[
        "\n", "[[test]]", "[", "]", "{", "}", "\"", "'", "'''", " = ", ".", ",", "\\", "{{", "}}", "{{env.NO}}", "$[?", "(", "*", "=~",
        "http", "expect", "capture", "depends_on", "-1", "9e999", "1979-05-27",
    ])) {
        let _ = parsed(&text);
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,60}|[\\[\\]a-c='\"{}.,0-9\\n -]{0,60}",
        field in "(name|http|command|expect|capture|timeout|depends_on|env|test)",
        value in "('\\PC{0,20}'|[0-9]{1,20}|\\{ (url|status|json|headers|query|form) = ('\\PC{0,10}'|[0-9]+|\\[\\]|\\{\\}) \\}|\\[\\]|true)",
    ) {
        let _ = parsed(&text);
        let _ = parsed(&format!("[[test]]\nname = 'a'\n{field} = {value}\n"));
        let _ = parsed(&format!("[[test]]\nname = 'a'\nhttp = {{ url = '/' }}\n{field} = {value}\n"));
        let _ = parsed(&format!("[[test]]\nname = 'a'\ncommand = ['x']\n{field} = {value}\n"));
    }
}

#[test]
fn nothing_that_looks_like_a_template_is_taken_literally() {
    let http = |rest: &str| format!("[[test]]\nname = 'a'\nhttp = {{ url = '/' }}\n{rest}");
    // Values are inserted.
    for good in [
        "expect = { body_contains = '{{env.API_TOKEN}}', json = '$.a != \"{{env.API_TOKEN}}\"' }",
        "expect = { headers = { a = '{{env.API_TOKEN}}', b = { matches = ['^{{env.API_TOKEN}}'] } } }",
        "expect = { body_not_contains = 'x{{\"{{\"}}1}' }\ntags = ['a {{\"{{\"}}']",
    ] {
        assert!(parsed(&http(good)).is_ok(), "{good}: {:?}", parsed(&http(good)).err());
    }
    for (bad, message) in [
        ("expect = { json = '$.a != \"{{env.NO}}\"' }", "variable NO is not set"),
        ("expect = { json = '$.a == {{env.API_TOKEN}}' }", "*** after == is not JSON"),
        ("expect = { body_contains = ['a', '{{b}}'] }", "no test captures the value \"b\""),
        ("expect = { headers = { a = '{{b' } }", "{{ without }}"),
        ("tags = ['{{env.API_TOKEN}}']", "no value can be inserted here"),
        ("capture = { a = '$.{{env.API_TOKEN}}' }", "no value can be inserted here"),
        ("capture = { a = { regex = '{{b}}' } }", "no value can be inserted here"),
    ] {
        let error = parsed(&http(bad)).unwrap_err();
        assert!(error.contains(message) && !error.contains("hush"), "{bad}: {error}");
    }
    for bad in [
        "[[test]]\nname = '{{a}}'\ncommand = ['x']",
        "[[test]]\nname = 'a'\ncommand = ['x']\nenv = { 'A{{b}}' = 'x' }",
        "[[test]]\nname = 'a'\nhttp = { url = '/', json = { '{{b}}' = 1 } }",
        "[[test]]\nname = 'a'\nhttp = { url = '/', query = { '{{b}}' = '1' } }",
    ] {
        assert!(parsed(bad).unwrap_err().contains("no value can be inserted here"), "{bad}");
    }
}
