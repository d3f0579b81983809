//! The parameters of an operation.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::reference::References;
use crate::import_suite::draft::set;
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
        let value = example(parameter, references)?;
        let value =
            value.map_or_else(|| format!("{{{{env.{}}}}}", variable_name(&name)), |text| literal(&text));
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

/// A value that the description gives: an example, a default, or the first of those that are allowed.
fn example(parameter: &Value, references: References<'_>) -> Result<Option<String>, String> {
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
    Ok(candidates.into_iter().flatten().find_map(|value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }))
}
