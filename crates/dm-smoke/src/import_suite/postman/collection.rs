//! A collection as a suite.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::item::{Inherited, Position, translate_item};
use super::variables::Variables;
use crate::import_suite::draft::Draft;

/// The most folders in each other.
const MAX_DEPTH: usize = 32;

/// Makes a suite of a collection.
///
/// # Errors
/// The text is not one.
pub(crate) fn translate(text: &str) -> Result<Draft> {
    let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .context("it is not a Postman collection")?;
    // Postman's API wraps it.
    let collection = document.get("collection").unwrap_or(&document);
    let Some(items) = collection.get("item").and_then(Value::as_array) else {
        bail!("it is not a Postman collection of version 2: it has no item");
    };
    let mut draft = Draft::default();
    collection["info"]["name"].as_str().unwrap_or_default().clone_into(&mut draft.name);
    let mut variables = Variables::of(collection);
    let mut position = Position::new(text);
    let inherited = Inherited::default().with(collection);
    add_items(items, &inherited, 0, &mut variables, &mut position, &mut draft);
    if let Some((name, value)) = variables.base() {
        let value = value.map_or("its value".to_owned(), |value| format!("its value, such as {value}"));
        draft.notes.push(format!("the URLs begin with the variable {name}: give {value}, as --base-url"));
    }
    if draft.tests.is_empty() && draft.problems.is_empty() {
        bail!("the collection has no request");
    }
    Ok(draft)
}

fn add_items(
    items: &[Value],
    inherited: &Inherited<'_>,
    depth: usize,
    variables: &mut Variables,
    position: &mut Position<'_>,
    draft: &mut Draft,
) {
    for item in items {
        let line = position.of_name(item["name"].as_str().unwrap_or_default());
        match item.get("item").and_then(Value::as_array) {
            Some(inner) if depth < MAX_DEPTH => {
                let inherited = inherited.with(item).inside(&item["name"]);
                add_items(inner, &inherited, depth + 1, variables, position, draft);
            }
            Some(_) => draft.problem(line, "folders that are too deep"),
            None => translate_item(item, line, &inherited.with(item), variables, position, draft),
        }
    }
}
