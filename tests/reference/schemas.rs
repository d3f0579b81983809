//! Every line that the tools write is valid under the published JSON Schemas.

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;
use testkit::bin::Machine;
use testkit::sample::Sample;

fn validator(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
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
    let (machine, sample) = (Machine::new().with("DM_VERSION", "2"), Sample::start(60));
    let suite = format!(
        "[[test]]\nname = 'passes'\nhttp = {{ url = '{url}' }}\nretries = 20\n[[test]]\nname = 'fails'\n\
         http = {{ url = '{url}' }}\nexpect = {{ status = 299 }}\n[[test]]\nname = 'skipped'\ncommand = ['true']\n\
         depends_on = ['fails']\n",
        url = sample.health()
    );
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), suite.as_bytes()).unwrap();
    let script = format!(
        "dm-stage build -- true; dm-stage test --retries 1 --retry-delay 1ms -- sh -c 'exit 3'; \
         dm-smoke smoke.toml --format jsonl > smoke.jsonl; \
         dm-migrate -- true; \
         dm-health --url orders={url} --url health={health} --interval 5ms --watch 1m --max-fail 50 --format jsonl | tee health.jsonl | \
         dm-rollback --format jsonl --if-error-rate 5 --verify-url {health} -- true > verdict.jsonl",
        url = sample.orders(),
        health = sample.health(),
    );
    let output = machine.shell(&script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let read = |file: &str| lines(&fs::read_to_string(machine.folder().join(file)).unwrap());

    let (health, smoke, verdict) = (read("health.jsonl"), read("smoke.jsonl"), read("verdict.jsonl"));
    assert_eq!(types(&health), ["end", "probe", "start"], "{stderr}");
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

    let ledger = read("state/rollback/test/shop.jsonl");
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
