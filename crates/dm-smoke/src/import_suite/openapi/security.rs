//! How an operation wants to be authorized.

use serde_json::Value;
use toml::{Table, Value as Toml};

use super::reference::References;
use crate::import_suite::draft::set;
use crate::import_suite::secret::variable_name;

/// Adds the authorization of the first alternative, with variables for its secrets.
///
/// # Errors
/// A suite cannot authorize itself so. The message says why.
pub(super) fn add(operation: &Value, references: References<'_>, http: &mut Table) -> Result<(), String> {
    let document = references.document();
    let required = operation.get("security").unwrap_or(&document["security"]);
    let alternatives = required.as_array().into_iter().flatten().filter_map(Value::as_object);
    // Where one alternative is none, nothing is required.
    let mut alternatives = alternatives.peekable();
    let Some(first) = alternatives.peek().copied() else { return Ok(()) };
    if alternatives.any(serde_json::Map::is_empty) {
        return Ok(());
    }
    for name in first.keys() {
        let known = document["components"]["securitySchemes"].get(name);
        let scheme = known.or_else(|| document["securityDefinitions"].get(name));
        let scheme = scheme.ok_or_else(|| format!("the security scheme {name} is not described"))?;
        add_scheme(name, references.resolve(scheme)?, http)?;
    }
    Ok(())
}

fn add_scheme(name: &str, scheme: &Value, http: &mut Table) -> Result<(), String> {
    let kind = scheme["type"].as_str().unwrap_or_default();
    let how = scheme["scheme"].as_str().unwrap_or_default().to_lowercase();
    let variable = |suffix: &str| format!("{{{{env.{}{suffix}}}}}", variable_name(name));
    match (kind, how.as_str()) {
        ("basic", _) | ("http", "basic") => {
            set(http, "basic_auth", "user", variable("_USER"));
            set(http, "basic_auth", "password", variable("_PASSWORD"));
        }
        ("http", "bearer") | ("oauth2" | "openIdConnect", _) => {
            http.insert("bearer".to_owned(), Toml::String(variable("_TOKEN")));
        }
        ("apiKey", _) => {
            let key = scheme["name"].as_str().unwrap_or_default();
            match scheme["in"].as_str() {
                Some("query") => set(http, "query", key, variable("")),
                Some("cookie") => set(http, "headers", "cookie", format!("{key}={}", variable(""))),
                _ => set(http, "headers", key, variable("")),
            }
        }
        _ => return Err(format!("the security scheme {name} of the type {kind} {how}")),
    }
    Ok(())
}
