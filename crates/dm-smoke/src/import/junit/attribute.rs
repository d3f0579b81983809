//! Attributes and references of an XML element, read leniently: no fault in a text may hide a test.

use quick_xml::escape::{resolve_xml_entity, unescape_with};
use quick_xml::events::{BytesRef, BytesStart};

use super::MAX_TEXT;

/// The value of the first of these attributes that the element has. Producers write their names in any case.
pub(super) fn first(element: &BytesStart<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let mut attributes = element.attributes();
        let mut values = attributes
            .with_checks(false)
            .flatten()
            .filter(|attribute| attribute.key.local_name().as_ref().eq_ignore_ascii_case(name.as_bytes()))
            .map(|attribute| unescape(&String::from_utf8_lossy(&attribute.value)));
        values.next()
    })
}

/// The first of these attributes that the element has, as a count. Zero if it is no number.
pub(super) fn count(element: &BytesStart<'_>, names: &[&str]) -> u64 {
    let text = first(element, names).unwrap_or_default();
    // Some producers write 1,234, some 1.0.
    let digits: String = text.chars().take_while(|c| *c != '.').filter(char::is_ascii_digit).collect();
    if text.trim_start().starts_with('-') { 0 } else { digits.parse().unwrap_or_default() }
}

/// The text of a reference. One that cannot be resolved stays as it is written: custom entities can name files.
pub(super) fn resolve(reference: &BytesRef<'_>) -> String {
    let character = reference.resolve_char_ref().ok().flatten().map(String::from);
    let name = String::from_utf8_lossy(reference);
    character.or_else(|| resolve_xml_entity(&name).map(str::to_owned)).unwrap_or_else(|| format!("&{name};"))
}

fn unescape(written: &str) -> String {
    let text = unescape_with(written, resolve_xml_entity).map_or_else(|_| piecewise(written), Into::into);
    text.chars().take(MAX_TEXT).map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c }).collect()
}

/// Resolves each reference by itself, so that one that cannot be resolved hides no other.
fn piecewise(written: &str) -> String {
    let mut pieces = written.split('&');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(';').map_or(0, |at| at + 1);
        let (reference, rest) = piece.split_at(end);
        let reference = format!("&{reference}");
        text.push_str(
            &unescape_with(&reference, resolve_xml_entity).unwrap_or_else(|_| reference.as_str().into()),
        );
        text.push_str(rest);
    }
    text
}
