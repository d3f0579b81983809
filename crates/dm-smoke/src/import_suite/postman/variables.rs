//! The variables of a collection.

use std::collections::{BTreeMap, BTreeSet};

use common::secrets::is_secret_name;
use serde_json::Value;

use crate::import_suite::placeholder;
use crate::import_suite::secret::variable_name;

/// How deep values of variables insert others.
const MAX_DEPTH: usize = 8;

/// The variables of a collection, and those that its scripts have set so far.
#[derive(Debug, Default)]
pub(super) struct Variables {
    /// Those with a value in the collection.
    values: BTreeMap<String, String>,
    /// Those that a script captures.
    captured: BTreeSet<String>,
    /// The variable that URLs begin with.
    base: Option<String>,
}

impl Variables {
    /// The variables of the collection itself.
    pub(super) fn of(collection: &Value) -> Self {
        let mut variables = Self::default();
        for variable in collection["variable"].as_array().into_iter().flatten() {
            let name = variable["key"].as_str().or_else(|| variable["id"].as_str());
            if let (Some(name), Some(value)) = (name, text_of(&variable["value"])) {
                variables.set(name, &value);
            }
        }
        variables
    }

    /// Gives a variable a value that is known.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.values.insert(name.to_owned(), value.to_owned());
        }
    }

    /// From here on, the variable has the value that a test captures. Returns its name in the suite.
    pub(super) fn capture(&mut self, name: &str) -> String {
        self.captured.insert(name.to_owned());
        captured_name(name)
    }

    /// Makes this variable the base of URLs, if none is yet.
    pub(super) fn set_base(&mut self, name: &str) -> bool {
        let base = self.base.get_or_insert_with(|| name.to_owned());
        base == name
    }

    /// The base of URLs, and its value without a secret.
    pub(super) fn base(&self) -> Option<(&str, Option<&str>)> {
        let name = self.base.as_deref()?;
        let value = self.values.get(name).map(String::as_str).filter(|value| !value.contains('@'));
        Some((name, value))
    }

    /// The text with the placeholders of a suite.
    ///
    /// # Errors
    /// It inserts something that a suite does not have, such as a random value.
    pub(super) fn insert(&self, text: &str) -> Result<String, String> {
        self.insert_up_to(text, MAX_DEPTH)
    }

    fn insert_up_to(&self, text: &str, depth: usize) -> Result<String, String> {
        placeholder::replace(text, |name| {
            if self.captured.contains(name) {
                return Ok(format!("{{{{{}}}}}", captured_name(name)));
            }
            match name {
                "$guid" | "$randomUUID" => return Ok("{{run.id}}".to_owned()),
                "$isoTimestamp" => return Ok("{{run.time}}".to_owned()),
                _ => {}
            }
            if name.starts_with('$') {
                return Err(format!("the generated value {name}"));
            }
            match self.values.get(name) {
                Some(value) if !is_secret_name(name) && depth > 0 => self.insert_up_to(value, depth - 1),
                _ => Ok(format!("{{{{env.{}}}}}", variable_name(name))),
            }
        })
    }
}

/// A name that a suite allows.
fn captured_name(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if plain.starts_with(|c: char| c.is_ascii_digit()) { format!("_{plain}") } else { plain }
}

/// A text, a number or a boolean as text.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_inserted_and_secrets_become_variables() {
        let collection = serde_json::json!({ "variable": [
            { "key": "host", "value": "h:{{port}}" }, { "key": "port", "value": 8080 },
            { "key": "apiKey", "value": "hush" }, { "key": "loop", "value": "{{loop}}" },
        ]});
        let mut variables = Variables::of(&collection);
        let insert = |variables: &Variables, text: &str| variables.insert(text);
        assert_eq!(insert(&variables, "http://{{host}}/").unwrap(), "http://h:8080/");
        assert_eq!(insert(&variables, "{{apiKey}} {{unknown}}").unwrap(), "{{env.API_KEY}} {{env.UNKNOWN}}");
        assert_eq!(insert(&variables, "{{loop}}").unwrap(), "{{env.LOOP}}");
        assert!(insert(&variables, "{{$randomColor}}").is_err());
        assert_eq!(insert(&variables, "{{$guid}}").unwrap(), "{{run.id}}");
        assert_eq!(variables.capture("user-id"), "user_id");
        assert_eq!(insert(&variables, "{{user-id}}").unwrap(), "{{user_id}}");
    }
}
