//! Filters of texts.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use quick_xml::escape::{escape, unescape};
use regex::{Captures, Regex};
use url::form_urlencoded;

use super::bound::{TOO_LONG, bounded};
use crate::coding::MAX_BODY_BYTES;
use crate::datum::Datum;

/// What is percent-encoded: all but what RFC 3986 calls unreserved, and slashes, as Hurl does.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The longest reference to a character in HTML, without `&` and `;`: `CounterClockwiseContourIntegral`.
const MAX_ENTITY_BYTES: usize = 31;

pub(super) fn html_escape(value: &Datum) -> Result<Datum, String> {
    bounded(escape(value.text()?).into_owned())
}

/// Replaces the references that HTML knows. Others stay as they are, as in browsers.
pub(super) fn html_unescape(value: &Datum) -> Result<Datum, String> {
    let text = value.text()?;
    let mut unescaped = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some((before, after)) = rest.split_once('&') {
        unescaped.push_str(before);
        let is_number = after.starts_with('#');
        let length = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || is_number && c == '#'))
            .unwrap_or(after.len());
        let (name, tail) = after.split_at_checked(length).unwrap_or((after, ""));
        let is_closed = tail.starts_with(';');
        // A number ends without a semicolon too.
        let is_reference = (1..=MAX_ENTITY_BYTES).contains(&name.len()) && (is_closed || is_number);
        let reference = format!("&{name};").replace("&#X", "&#x");
        let character = if is_reference { unescape(&reference).ok() } else { None };
        if let Some(character) = character {
            unescaped.push_str(&character);
            rest = tail.strip_prefix(';').unwrap_or(tail);
        } else {
            unescaped.push('&');
            rest = after;
        }
    }
    unescaped.push_str(rest);
    bounded(unescaped)
}

pub(super) fn url_encode(value: &Datum) -> Result<Datum, String> {
    bounded(utf8_percent_encode(&value.text()?, ENCODED).to_string())
}

pub(super) fn url_decode(value: &Datum) -> Result<Datum, String> {
    let text = value.text()?;
    let decoded = percent_decode_str(&text).decode_utf8();
    bounded(decoded.map_err(|_| "the decoded bytes are not UTF-8".to_owned())?.into_owned())
}

pub(super) fn query_parameter(value: &Datum, name: &str) -> Result<Datum, String> {
    let text = value.text()?;
    let (_, query) = text.split_once('?').ok_or("the URL has no query")?;
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found
        .map(|(_, value)| Datum::from(value.into_owned()))
        .ok_or_else(|| "the URL has no such parameter".to_owned())
}

pub(super) fn regex(value: &Datum, regex: &Regex) -> Result<Datum, String> {
    let text = value.text()?;
    let groups = regex.captures(&text).ok_or("nothing matches")?;
    let part = groups.get(1).or_else(|| groups.get(0)).ok_or("nothing matches")?;
    Ok(part.as_str().into())
}

pub(super) fn replace(value: &Datum, from: &str, to: &str) -> Result<Datum, String> {
    let text = value.text()?;
    let longest = text.matches(from).count().saturating_mul(to.len()).saturating_add(text.len());
    // The text that is replaced goes away, so this is more than the result can have.
    if longest > 2 * MAX_BODY_BYTES {
        return Err(TOO_LONG.to_owned());
    }
    bounded(text.replace(from, to))
}

pub(super) fn replace_regex(value: &Datum, regex: &Regex, to: &str) -> Result<Datum, String> {
    let text = value.text()?;
    let mut length = text.len();
    let replaced: Cow<'_, str> = regex.replace_all(&text, |groups: &Captures<'_>| {
        let mut part = String::new();
        if length <= MAX_BODY_BYTES {
            groups.expand(to, &mut part);
            length = length.saturating_add(part.len());
        }
        part
    });
    let replaced = replaced.into_owned();
    if length > MAX_BODY_BYTES && replaced.len() < length {
        // Some parts may have been left out.
        return Err(TOO_LONG.to_owned());
    }
    bounded(replaced)
}
