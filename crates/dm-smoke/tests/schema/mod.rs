//! The example, and the JSON Schema that editors use, against the parser.

use dm_smoke::EXAMPLE;
use jsonschema::Validator;
use predicates::str::{contains, is_empty};
use serde_json::Value;

use crate::support::Place;

fn schema() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/smoke.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn new_writes_an_example_that_is_valid_and_replaces_nothing() {
    let place = Place::with_suite("mine");
    let run = |args: &[&str]| {
        let mut command = assert_cmd::Command::from_std(place.without_suite());
        command.args(args).assert()
    };
    run(&["--new"]).code(0).stdout(EXAMPLE).stderr(is_empty());
    run(&["--new", "other.toml"]).code(0).stdout(is_empty());
    run(&["other.toml", "--check"]).code(0).stdout("other: 8 tests\n");
    run(&["--new", "smoke.toml"]).code(5).stderr(contains("cannot create smoke.toml: File exists"));
    assert_eq!(std::fs::read_to_string(place.path("smoke.toml")).unwrap(), "mine");
}

/// Whether the schema takes a suite.
fn is_taken(validator: &Validator, suite: &str) -> bool {
    toml::from_str::<Value>(suite).is_ok_and(|suite| validator.is_valid(&suite))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of suites")]
fn the_schema_and_the_parser_agree() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
    let http = |expect: &str| test(&format!("http = {{ url = '/' }}\nexpect = {{ {expect} }}"));
    let command = |expect: &str| test(&format!("command = ['x']\nexpect = {{ {expect} }}"));
    let suites = [
        EXAMPLE.to_owned(),
        String::new(),
        test("command = ['x', '']"),
        http("status = ['2xx', 404]"),
        http("json = '$.a'"),
        test("http = { url = '/', json = 'text' }"),
        "nam = 'x'".to_owned(),
        "name = ''".to_owned(),
        "test = 3".to_owned(),
        "[[test]]\ncommand = ['x']".to_owned(),
        "[[test]]\nname = ' '\ncommand = ['x']".to_owned(),
        test(""),
        test("comand = ['x']"),
        test("command = []"),
        test("command = ['']"),
        test("command = 'x'"),
        test("command = ['x']\nhttp = { url = '/' }"),
        test("command = ['x']\ntimeout = 5"),
        test("command = ['x']\ntimeout = '5'"),
        test("command = ['x']\nretries = 21"),
        test("command = ['x']\ntags = 3"),
        test("command = ['x']\ncapture = { a = '$.a' }"),
        test("http = {}"),
        test("http = { uri = '/' }"),
        test("http = { url = '/', method = 'get' }"),
        test("http = { url = '/', headers = { a = 3 } }"),
        test("http = { url = '/', body = '', form = {} }"),
        test("http = { url = '/', redirects = 101 }"),
        test("http = { url = '/' }\nenv = { A = 'b' }"),
        test("http = { url = '/' }\ncapture = { a = {} }"),
        test("http = { url = '/' }\ncapture = { a = 'b' }"),
        test("http = { url = '/' }\ncapture = { 'a b' = '$' }"),
        http("status = 42"),
        http("status = '20x'"),
        http("status = []"),
        http("body_contains = ''"),
        http("body_matches = ''"),
        http("json = []"),
        http("headers = { a = {} }"),
        http("headers = { a = { contains = 'x', matches = ['y', 'z'], not_contains = 'a' } }"),
        http("headers = { a = { absent = true }, b = ['x', 'y'] }"),
        http("body_contains = ['a', 'b'], body_not_matches = 'c', json_absent = '$.a'"),
        command("stderr_not_contains = 'a', stdout_not_matches = ['b']"),
        "[defaults]\nheaders = { a = 'b' }\nbearer = 'x'".to_owned(),
        test("http = { url = '/', basic_auth = { user = 'a', password = '{{env.B}}' } }"),
        "[defaults]\nbearer = 'x'\nbasic_auth = { user = 'a', password = 'b' }".to_owned(),
        "[defaults]\ncookie = 'x'".to_owned(),
        "[defaults]\ncookies = true\ncompressed = true\nhttp_version = '2'\nconnect_to = '10.0.0.7:8443'\ntls = { ca = 'ca.pem', cert = 'c.pem', key = 'c.key', name = 'api.example', insecure = true }".to_owned(),
        test("http = { url = '/', connect_to = { 'a:80' = '[::1]:81' } }"),
        test("http = { url = '/', form = { a = ['b', 'c'] }, query = { a = ['b', 'c'] } }"),
        test("http = { url = '/', body = { file = 'x' }, method = 'PURGE', unix_socket = '/run/x' }"),
        test("http = { url = '/', body = { base64 = 'AA==' } }\ncapture = { a = { json = '$.a', regex = 'b' }, c = { cookie = 'd' } }"),
        test("http = { url = '/', multipart = { a = 'b', c = { file = 'd', type = 'e/f' }, g = [{ text = 'h', filename = 'i' }] } }"),
        test("http = { url = '/', multipart = { a = { file = 'b', text = 'c' } } }"),
        test("http = { url = '/', multipart = { a = { file = 'b', type = 'c' } } }"),
        test("http = { url = '/', multipart = {}, json = 1 }"),
        test("http = { url = '/', body = {} }"),
        test("http = { url = '/', body = { file = '' } }"),
        test("http = { url = '/', cookies = 'yes' }"),
        test("http = { url = '/', http_version = '3' }"),
        test("http = { url = '/', connect_to = 'a b' }"),
        test("http = { url = '/', connect_to = 'a', unix_socket = 'b' }"),
        test("http = { url = '/', tls = { key = 'a' } }"),
        test("http = { url = '/', tls = { name = '' } }"),
        test("http = { url = '/' }\ncapture = { a = { json = '$.a', header = 'b' } }"),
        test("http = { url = '/', basic_auth = { user = 'a' } }"),
        http("headers = { a = { absent = false } }"),
        http("headers = { a = { absent = true, contains = 'x' } }"),
        test("command = ['x']\nuntil = '30s'\ninterval = '2s'"),
        test("http = { url = '/', trust_redirects = true, rate = 1000 }\ndelay = '1s'\nexpect = { redirects = ['a', 'b'] }"),
        http("redirects = []"),
        test("http = { url = 'wss://h/', websocket = { send = ['a'] } }\nexpect = { message = [{ contains = 'a', json = '$.b' }, {}] }"),
        http("message = { event = 'x', matches = 'y' }"),
        http("message = []"),
        http("message = { data = 'x' }"),
        test("http = { url = '/', websocket = { receive = 'a' } }"),
        test("command = ['x']\nuntil = 30"),
        test("command = ['x']\ninterval = '2s'"),
        test("command = ['x']\nuntil = '3s'\nretries = 1"),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['{{row.c}}']\neach = [{ b = 'x', c = 1.5 }, { b = true, c = 2 }]".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\nhttp = { url = '/{{row.b}}' }\nexpect = { status = '{{row.b}}' }\neach = [{ b = 200 }]".to_owned(),
        test("command = ['x']\neach = [{ b = 'x' }]"),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = []".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = [{ b = [] }]".to_owned(),
        "[[test]]\nname = 'a {{row.b}}'\ncommand = ['x']\neach = [{ 'b c' = 1 }]".to_owned(),
        "[[setup]]\nname = 'a'\ncommand = ['x']\n[[teardown]]\nname = 'b'\ncommand = ['x']".to_owned(),
        "[[setup]]\nname = 'a'".to_owned(),
        "teardown = 1".to_owned(),
        "include = 3".to_owned(),
        "include = ['']".to_owned(),
        http("headers = { a = [] }"),
        http("headers = { a = { count = 2, contains = 'x' }, b = { present = true } }"),
        http("headers = { a = { present = false } }"),
        http("headers = { a = { count = 1000 } }"),
        http("cookies = { a = 'b', c = { absent = true }, d = { contains = 'e', secure = true, http_only = false, same_site = 'Lax', path = '/', domain = 'f', max_age = 60 } }"),
        http("cookies = { a = {} }"),
        http("cookies = { a = { same_site = 'lax' } }"),
        http("cookies = { a = { absent = false } }"),
        http("body_equals = '', body_file = 'a', body_size = { min = 1, max = 2 }, sha256 = '{{env.SUM}}'"),
        http("body_equals = [], body_size = 3"),
        http("body_size = -1"),
        http("body_size = {}"),
        http("body_size = '3'"),
        http("sha256 = 'abc'"),
        http("http_version = '2', redirects = 2, url = { matches = 'x' }, certificate = { min_days = 14, issuer = 'a', subject = { contains = 'b' } }"),
        http("http_version = '3'"),
        http("redirects = 101"),
        http("url = {}"),
        http("certificate = {}"),
        http("certificate = { min_days = '14' }"),
        http("json_absent = ['']"),
        http("body_contains = []"),
        http("json = 3"),
        http("exit = 0"),
        command("status = 200"),
        command("exit = 256"),
        command("stdout_contains = ''"),
    ];
    let mut taken = 0;
    for suite in &suites {
        let checked = Place::with_suite(suite).smoke(&["--check"]);
        let parsed = checked.get_output().status.code() == Some(0);
        taken += usize::from(parsed);
        assert_eq!(
            is_taken(&validator, suite),
            parsed,
            "{suite}\n{}",
            String::from_utf8_lossy(&checked.get_output().stderr)
        );
    }
    assert_eq!(taken, 29);
}

#[test]
fn the_example_and_the_manual_use_every_key_of_the_schema() {
    fn keys(schema: &Value, found: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            found.extend(properties.keys().cloned());
        }
        let inner: Vec<&Value> = match schema {
            Value::Object(members) => members.values().collect(),
            Value::Array(list) => list.iter().collect(),
            _ => Vec::new(),
        };
        for schema in inner {
            keys(schema, found);
        }
    }
    let mut found = Vec::new();
    keys(&schema(), &mut found);
    assert!(found.len() > 30, "{found:?}");
    let suites = [EXAMPLE.to_owned(), cookbook().concat()].concat();
    for key in found {
        let forms = [format!("{key} ="), format!("[[{key}]]"), format!(".{key}]"), format!("[{key}]")];
        assert!(forms.iter().any(|form| suites.contains(form)), "{key}");
    }
}

/// The suites in the manual.
fn cookbook() -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/smoke.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn the_suites_in_the_manual_are_valid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let suites = cookbook();
    assert!(suites.len() > 8, "{suites:?}");
    for suite in suites {
        assert!(is_taken(&validator, &suite), "{suite}");
        Place::with_suite(&suite).smoke(&["--check"]).code(0);
    }
}
