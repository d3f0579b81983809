use super::*;

use crate::mutation;
use proptest::prelude::*;
use reqwest::Method;

use crate::template::Values;

/// The suite that a text makes, or the error as `line:column: message`.
fn told(text: &str) -> Result<Suite, String> {
    let base_url = Url::parse("http://user:secret@api/v2/").unwrap();
    let env = |name: &str| (name == "API_TOKEN").then(|| "hush-hush".to_owned());
    let given = Given { base_url: Some(&base_url), timeout: Duration::from_secs(10), env: &env };
    parse(text, "shop", &given).map_err(|faults| {
        let told = faults.iter().map(|fault| {
            let (line, column) = position(text, fault.at.start);
            format!("{line}:{column}: {}", fault.message)
        });
        told.collect::<Vec<_>>().join("\n")
    })
}

#[test]
fn what_is_left_out_has_a_default() {
    let suite = told("[[test]]\nname = 'a'\nhttp = { url = '/health?x=1' }").unwrap();
    assert_eq!(suite.name.as_str(), "shop");
    let test = &suite.tests[0];
    assert_eq!(test.limit, Duration::from_secs(10));
    let Kind::Http(http) = &test.kind else { panic!("{test:?}") };
    assert_eq!(http.method, Method::GET);
    assert_eq!(http.url.plain(&Values::new()), "http://user:secret@api/v2/health?x=1");
    assert_eq!(http.expected.response.status.to_string(), "2xx");
    assert!(told("").unwrap().tests.is_empty());
}

