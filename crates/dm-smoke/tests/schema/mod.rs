//! The example, and the JSON Schema that editors use, against the parser.

use dm_smoke::EXAMPLE;
use jsonschema::Validator;
use predicates::str::{contains, is_empty};
use serde_json::Value;

use crate::support::Place;

mod suites;

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
fn the_schema_and_the_parser_agree() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut taken = 0;
    for suite in &[suites::tests(), suites::expectations()].concat() {
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
    assert_eq!(taken, 33);
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
