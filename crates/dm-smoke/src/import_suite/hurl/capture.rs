//! The captures of a Hurl file.

use http_expect::JsonPath;
use toml::{Table, Value};

use super::query::{Query, cookie_prefix, parse};
use super::token::{Token, tokens};

/// The source of a captured value, as a suite writes it.
///
/// # Errors
/// A suite cannot capture it. The message says what.
pub(super) fn source(query: &str) -> Result<Value, String> {
    let tokens = tokens(query)?;
    let (query, filters) = parse(&tokens)?;
    let regex = match filters {
        [] => None,
        [Token::Word(name), Token::Text(regex) | Token::Regex(regex)] if name == "regex" => {
            Some(regex.clone())
        }
        [other, ..] => return Err(format!("the filter {}", other.word().unwrap_or_default())),
    };
    let table = |pairs: &[(&str, String)]| {
        let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), Value::String(text.clone())));
        Value::Table(pairs.collect::<Table>())
    };
    Ok(match (query, regex) {
        (Query::Json(path), None) => {
            path.parse::<JsonPath>()?;
            Value::String(path)
        }
        (Query::Header(name), None) => table(&[("header", name)]),
        (Query::Header(name), Some(regex)) => table(&[("header", name), ("regex", regex)]),
        (Query::Regex(regex), None) | (Query::Body, Some(regex)) => table(&[("regex", regex)]),
        (Query::Body, None) => table(&[("regex", r"(?s)\A(.*)\z".to_owned())]),
        (Query::Cookie(name, attribute), None) => {
            let regex = format!("{}([^;]*)", cookie_prefix(&name, attribute.as_deref()));
            table(&[("header", "set-cookie".to_owned()), ("regex", regex)])
        }
        (Query::Url, None) => Value::Table(Table::from_iter([("url".to_owned(), Value::Boolean(true))])),
        (Query::Status, _) => return Err("the capture of a status".to_owned()),
        (_, _) => return Err("a regex of this query".to_owned()),
    })
}
