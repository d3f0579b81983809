//! What an assert or a capture looks at.

use super::token::Token;

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Query {
    /// The status.
    Status,
    /// The time until the response is complete.
    Duration,
    /// A header.
    Header(String),
    /// A cookie that is set, and the attribute in brackets behind its name.
    Cookie(String, Option<String>),
    /// The body.
    Body,
    /// A place in a JSON body.
    Json(String),
    /// What an expression finds in the body.
    Regex(String),
    /// The SHA-256 of the body.
    Sha256,
    /// The bytes of the body.
    Bytes,
    /// The redirects that were followed.
    Redirects,
    /// The URL that answered.
    Url,
    /// The version of HTTP.
    Version,
}

/// The query at the beginning of the words, and the words behind it.
///
/// # Errors
/// A suite has no such query.
pub(super) fn parse(tokens: &[Token]) -> Result<(Query, &[Token]), String> {
    let unknown = |what: &str| format!("the query {what}");
    let (first, rest) = tokens.split_first().ok_or_else(|| unknown("is missing"))?;
    let name = first.word().ok_or_else(|| unknown("is not a word"))?;
    let text = || match rest.split_first() {
        Some((Token::Text(text) | Token::Regex(text), rest)) => Ok((text.clone(), rest)),
        _ => Err(unknown(name)),
    };
    Ok(match name {
        "status" => (Query::Status, rest),
        "duration" => (Query::Duration, rest),
        "body" => (Query::Body, rest),
        "sha256" => (Query::Sha256, rest),
        "bytes" => (Query::Bytes, rest),
        "redirects" => (Query::Redirects, rest),
        "url" => (Query::Url, rest),
        "version" => (Query::Version, rest),
        "header" => text().map(|(name, rest)| (Query::Header(name), rest))?,
        "jsonpath" => text().map(|(path, rest)| (Query::Json(path), rest))?,
        "regex" => text().map(|(regex, rest)| (Query::Regex(regex), rest))?,
        "cookie" => text().map(|(name, rest)| (cookie(&name), rest))?,
        other => return Err(unknown(other)),
    })
}

fn cookie(text: &str) -> Query {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, "Value")) => Query::Cookie(name.to_owned(), None),
        Some((name, attribute)) => Query::Cookie(name.to_owned(), Some(attribute.to_owned())),
        None => Query::Cookie(text.to_owned(), None),
    }
}

/// The expression for the value of a cookie in a header `set-cookie`, or of one of its attributes: what comes before it.
pub(super) fn cookie_prefix(name: &str, attribute: Option<&str>) -> String {
    let name = regex::escape(name);
    match attribute {
        None => format!("^{name}="),
        Some(attribute) => format!("^{name}=.*;\\s*(?i:{})=", regex::escape(attribute)),
    }
}
