//! The captures of a Hurl file, and the parts of a response that its asserts filter.

use http_expect::JsonPath;
use toml::{Table, Value};

use super::filter::filters;
use super::query::{Query, cookie_prefix, parse};
use super::token::{Token, tokens};

/// The source of a captured value, as a suite writes it.
///
/// # Errors
/// A suite cannot capture it. The message says what.
pub(super) fn source(query: &str) -> Result<Value, String> {
    let tokens = tokens(query)?;
    let (query, filters) = parse(&tokens)?;
    match (&query, filters) {
        (Query::Json(path), []) => {
            path.parse::<JsonPath>()?;
            Ok(Value::String(path.clone()))
        }
        _ => part(query, filters).map(Value::Table),
    }
}

/// The part of a response that a query with filters finds, as a suite writes it.
///
/// # Errors
/// A suite has no such part, or no such filter.
pub(super) fn part(query: Query, filter_words: &[Token]) -> Result<Table, String> {
    let text = |key: &str, text: String| Table::from_iter([(key.to_owned(), Value::String(text))]);
    let flag = |key: &str| Table::from_iter([(key.to_owned(), Value::Boolean(true))]);
    let mut part = match query {
        Query::Json(path) => {
            path.parse::<JsonPath>()?;
            text("json", path)
        }
        Query::Header(name) => text("header", name),
        Query::Regex(regex) => text("regex", regex),
        Query::Cookie(name, attribute) => {
            let regex = format!("{}([^;]*)", cookie_prefix(&name, attribute.as_deref()));
            let mut part = text("header", "set-cookie".to_owned());
            part.extend(text("regex", regex));
            part
        }
        Query::Url => flag("url"),
        Query::Status => flag("status"),
        Query::Body => flag("body"),
        Query::Bytes => flag("bytes"),
        Query::Duration | Query::Sha256 | Query::Redirects | Query::Version => {
            return Err("this query with a filter or in a capture".to_owned());
        }
    };
    let mut filters = filters(filter_words)?;
    let first = filters.first().and_then(|filter| filter.get("regex")).cloned();
    if let Some(regex) = first.filter(|_| !part.contains_key("regex")) {
        part.insert("regex".to_owned(), regex);
        part.remove("body");
        filters.remove(0);
    }
    if !filters.is_empty() {
        part.insert("filters".to_owned(), Value::Array(filters));
    }
    Ok(part)
}
