//! The filters of a value.

use encoding_rs::Encoding;
use http_expect::Filter;
use regex::Regex;
use toml::Spanned;

use super::conditions::one_line_error;
use crate::suite::fields::{Fields, Value, closest, integer, text};
use crate::suite::reader::TestReader;

const FORM: &str = "a filter such as \"base64_decode\", { split = \",\" } or { replace = [\"a\", \"b\"] }, or an array of them";

/// Reads `filters`.
pub(super) fn read(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Vec<Filter> {
    let Some(value) = fields.get("filters") else { return Vec::new() };
    let list = match value.get_ref().as_array() {
        Some(list) => list,
        None => std::slice::from_ref(value),
    };
    list.iter().filter_map(|value| filter(value, reader)).collect()
}

fn filter(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Filter> {
    if let Some(name) = value.get_ref().as_str() {
        let known = Filter::PLAIN.into_iter().find(|(known, _)| *known == name).map(|(_, filter)| filter);
        return known.or_else(|| unknown(name, value, reader));
    }
    let single = value.get_ref().as_table().filter(|table| table.len() == 1);
    let Some((name, argument)) = single.and_then(|table| table.iter().next()) else {
        reader.diagnostics.report(value.span(), format!("expected {FORM}"));
        return None;
    };
    with_argument(name.get_ref(), argument, value, reader)
}

fn with_argument(
    name: &str,
    argument: &Value<'_>,
    value: &Value<'_>,
    reader: &mut TestReader<'_>,
) -> Option<Filter> {
    match name {
        "nth" => match integer(argument) {
            Some(index) => Some(Filter::Nth(index)),
            None => report(argument, "nth takes an index: 0 is the first, -1 the last", reader),
        },
        "replace" => pair(name, argument, reader).map(|[from, to]| Filter::Replace(from, to)),
        "replace_regex" => {
            let [from, to] = pair(name, argument, reader)?;
            let regex =
                parsed(argument, from.parse::<Regex>().map_err(|error| one_line_error(&error)), reader)?;
            Some(Filter::ReplaceRegex(regex, to))
        }
        name if Filter::WITH_ARGUMENT.contains(&name) => {
            let written = written(argument, reader)?;
            let made = match name {
                "decode" | "encode" => encoding(&written).map(|found| {
                    if name == "decode" { Filter::Decode(found) } else { Filter::Encode(found) }
                }),
                "format_date" => written.parse().map(Filter::FormatDate),
                "json" => written.parse().map(Filter::Json),
                "parse_date" => written.parse().map(Filter::ParseDate),
                "query_parameter" => Ok(Filter::QueryParameter(written)),
                "regex" => written.parse().map(Filter::Regex).map_err(|error| one_line_error(&error)),
                _ => Ok(Filter::Split(written)),
            };
            parsed(argument, made, reader)
        }
        name => unknown(name, value, reader),
    }
}

fn encoding(label: &str) -> Result<&'static Encoding, String> {
    let unknown = || format!("{} is no encoding such as utf-8", http_expect::excerpt::bounded(label));
    Encoding::for_label(label.as_bytes()).ok_or_else(unknown)
}

/// A text that is not empty.
fn written(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<String> {
    let text = text(value, "a string", reader.diagnostics)?;
    if text.get_ref().is_empty() {
        return report(value, "the argument of a filter must not be empty", reader);
    }
    reader.literal(&text)
}

/// What is replaced, and by what.
fn pair(name: &str, value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<[String; 2]> {
    let list = value.get_ref().as_array().map(|list| list.iter().collect::<Vec<_>>());
    let Some([from, to]) = list.as_deref() else {
        return report(value, &format!("{name} takes an array of two strings"), reader);
    };
    let from = written(from, reader)?;
    let to: Spanned<&str> = text(to, "a string", reader.diagnostics)?;
    Some([from, reader.literal(&to)?])
}

fn parsed<T>(at: &Value<'_>, result: Result<T, String>, reader: &mut TestReader<'_>) -> Option<T> {
    reader.diagnostics.unwrap_or_report(at.span(), result)
}

fn report<T>(at: &Value<'_>, message: &str, reader: &mut TestReader<'_>) -> Option<T> {
    reader.diagnostics.report(at.span(), message);
    None
}

fn unknown<T>(name: &str, at: &Value<'_>, reader: &mut TestReader<'_>) -> Option<T> {
    let plain = Filter::PLAIN.map(|(name, _)| name);
    if Filter::WITH_ARGUMENT.contains(&name) {
        return report(at, &format!("the filter {name} takes an argument: {{ {name} = … }}"), reader);
    }
    if plain.contains(&name) {
        return report(at, &format!("the filter {name} takes no argument: write \"{name}\""), reader);
    }
    let known = plain.into_iter().chain(Filter::WITH_ARGUMENT);
    let hint = match closest(name, known.clone()) {
        Some(known) => format!("did you mean {known}?"),
        None => format!("expected one of {}", known.collect::<Vec<_>>().join(", ")),
    };
    report(at, &format!("there is no filter {}; {hint}", http_expect::excerpt::bounded(name)), reader)
}
