//! Every line that the tools write is valid under the published JSON Schemas.

use std::fs;
use std::path::Path;

use common::event::{Event, Started};
use jsonschema::Validator;
use serde_json::Value;
use testkit::bin::Machine;
use testkit::fault::{answer, answering};
use testkit::sample::Sample;

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::new(&schema(name)).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The values of `type` in the lines, sorted.
fn types(lines: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = lines.iter().filter_map(|line| line["type"].as_str()).collect();
    types.sort_unstable();
    types.dedup();
    types
}

fn assert_valid(schema: &str, lines: &[Value]) {
    let validator = validator(schema);
    for line in lines {
        let errors: Vec<String> = validator.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{schema}: {line}: {errors:?}");
    }
}

#[test]
fn the_streams_the_journal_and_the_ledger_match_their_schemas() {
    let machine = Machine::new().with("DM_VERSION", "2").with("DM_BUCKET", "100ms");
    let sample = Sample::start(60);
    let suite = format!(
        "[[test]]\nname = 'passes'\nhttp = {{ url = '{url}' }}\nretries = 20\n[[test]]\nname = 'fails'\n\
         http = {{ url = '{url}' }}\nexpect = {{ status = 299 }}\n[[test]]\nname = 'skipped'\ncommand = ['true']\n\
         depends_on = ['fails']\n",
        url = sample.health()
    );
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
    let script = format!(
        "dm-stage deployment --start; dm-stage build -- true; dm-stage test --retries 1 --retry-delay 1ms -- sh -c 'exit 3'; \
         dm-smoke smoke.toml --format jsonl > smoke.jsonl; \
         dm-migrate -- true; \
         dm-health --url orders={url} --url health={health} --control-url '{old}' --version-at 'json:$.version' --interval 5ms \
           --watch 1s..2s --max-fail 50 --format jsonl > health.jsonl; \
         dm-rollback --format jsonl --if-error-rate 5 --verify-url {health} -- true < health.jsonl > verdict.jsonl",
        url = sample.orders(),
        health = sample.health(),
        // Another version: the deployed one is no control group.
        old = answering(&answer("200 OK", r#"{"version":"1"}"#)),
    );
    let output = machine.shell(&script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let read = |file: &str| lines(&fs::read_to_string(machine.folder().join(file)).unwrap());

    let (health, smoke, verdict) = (read("health.jsonl"), read("smoke.jsonl"), read("verdict.jsonl"));
    assert_eq!(types(&health), ["end", "probe", "start"], "{stderr}");
    for field in ["watch_min_ms", "watch_max_ms", "version", "control"] {
        assert!(health.iter().any(|line| line.get(field).is_some()), "no {field}: {stderr}");
    }
    assert_eq!(types(&smoke), ["end", "start", "test"], "{stderr}");
    assert_eq!(types(&verdict), ["end", "start", "verdict"], "{stderr}");
    for stream in [&health, &smoke, &verdict] {
        assert_valid("record.schema.json", stream);
    }

    let journal = machine.journal();
    let expected = ["health", "migration", "rollback", "smoke", "stage", "start"];
    let found = types(&journal);
    assert!(expected.iter().all(|kind| found.contains(kind)), "{found:?} {stderr}");
    assert_valid("event.schema.json", &journal);

    let ledger = read("state/rollback/production/shop.jsonl");
    assert_eq!(types(&ledger), ["intent", "outcome"], "{stderr}");
    assert_valid("ledger-entry.schema.json", &ledger);
}

#[test]
fn a_line_of_another_version_or_type_is_not_valid() {
    for schema in ["record.schema.json", "event.schema.json", "ledger-entry.schema.json"] {
        let validator = validator(schema);
        for line in [r#"{"v":2,"type":"start"}"#, r#"{"v":1,"type":"unknown"}"#, r#"{"v":1}"#, "[]"] {
            assert!(!validator.is_valid(&serde_json::from_str(line).unwrap()), "{schema}: {line}");
        }
    }
}

#[test]
fn a_line_with_only_the_required_fields_is_read() {
    for line in minimal_lines("record.schema.json") {
        let record =
            common::records::parse(&line.to_string()).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_ne!(record, common::records::Record::Unknown, "{line}");
    }
    for line in minimal_lines("event.schema.json") {
        let read = match line["type"].as_str() {
            Some("start") => serde_json::from_value::<Started>(line.clone()).map(drop),
            _ => serde_json::from_value::<Event>(line.clone()).map(drop),
        };
        read.unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// One line of each type, with the required fields only.
fn minimal_lines(name: &str) -> Vec<Value> {
    let (schema, validator) = (schema(name), validator(name));
    let types = schema["oneOf"].as_array().unwrap();
    let lines: Vec<Value> = types.iter().map(|line| minimal("", line, &schema)).collect();
    for line in &lines {
        assert!(validator.is_valid(line), "{name}: {line}");
    }
    lines
}

/// The smallest value that `schema` allows for the property `name`.
fn minimal(name: &str, schema: &Value, root: &Value) -> Value {
    if let Some(definition) = schema["$ref"].as_str() {
        return minimal(name, root.pointer(definition.trim_start_matches('#')).unwrap(), root);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    match (schema["type"].as_str().unwrap_or_default(), name) {
        ("object", _) => {
            let required = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            required.map(|name| (name.to_owned(), minimal(name, &schema["properties"][name], root))).collect()
        }
        ("array", _) => Value::Array(Vec::new()),
        ("integer" | "number", _) => 1.into(),
        ("boolean", _) => true.into(),
        // Other than the tools write it: with an offset, and without milliseconds.
        ("string", "ts") => "2026-01-01T01:00:00+01:00".into(),
        ("string", "id") => "0123456789abcdef".into(),
        ("string", "trace_id") => "0123456789abcdef0123456789abcdef".into(),
        ("string", _) => "x".into(),
        (other, _) => panic!("{name}: no value of the type `{other}`: {schema}"),
    }
}
