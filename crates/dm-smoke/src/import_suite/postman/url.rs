//! The URLs of a collection.

use serde_json::Value;
use toml::Table;

use super::variables::{Variables, text_of};
use crate::import_suite::draft::add_pair;
use crate::import_suite::secret::Secrets;

/// Adds the URL and its query to a request.
///
/// # Errors
/// There is no URL, or it inserts something that a suite does not have.
pub(super) fn add(
    url: &Value,
    http: &mut Table,
    variables: &mut Variables,
    secrets: &mut Secrets,
) -> Result<(), String> {
    let raw = url.as_str().or_else(|| url["raw"].as_str()).unwrap_or_default();
    if raw.is_empty() {
        return Err("no URL".to_owned());
    }
    let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
    let path = with_path_variables(path, url);
    http.insert("url".to_owned(), toml::Value::String(base_of(&path, variables)?));
    let pairs = match url["query"].as_array() {
        Some(list) => list.iter().filter(|pair| pair["disabled"] != true).map(key_value).collect(),
        None => query.split('&').filter(|pair| !pair.is_empty()).map(split).collect::<Vec<_>>(),
    };
    for (name, value) in pairs {
        let value = secrets.hide(&name, &variables.insert(&value)?);
        add_pair(http, "query", &variables.insert(&name)?, value);
    }
    Ok(())
}

fn key_value(pair: &Value) -> (String, String) {
    (pair["key"].as_str().unwrap_or_default().to_owned(), text_of(&pair["value"]).unwrap_or_default())
}

fn split(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (name.to_owned(), value.to_owned())
}

/// The path with the values of `:name`.
fn with_path_variables(path: &str, url: &Value) -> String {
    let mut path = path.to_owned();
    for variable in url["variable"].as_array().into_iter().flatten() {
        let Some(name) = variable["key"].as_str() else { continue };
        let value = text_of(&variable["value"]).filter(|value| !value.is_empty());
        let value = value.unwrap_or_else(|| format!("{{{{{name}}}}}"));
        let segments =
            path.split('/').map(|part| if part == format!(":{name}") { value.as_str() } else { part });
        path = segments.collect::<Vec<_>>().join("/");
    }
    path
}

/// The URL; one that begins with a variable is relative to that.
fn base_of(path: &str, variables: &mut Variables) -> Result<String, String> {
    if let Some((name, rest)) = path.strip_prefix("{{").and_then(|rest| rest.split_once("}}"))
        && (rest.is_empty() || rest.starts_with('/'))
        && variables.set_base(name.trim())
    {
        let rest = variables.insert(rest)?;
        return Ok(if rest.is_empty() { "/".to_owned() } else { rest });
    }
    let url = variables.insert(path)?;
    // Postman adds the scheme.
    Ok(if url.contains("://") { url } else { format!("http://{url}") })
}
