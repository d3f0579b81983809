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
    run(&["other.toml", "--check"]).code(0).stdout("shop: 6 tests\n");
    run(&["--new", "smoke.toml"]).code(5).stderr(contains("cannot create smoke.toml: File exists"));
    assert_eq!(std::fs::read_to_string(place.path("smoke.toml")).unwrap(), "mine");
}

/// Whether the schema takes a suite.
fn is_taken(validator: &Validator, suite: &str) -> bool {
    toml::from_str::<Value>(suite).is_ok_and(|suite| validator.is_valid(&suite))
}

#[test]
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
        test("http = { url = '/', redirects = 21 }"),
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
        test("http = { url = '/', basic_auth = { user = 'a' } }"),
        http("headers = { a = { absent = false } }"),
        http("headers = { a = { absent = true, contains = 'x' } }"),
        http("headers = { a = [] }"),
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
    assert_eq!(taken, 12);
}

#[test]
fn the_example_uses_every_key_of_the_schema() {
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
    for key in found {
        let forms = [format!("{key} ="), format!("[[{key}]]"), format!("[{key}]")];
        assert!(forms.iter().any(|form| EXAMPLE.contains(form)), "{key}");
    }
}
