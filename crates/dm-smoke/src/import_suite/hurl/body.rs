//! The bodies of a Hurl file.

use serde_json::json;
use toml::{Table, Value};

use crate::import_suite::draft::set;
use crate::import_suite::json_body;
use crate::import_suite::secret::Secrets;

/// Adds the body to a request, with its content type unless the file has one. `template` replaces placeholders.
///
/// # Errors
/// A suite cannot send it. The message says what.
pub(super) fn add(
    http: &mut Table,
    text: &str,
    secrets: &mut Secrets,
    template: impl Fn(&str) -> Result<String, String>,
) -> Result<(), String> {
    for (form, key) in [("file,", "file"), ("base64,", "base64")] {
        if let Some(value) = text.strip_prefix(form).and_then(|text| text.trim_end().strip_suffix(';')) {
            let value = template(value.trim())?;
            http.insert("body".to_owned(), Value::Table(Table::from_iter([(key.to_owned(), value.into())])));
            return Ok(());
        }
    }
    let (kind, content) = content(text)?;
    let content = template(&content)?;
    let has_type = http
        .get("headers")
        .and_then(Value::as_table)
        .is_some_and(|headers| headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")));
    if let Some(kind) = kind.filter(|_| !has_type) {
        set(http, "headers", "content-type", kind);
    }
    if kind == Some("application/json") {
        json_body::add(http, &content, secrets);
    } else {
        http.insert("body".to_owned(), Value::String(content));
    }
    Ok(())
}

/// The content type that belongs to the form of the body, and the content.
pub(super) fn content(text: &str) -> Result<(Option<&'static str>, String), String> {
    if let Some(inside) = text.strip_prefix("```").and_then(|text| text.strip_suffix("```")) {
        let (language, lines) = inside.split_once('\n').unwrap_or(("", inside));
        return match language.trim() {
            "" => Ok((None, lines.to_owned())),
            "json" => Ok((Some("application/json"), lines.to_owned())),
            "xml" => Ok((Some("application/xml"), lines.to_owned())),
            "graphql" => graphql(lines).map(|body| (Some("application/json"), body)),
            other => Err(format!("a body of the form {other}")),
        };
    }
    if let Some(inside) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        return Ok((None, inside.to_owned()));
    }
    match text.chars().next() {
        Some('{' | '[' | '"') => Ok((Some("application/json"), text.to_owned())),
        Some('<') => Ok((Some("application/xml"), text.to_owned())),
        _ => Err(format!("the body {}", text.split(',').next().unwrap_or_default())),
    }
}

fn graphql(text: &str) -> Result<String, String> {
    let (query, variables) = match text.find("\nvariables") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let variables = variables.trim().trim_start_matches("variables").trim();
    if variables.is_empty() {
        return Ok(json!({ "query": query.trim() }).to_string());
    }
    let variables: serde_json::Value =
        serde_json::from_str(variables).map_err(|_| "variables of GraphQL that are no JSON")?;
    Ok(json!({ "query": query.trim(), "variables": variables }).to_string())
}
