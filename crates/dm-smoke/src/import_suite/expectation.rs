//! What a test expects, collected one condition after the other.

use std::collections::BTreeMap;
use std::fmt::Display;

use regex::escape;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::draft::push;

/// The statuses that there are.
const STATUSES: std::ops::Range<u16> = 100..600;

/// What a test expects.
#[derive(Debug)]
pub(super) struct Expectation {
    statuses: Vec<u16>,
    headers: BTreeMap<String, Vec<(&'static str, String)>>,
    rest: Table,
}

impl Expectation {
    /// Any status, and nothing else.
    pub(super) fn of_any_status() -> Self {
        Self { statuses: STATUSES.collect(), headers: BTreeMap::new(), rest: Table::new() }
    }

    /// Only statuses for which this holds.
    pub(super) fn status(&mut self, is_expected: impl Fn(u16) -> bool) {
        self.statuses.retain(|status| is_expected(*status));
    }

    /// A condition on a header: `equals`, `absent`, or a word of the suite.
    pub(super) fn header(&mut self, name: &str, condition: &'static str, text: impl Into<String>) {
        self.headers.entry(name.to_lowercase()).or_default().push((condition, text.into()));
    }

    /// A condition on the body, as a word of the suite.
    pub(super) fn body(&mut self, word: &str, text: impl Into<String>) {
        push(&mut self.rest, word, text);
    }

    /// An expectation about JSON.
    pub(super) fn json(&mut self, text: impl Into<String>) {
        push(&mut self.rest, "json", text);
    }

    /// A JSONPath that finds nothing.
    pub(super) fn json_absent(&mut self, path: impl Into<String>) {
        push(&mut self.rest, "json_absent", path);
    }

    /// A part of the response, its filters, and what is expected of that.
    pub(super) fn value(&mut self, part: Table) {
        let list = self.rest.entry("value").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(Value::Table(part));
        }
    }

    /// Anything else, as a word of the suite.
    pub(super) fn fact(&mut self, word: &str, value: impl Into<Value>) {
        self.rest.insert(word.to_owned(), value.into());
    }

    /// The most time, in milliseconds.
    pub(super) fn max_milliseconds(&mut self, most: u64) {
        self.rest.insert("max_latency".to_owned(), Value::String(format!("{most}ms")));
    }

    /// The table of a suite.
    ///
    /// # Errors
    /// No status can meet all conditions, or a header cannot be there and not be there.
    pub(super) fn into_table(self) -> Result<Table, String> {
        let mut table = Table::new();
        match statuses(&self.statuses).as_slice() {
            [] => return Err("no status meets all conditions".to_owned()),
            [Value::String(class)] if class == "2xx" => {}
            [one] => drop(table.insert("status".to_owned(), one.clone())),
            several => drop(table.insert("status".to_owned(), Value::Array(several.to_vec()))),
        }
        let mut headers = Table::new();
        for (name, conditions) in self.headers {
            headers.insert(name.clone(), header(&conditions).ok_or(format!("contradictions about {name}"))?);
        }
        if !headers.is_empty() {
            table.insert("headers".to_owned(), Value::Table(headers));
        }
        table.extend(self.rest);
        Ok(table)
    }
}

/// Codes as a suite writes them: complete classes, and single ones.
fn statuses(codes: &[u16]) -> Vec<Value> {
    let mut list = Vec::new();
    for class in 1..6 {
        let inside: Vec<u16> = codes.iter().copied().filter(|code| code / 100 == class).collect();
        if inside.len() == 100 {
            list.push(Value::String(format!("{class}xx")));
        } else {
            list.extend(inside.into_iter().map(|code| Value::Integer(code.into())));
        }
    }
    list
}

fn header(conditions: &[(&'static str, String)]) -> Option<Value> {
    let strings = |texts: Vec<&String>| match texts.as_slice() {
        [one] => Value::String((*one).clone()),
        several => Value::Array(several.iter().map(|text| Value::String((*text).clone())).collect()),
    };
    if conditions.iter().any(|(condition, _)| *condition == "absent") {
        let is_only = conditions.iter().all(|(condition, _)| *condition == "absent");
        return is_only
            .then(|| Value::Table(Table::from_iter([("absent".to_owned(), Value::Boolean(true))])));
    }
    if conditions.iter().all(|(condition, _)| *condition == "equals") {
        return Some(strings(conditions.iter().map(|(_, text)| text).collect()));
    }
    let mut table = Table::new();
    for (condition, text) in conditions {
        match *condition {
            "equals" => push(&mut table, "matches", format!("^{}$", escape(text))),
            word => push(&mut table, word, text),
        }
    }
    Some(Value::Table(table))
}

/// A comparison of what a JSONPath finds. `path` is a JSONPath, `operator` one of a suite.
pub(super) fn compared(path: &str, operator: &str, value: &impl Display) -> String {
    format!("{path} {operator} {value}")
}

/// An expectation that a text found by a JSONPath matches an expression, or that it does not.
pub(super) fn matched(path: &str, expression: &str, is_expected: bool) -> String {
    if is_expected {
        compared(path, "=~", &Json::from(expression))
    } else {
        // The expressions of a suite cannot say what does not match, and a filter can.
        format!("$[?!search({path}, {})]", Json::from(expression))
    }
}

/// An expectation about the number of values in a list, or of characters in a text.
pub(super) fn counted(path: &str, operator: &str, number: &str) -> String {
    let is_one_place = !path.contains(['*', '?']) && !path.contains("..");
    let function = if is_one_place { "length" } else { "count" };
    format!("$[?{function}({path}) {operator} {number}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_one_status_and_one_header_are_joined() {
        let mut expectation = Expectation::of_any_status();
        expectation.status(|status| status >= 200);
        expectation.status(|status| status < 300 || status == 404);
        expectation.header("X-A", "equals", "a.b");
        expectation.header("x-a", "contains", "a");
        let table = expectation.into_table().unwrap();
        assert_eq!(table["status"].to_string(), "[\"2xx\", 404]");
        assert_eq!(table["headers"]["x-a"]["matches"][0].as_str(), Some("^a\\.b$"));
        let mut none = Expectation::of_any_status();
        none.status(|_| false);
        assert!(none.into_table().is_err());
        assert!(Expectation::of_any_status().into_table().unwrap().contains_key("status"));
    }

    #[test]
    fn what_a_path_finds_is_counted_or_searched() {
        for text in [
            counted("$.a", "==", "2"),
            counted("$.a[*].b", ">", "2"),
            matched("$.a", "x\"y", false),
            matched("$.a", "x", true),
        ] {
            assert!(text.parse::<http_expect::JsonExpectation>().is_ok(), "{text}");
        }
    }
}
