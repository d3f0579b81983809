//! A GET operation as a test.

use serde_json::Value;
use toml::Table;

use super::reference::References;
use super::{parameter, security};
use crate::import_suite::draft::{Draft, TestDraft, push};
use crate::import_suite::expectation::Expectation;

/// Adds the test of the GET operation of a path.
pub(super) fn add(path: &str, item: &Value, line: usize, references: References<'_>, draft: &mut Draft) {
    let operation = &item["get"];
    let named = ["operationId", "summary"].into_iter().find_map(|key| operation[key].as_str());
    let name = named.map_or_else(|| format!("GET {path}"), str::to_owned);
    let mut http = Table::new();
    let request = if path.starts_with('/') {
        parameter::add(path, item, operation, references, &mut http)
            .and_then(|()| security::add(operation, references, &mut http))
    } else {
        Err("its path does not begin with /".to_owned())
    };
    let expect = request.and_then(|()| expectation(operation, references)?.into_table());
    match expect {
        Ok(expect) => {
            let mut test = TestDraft { name, line, http, expect, ..TestDraft::default() };
            for tag in operation["tags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                push(&mut test.options, "tags", tag);
            }
            draft.tests.push(test);
        }
        Err(why) => draft.problem(line, format!("no test for {name:?}: {why}")),
    }
}

/// The first response of success that is described: its status, its type, and the members that it always has.
fn expectation(operation: &Value, references: References<'_>) -> Result<Expectation, String> {
    let mut expectation = Expectation::of_any_status();
    let responses = operation["responses"].as_object();
    let mut described: Vec<(&String, &Value)> = responses.into_iter().flatten().collect();
    described.sort_by_key(|(status, _)| *status);
    let success = described.into_iter().find(|(status, _)| status.starts_with('2'));
    let Some((status, response)) = success else {
        expectation.status(|status| status / 100 == 2);
        return Ok(expectation);
    };
    match status.parse::<u16>() {
        Ok(expected) => expectation.status(|status| status == expected),
        Err(_) => expectation.status(|status| status / 100 == 2),
    }
    let response = references.resolve(response)?;
    let kinds: Vec<&String> =
        response["content"].as_object().into_iter().flat_map(|kinds| kinds.keys()).collect();
    let produced = operation.get("produces").or_else(|| references.document().get("produces"));
    let produced = produced.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let produced: Vec<&str> = produced.filter(|_| response.get("schema").is_some()).collect();
    let kind = match (kinds.as_slice(), produced.as_slice()) {
        ([kind], _) => Some(kind.as_str()),
        ([], [kind]) => Some(*kind),
        _ => None,
    };
    let Some(kind) = kind.filter(|kind| !kind.contains('*')) else { return Ok(expectation) };
    // Its parameters, such as a charset, may be written in another way.
    let name = kind.split(';').next().unwrap_or(kind).trim();
    expectation.header("content-type", "contains", name);
    if kind.contains("json") {
        let schema = response["content"][kind].get("schema").or_else(|| response.get("schema"));
        for name in required_members(schema, references)? {
            expectation.json(format!("$[{}]", Value::from(name)));
        }
    }
    Ok(expectation)
}

/// The members that an object always has.
fn required_members<'a>(
    schema: Option<&'a Value>,
    references: References<'a>,
) -> Result<Vec<&'a str>, String> {
    let Some(schema) = schema else { return Ok(Vec::new()) };
    let schema = references.resolve(schema)?;
    let mut names: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let part = references.resolve(part)?;
        names.extend(part["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    // A list has no members, whatever its items have.
    names.retain(|_| schema["type"] != "array");
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_null_member_is_still_there() {
        let operation = json!({ "responses": { "200": { "content": { "application/json": { "schema": {
            "required": ["id"], "type": "object" } } } }, "default": {} } });
        let table = expectation(&operation, References::new(&json!({}))).unwrap().into_table().unwrap();
        assert_eq!(table["json"][0].as_str(), Some("$[\"id\"]"));
        assert_eq!(table["status"].as_integer(), Some(200));
        let none = expectation(&json!({}), References::new(&json!({}))).unwrap().into_table().unwrap();
        assert!(none.is_empty());
    }
}
