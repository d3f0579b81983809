//! The parameters of an operation.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::reference::References;
use crate::import_suite::draft::{add_pair, set};
use crate::import_suite::placeholder::literal;
use crate::import_suite::secret::variable_name;

/// Adds the URL, and the parameters that are required.
///
/// # Errors
/// A suite cannot send them. The message says why.
pub(super) fn add(
    path: &str,
    item: &Value,
    operation: &Value,
    references: References<'_>,
    http: &mut Table,
) -> Result<(), String> {
    // Those of the operation replace those of the path.
    let mut parameters: BTreeMap<(String, String), &Value> = BTreeMap::new();
    for owner in [item, operation] {
        for parameter in owner["parameters"].as_array().into_iter().flatten() {
            let parameter = references.resolve(parameter)?;
            let part = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
            parameters.insert((part("in"), part("name")), parameter);
        }
    }
    let mut url = literal(path);
    for ((place, name), parameter) in parameters {
        let is_required = parameter["required"] == true;
        let values = example(parameter, references)?;
        // In a query, each item of a list is a parameter, unless the description says otherwise.
        if place == "query" && is_required && values.len() > 1 && parameter["explode"] != false {
            for value in &values {
                add_pair(http, "query", &name, literal(value));
            }
            continue;
        }
        let value = match values.as_slice() {
            [] => format!("{{{{env.{}}}}}", variable_name(&name)),
            values => literal(&values.join(",")),
        };
        match place.as_str() {
            "path" => url = url.replace(&format!("{{{name}}}"), &value),
            "query" if is_required => set(http, "query", &name, value),
            "header" if is_required => set(http, "headers", &name, value),
            "cookie" if is_required => set(http, "headers", "cookie", format!("{name}={value}")),
            "body" | "formData" if is_required => return Err("it takes a body".to_owned()),
            _ => {}
        }
    }
    if url.replace("{{", "").contains('{') && !url.contains("{{env.") {
        return Err(format!("the parameters of {path} are not described"));
    }
    http.insert("url".to_owned(), Toml::String(url));
    Ok(())
}

/// A value that the description gives, or the items of a list: an example, a default, or the first of those that are
/// allowed. Nothing, if it gives none.
fn example(parameter: &Value, references: References<'_>) -> Result<Vec<String>, String> {
    let schema = references.resolve(&parameter["schema"])?;
    let named = parameter["examples"].as_object().and_then(|examples| examples.values().next());
    let named =
        named.map(|example| references.resolve(example)).transpose()?.map(|example| &example["value"]);
    let candidates = [
        Some(&parameter["example"]),
        Some(&parameter["x-example"]),
        named,
        Some(&schema["example"]),
        Some(&schema["examples"][0]),
        Some(&schema["default"]),
        Some(&schema["enum"][0]),
        Some(&parameter["default"]),
        Some(&parameter["enum"][0]),
    ];
    let texts = |value: &Value| match value {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => items.iter().map(text).collect::<Option<Vec<String>>>(),
        value => text(value).map(|text| vec![text]),
    };
    Ok(candidates.into_iter().flatten().find_map(texts).unwrap_or_default())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
