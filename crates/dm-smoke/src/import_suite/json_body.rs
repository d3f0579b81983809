//! Bodies of requests: as JSON of a suite if they are JSON, and otherwise as text.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::secret::Secrets;

/// Adds the body to a request. Values with telling names become variables.
pub(super) fn add(http: &mut Table, text: &str, secrets: &mut Secrets) {
    let parsed = serde_json::from_str::<Json>(text).ok().filter(|json| json.is_object() || json.is_array());
    if let Some(body) = parsed.and_then(|json| toml_of(&json, "", secrets)) {
        http.insert("json".to_owned(), body);
        return;
    }
    http.insert("body".to_owned(), Value::String(hide_in_text(text, secrets)));
}

/// The same value in TOML, which has no null and no larger integers.
fn toml_of(json: &Json, name: &str, secrets: &mut Secrets) -> Option<Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(boolean) => Value::Boolean(*boolean),
        Json::Number(number) if number.is_f64() => Value::Float(number.as_f64()?),
        Json::Number(number) => Value::Integer(number.as_i64()?),
        Json::String(text) => Value::String(secrets.hide(name, text)),
        Json::Array(list) => {
            Value::Array(list.iter().map(|item| toml_of(item, name, secrets)).collect::<Option<_>>()?)
        }
        Json::Object(members) => {
            let mut table = Table::new();
            for (name, member) in members {
                table.insert(super::placeholder::literal(name), toml_of(member, name, secrets)?);
            }
            Value::Table(table)
        }
    })
}

/// Hides values in a text that is almost JSON: `"password": "…"`.
fn hide_in_text(text: &str, secrets: &mut Secrets) -> String {
    let Ok(member) = regex::Regex::new(r#""([^"\\{}]+)"(\s*:\s*)"((?:[^"\\]|\\.)*)""#) else {
        return text.to_owned();
    };
    let replaced = member.replace_all(text, |found: &regex::Captures<'_>| {
        format!("\"{}\"{}\"{}\"", &found[1], &found[2], secrets.hide(&found[1], &found[3]))
    });
    replaced.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(text: &str) -> String {
        let mut http = Table::new();
        add(&mut http, text, &mut Secrets::default());
        Value::Table(http).to_string()
    }

    #[test]
    fn json_stays_json_and_anything_else_stays_text() {
        assert_eq!(
            added(r#"{"a": 1, "password": "x", "b": [true]}"#),
            r#"{ json = { a = 1, b = [true], password = "{{env.PASSWORD}}" } }"#
        );
        assert_eq!(
            added(r#"{"a": null, "token": "x"}"#),
            r#"{ body = '{"a": null, "token": "{{env.TOKEN}}"}' }"#
        );
        assert_eq!(added("a=b"), r#"{ body = "a=b" }"#);
    }
}
