//! The filters of a Hurl file, as a suite writes them.

use http_expect::{DateFormat, JsonPath};
use toml::{Table, Value};

use super::token::Token;

/// The filters that take no argument: Hurl's name, and that of a suite.
const PLAIN: [(&str, &str); 14] = [
    ("base64Decode", "base64_decode"),
    ("base64Encode", "base64_encode"),
    ("base64UrlSafeDecode", "base64_decode"),
    ("base64UrlSafeEncode", "base64url_encode"),
    ("count", "count"),
    ("first", "first"),
    ("htmlEscape", "html_escape"),
    ("htmlUnescape", "html_unescape"),
    ("last", "last"),
    ("toFloat", "to_float"),
    ("toHex", "to_hex"),
    ("toInt", "to_int"),
    ("urlDecode", "url_decode"),
    ("urlEncode", "url_encode"),
];

/// Those that take one: Hurl's names, the newer one first, and that of a suite.
const WITH_ARGUMENT: [(&[&str], &str); 8] = [
    (&["charsetDecode", "decode"], "decode"),
    (&["dateFormat", "format"], "format_date"),
    (&["jsonpath"], "json"),
    (&["nth"], "nth"),
    (&["regex"], "regex"),
    (&["split"], "split"),
    (&["toDate"], "parse_date"),
    (&["urlQueryParam"], "query_parameter"),
];

/// The words of filters as a list of a suite.
///
/// # Errors
/// A suite has no such filter. The message names it.
pub(super) fn filters(mut tokens: &[Token]) -> Result<Vec<Value>, String> {
    let mut filters = Vec::new();
    while let Some((first, rest)) = tokens.split_first() {
        let name = first.word().ok_or("the filter is not a word")?;
        let unknown = || format!("the filter {name}");
        let (filter, rest) = if let Some((_, plain)) = PLAIN.into_iter().find(|(known, _)| *known == name) {
            (Value::String(plain.to_owned()), rest)
        } else if name == "utf8Decode" {
            (table("decode", "utf-8".into()), rest)
        } else if name == "utf8Encode" {
            (table("encode", "utf-8".into()), rest)
        } else if let Some((_, own)) = WITH_ARGUMENT.into_iter().find(|(known, _)| known.contains(&name)) {
            let (argument, rest) = rest.split_first().ok_or_else(unknown)?;
            (table(own, argument_of(own, argument).ok_or_else(unknown)?), rest)
        } else if let ("replace" | "replaceRegex", [from, to, rest @ ..]) = (name, rest) {
            let own = if name == "replace" { "replace" } else { "replace_regex" };
            let from = expression(own == "replace_regex", from).ok_or_else(unknown)?;
            let Token::Text(to) = to else { return Err(unknown()) };
            (table(own, Value::Array(vec![from, literal(to)])), rest)
        } else {
            return Err(unknown());
        };
        // The arguments of a suite's filters take no values.
        if filter.to_string().contains("{{") {
            return Err(format!("a value in the filter {name}"));
        }
        filters.push(filter);
        tokens = rest;
    }
    Ok(filters)
}

fn table(name: &str, argument: Value) -> Value {
    Value::Table(Table::from_iter([(name.to_owned(), argument)]))
}

/// The argument of a filter, if a suite can take it.
fn argument_of(own: &str, argument: &Token) -> Option<Value> {
    match (own, argument) {
        ("nth", Token::Word(index)) => index.parse().ok().map(Value::Integer),
        ("regex", argument) => expression(true, argument),
        ("json", Token::Text(path)) => path.parse::<JsonPath>().ok().map(|_| literal(path)),
        ("format_date" | "parse_date", Token::Text(format)) => {
            format.parse::<DateFormat>().ok().map(|_| literal(format))
        }
        ("nth" | "json" | "format_date" | "parse_date", _) => None,
        (_, Token::Text(text)) if !text.is_empty() => Some(literal(text)),
        _ => None,
    }
}

/// A text, or if it `is_regex` an expression, that is not empty.
fn expression(is_regex: bool, token: &Token) -> Option<Value> {
    let (Token::Text(text) | Token::Regex(text)) = token else { return None };
    let is_valid = if is_regex { regex::Regex::new(text).is_ok() } else { matches!(token, Token::Text(_)) };
    (is_valid && !text.is_empty()).then(|| literal(text))
}

fn literal(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::import_suite::hurl::token::tokens;

    #[test]
    fn each_filter_has_its_words() {
        let written = |line: &str| filters(&tokens(line).unwrap()).map(|list| Value::Array(list).to_string());
        assert_eq!(
            written("base64Decode utf8Decode").unwrap(),
            "[\"base64_decode\", { decode = \"utf-8\" }]"
        );
        assert_eq!(written("split \", \" nth -1").unwrap(), "[{ split = \", \" }, { nth = -1 }]");
        assert_eq!(written("replaceRegex /\\d/ \"x\"").unwrap(), "[{ replace_regex = ['\\d', \"x\"] }]");
        assert_eq!(
            written("toDate \"%Y\" format \"%m\"").unwrap(),
            "[{ parse_date = \"%Y\" }, { format_date = \"%m\" }]"
        );
        for unknown in [
            "daysAfterNow",
            "xpath \"//p\"",
            "nth",
            "split /x/",
            "toDate \"%Q\"",
            "regex /(/",
            "jsonpath \"a\"",
        ] {
            assert!(written(unknown).unwrap_err().starts_with("the filter "), "{unknown}");
        }
    }
}
