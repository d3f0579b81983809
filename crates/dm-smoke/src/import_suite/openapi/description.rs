//! A description as a suite.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::operation;
use super::reference::References;
use crate::import_suite::draft::Draft;

/// Makes a suite of a description, in JSON or YAML.
///
/// # Errors
/// The text is not one, or has no GET operation.
pub(crate) fn translate(text: &str) -> Result<Draft> {
    let text = text.trim_start_matches('\u{feff}');
    // YAML includes JSON, but JSON's reader says better what is wrong with it.
    let document: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).context("it is not valid JSON")?
    } else {
        serde_saphyr::from_str(text).context("it is not valid YAML")?
    };
    let version = ["openapi", "swagger"].into_iter().find_map(|key| document.get(key)).map(Value::to_string);
    let version = version.unwrap_or_default();
    let version = version.trim_matches('"');
    if !version.starts_with("3.") && !version.starts_with('2') {
        bail!("it is not a description: neither openapi: 3.x nor swagger: 2.0 is in it");
    }
    let mut draft = Draft::default();
    document["info"]["title"].as_str().unwrap_or_default().clone_into(&mut draft.name);
    let references = References::new(&document);
    let paths = document["paths"].as_object();
    for (path, item) in paths.into_iter().flatten() {
        let line = line_of(text, path);
        match references.resolve(item) {
            Ok(item) if item.get("get").is_some() => {
                operation::add(path, item, line, references, &mut draft);
            }
            Ok(_) => {}
            Err(why) => draft.problem(line, format!("no test for {path:?}: {why}")),
        }
    }
    if draft.tests.is_empty() && draft.problems.is_empty() {
        bail!("it describes no GET operation");
    }
    if let Some(server) = server(&document) {
        draft.notes.push(format!("give the server as --base-url; the description says {server}"));
    }
    Ok(draft)
}

/// The line of a path: the first on which it is a key.
fn line_of(text: &str, path: &str) -> usize {
    let forms = [format!("{path}:"), format!("\"{path}\""), format!("'{path}'")];
    let is_key = |line: &str| forms.iter().any(|form| line.trim_start().starts_with(form.as_str()));
    text.lines().position(is_key).map_or(0, |at| at + 1)
}

/// The first server, with the values of its variables.
fn server(document: &Value) -> Option<String> {
    if let Some(server) = document["servers"].as_array().and_then(|servers| servers.first()) {
        let mut url = server["url"].as_str()?.to_owned();
        for (name, variable) in server["variables"].as_object().into_iter().flatten() {
            url = url.replace(&format!("{{{name}}}"), variable["default"].as_str().unwrap_or_default());
        }
        return Some(url);
    }
    let host = document["host"].as_str()?;
    let scheme = document["schemes"][0].as_str().unwrap_or("https");
    Some(format!("{scheme}://{host}{}", document["basePath"].as_str().unwrap_or_default()))
}