#[test]
fn everything_can_be_given() {
    let suite = told(
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
    assert_eq!(login.limit, Duration::from_secs(5));
    let Kind::Http(http) = &login.kind else { panic!("{login:?}") };
    assert_eq!(
        (http.method.as_str(), http.url.plain(&Values::new()).as_str()),
        ("POST", "https://other/login")
    );
    assert_eq!(http.expected.response.status.to_string(), "201 or 3xx");
    assert_eq!(http.expected.max_latency, Some(Duration::from_millis(500)));
    let Kind::Command(command) = &tool.kind else { panic!("{tool:?}") };
    assert_eq!(
        (command.program.as_str(), command.args.as_slice()),
        ("./check.sh", &["--all".to_owned()][..])
    );
    assert_eq!(command.expected.exit, 3);
}

#[test]
fn what_cannot_be_meant_is_named_with_its_place() {
    let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
    let http = |expect: &str| test(&format!("http = {{ url = '/' }}\nexpect = {{ {expect} }}"));
    let command = |expect: &str| test(&format!("command = ['true']\nexpect = {{ {expect} }}"));
    let table = [
        ("nmae = 'x'".to_owned(), "1:1: unknown field `nmae`, did you mean `name`?"),
        ("name = ''".to_owned(), "1:8: must not be empty"),
        ("name = 'ä' oops".to_owned(), "1:12: "),
        (
            test("comand = ['x']"),
            "1:1: a test has either http or command\n3:1: unknown field `comand`, did you mean `command`?",
        ),
        (
            test("http = { uri = '/' }"),
            "3:8: missing field `url`\n3:10: unknown field `uri`, did you mean `url`?",
        ),
        (
            test("timeout = 5"),
            "1:1: a test has either http or command\n3:11: invalid type: integer, expected a duration such as",
        ),
        (test("timeout = '5'"), "1:1: a test has either http or command\n3:11: a duration needs a unit"),
        (test(""), "1:1: a test has either http or command"),
        (test("command = ['x']\nhttp = { url = '/' }"), "3:11: a test has either http or command, not both"),
        (test("command = []"), "3:11: a command has a program"),
        (test("command = ['']"), "3:11: the command's program must not be empty"),
        (test("command = 'x'"), "3:11: invalid type: string, expected a list such as"),
        (test("http = { url = 'health' }"), "3:16: not a URL"),
        (test("http = { url = 'ftp://h/' }"), "3:16: the scheme is \"ftp\""),
        (test("http = { url = '/', method = 'get' }"), "3:30: the method is one of GET, HEAD, POST"),
        (test("http = { url = '/', headers = { 'a b' = 'x' } }"), "3:33: a header's name"),
        (test("http = { url = '/', headers = { a = \"x\\n\" } }"), "3:37: a header's value"),
        (http("status = 42"), "4:21: 42 is no HTTP status; expected a status such as 200"),
        (http("status = '20x'"), "4:21: \"20x\" is no class"),
        (http("status = []"), "4:21: an empty list"),
        (http("status = [200, 'ok']"), "4:27: \"ok\" is no class"),
        (http("status = true"), "4:21: invalid type: boolean, expected a status such as 200"),
        (http("json = []"), "4:19: an empty list expects nothing"),
        (http("body_matches = ''"), "4:27: body_matches must not be empty"),
        (http("body_contains = ''"), "4:28: body_contains must not be empty"),
        (http("exit = 0"), "4:19: exit does not fit an http test"),
        (command("status = 200"), "4:21: status does not fit a command test"),
        (command("exit = 256"), "4:19: "),
        ("[[test]]\nname = ' '\ncommand = ['x']".to_owned(), "2:8: the name of a test must not be empty"),
        ("[[test]]\nname = \"a\\uFFFE\"\ncommand = ['x']".to_owned(), "2:8: the name of a test is one line"),
        ("[[test]]\nname = \"a\\nb\"\ncommand = ['x']".to_owned(), "2:8: the name of a test is one line"),
        (format!("{0}\n{0}", test("command = ['x']")), "5:8: a test of this name is already in line 2"),
    ];
    for (text, wanted) in table {
        let told = told(&text).map(|_| ()).unwrap_err();
        assert!(told.starts_with(wanted), "{text}\n got {told}\nwant {wanted}");
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
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
    let told = told(text).map(|_| ()).unwrap_err();
    let lines: Vec<_> =
        told.lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(
        lines,
        [
            "2:9: unknown field `nam`, did you mean `name`?",
            "5:29: unknown field `metod`, did you mean `method`?",
            "6:29: 42 is no HTTP status; expected a status such as 200, a class such as \"2xx\", or a list of these",
            "6:33: unknown field `jsn`, did you mean `json`?",
            "6:54: not a JSONPath",
            "6:75: regex parse error",
            "10:19: a duration needs a unit, such as 5s, 5ms or 1m30s",
        ],
        "{told}"
    );
}

#[test]
fn a_test_that_needs_values_waits_for_those_that_bring_them() {
    let suite = told(
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
    let Kind::Http(login) = &suite.tests[1].kind else { panic!("{suite:?}") };
    let crate::suite::Body::Json(json) = &login.body else { panic!("{login:?}") };
    let filled = json.fill(&Values::new());
    assert_eq!(filled, serde_json::json!({ "user": "me", "n": 1, "list": ["hush-hush", true, 1.5] }));
    assert_eq!(suite.secrets.redact("hush-hush"), "***");
}

#[test]
fn what_cannot_be_meant_of_the_newer_fields() {
    let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
    let table = [
        (test("http = { url = '/{{id}}' }"), "3:16: no test captures a value of the name \"id\""),
        (test("http = { url = '/{{env.NO}}' }"), "3:16: the variable NO is not set"),
        (
            test("http = { url = '/', body = 'a', json = {} }"),
            "3:8: a request has one of body, json and form",
        ),
        (test("http = { url = '/', redirects = 21 }"), "3:33: redirects is a whole number from 0 to 20"),
        (test("command = ['x']\ncapture = { a = '$.a' }"), "4:11: capture does not fit a command test"),
        (test("command = ['x']\ndepends_on = ['b']"), "4:15: there is no test \"b\""),
        (test("command = ['x']\ndepends_on = ['a']"), "2:8: the test waits for itself: \"a\" → \"a\""),
        (test("http = { url = '/' }\ncapture = { 'a b' = '$.a' }"), "4:13: `a b` is no name"),
        (test("http = { url = '/' }\ncapture = { a = {} }"), "4:17: expected a JSONPath such as"),
        (
            test("http = { url = '/' }\nexpect = { headers = { etag = {} } }"),
            "4:31: expected a text, or a table",
        ),
        (test("http = { url = '/' }\nenv = { A = 'b' }"), "4:7: env does not fit an http test"),
        ("test = 3".to_owned(), "1:8: invalid type: integer, expected [[test]]"),
        ("[[test]]\ncommand = ['x']".to_owned(), "1:1: missing field `name`"),
        ("a = \nb = ".to_owned(), "1:"),
    ];
    for (text, wanted) in table {
        let told = told(&text).map(|_| ()).unwrap_err();
        assert!(told.starts_with(wanted), "{text}\n got {told}\nwant {wanted}");
    }
}

proptest! {
    #[test]
    fn the_example_broken_anywhere_is_read_or_refused(text in mutation::of_one(&[crate::EXAMPLE], &[
        "\n", "[[test]]", "[", "]", "{", "}", "\"", "'", "'''", " = ", ".", ",", "\\", "{{", "}}", "{{env.NO}}", "$[?", "(", "*", "=~",
        "http", "expect", "capture", "depends_on", "-1", "9e999", "1979-05-27",
    ])) {
        let _ = told(&text);
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,60}|[\\[\\]a-c='\"{}.,0-9\\n -]{0,60}",
        field in "(name|http|command|expect|capture|timeout|depends_on|env|test)",
        value in "('\\PC{0,20}'|[0-9]{1,20}|\\{ (url|status|json|headers|query|form) = ('\\PC{0,10}'|[0-9]+|\\[\\]|\\{\\}) \\}|\\[\\]|true)",
    ) {
        let _ = told(&text);
        let _ = told(&format!("[[test]]\nname = 'a'\n{field} = {value}\n"));
        let _ = told(&format!("[[test]]\nname = 'a'\nhttp = {{ url = '/' }}\n{field} = {value}\n"));
        let _ = told(&format!("[[test]]\nname = 'a'\ncommand = ['x']\n{field} = {value}\n"));
    }
}
