//! The comparison after a JSONPath: an operator and a JSON value.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Number, Value};

use crate::excerpt::{bounded, one_line};

#[derive(Debug, Clone)]
pub(super) enum Comparison {
    Equal(Value),
    Unequal(Value),
    /// The accepted orderings of the document's value relative to this one.
    Order(&'static [Ordering], Value),
    Matches(Regex),
    NotMatches(Regex),
    /// The length of a string, an array or an object.
    Length(Box<Self>),
    Type {
        kind: Kind,
        is_negated: bool,
    },
}

/// What a value can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Array,
    Boolean,
    Empty,
    Integer,
    Null,
    Number,
    Object,
    String,
}

const KINDS: [(&str, Kind); 8] = [
    ("array", Kind::Array),
    ("boolean", Kind::Boolean),
    ("empty", Kind::Empty),
    ("integer", Kind::Integer),
    ("null", Kind::Null),
    ("number", Kind::Number),
    ("object", Kind::Object),
    ("string", Kind::String),
];

/// The longer ones first: `<=` begins with `<`.
const OPERATORS: [&str; 11] = ["==", "!=", "<=", ">=", "=~", "!~", "<", ">", "count ", "length ", "is "];

/// The operator at the beginning of `text`, and the rest.
pub(super) fn split_operator(text: &str) -> Option<(&'static str, &str)> {
    OPERATORS.into_iter().find_map(|operator| Some((operator, text.strip_prefix(operator)?)))
}

impl Comparison {
    pub(super) fn parse(operator: &str, literal: &str) -> Result<Self, String> {
        match operator {
            "is " => return Self::parse_kind(literal),
            "length " => return Self::parse_size(literal).map(|size| Self::Length(Box::new(size))),
            _ => {}
        }
        let value: Value = serde_json::from_str(literal).map_err(|_| {
            format!(
                "{} after {operator} is not JSON; a string needs double quotes, such as \"ok\"",
                bounded(literal)
            )
        })?;
        let orders: &[Ordering] = match operator {
            "==" => return Ok(Self::Equal(value)),
            "!=" => return Ok(Self::Unequal(value)),
            "=~" | "!~" => {
                let error = || format!("{operator} takes a regular expression in double quotes");
                let pattern = value.as_str().ok_or_else(error)?;
                let regex = Regex::new(pattern).map_err(|error| one_line(&error.to_string()))?;
                return Ok(if operator == "=~" { Self::Matches(regex) } else { Self::NotMatches(regex) });
            }
            "<" => &[Ordering::Less],
            "<=" => &[Ordering::Less, Ordering::Equal],
            ">" => &[Ordering::Greater],
            _ => &[Ordering::Greater, Ordering::Equal],
        };
        if !(value.is_number() || value.is_string()) {
            return Err(format!("{operator} compares numbers or strings, not {}", bounded(literal)));
        }
        Ok(Self::Order(orders, value))
    }

    /// Parses what follows `count` or `length`, such as `>= 3`.
    pub(super) fn parse_size(text: &str) -> Result<Self, String> {
        let error = || format!("{} is not a comparison with a number, such as == 3", bounded(text));
        let (operator, literal) = split_operator(text).ok_or_else(error)?;
        let literal = literal.trim();
        let is_size = literal.parse::<u64>().is_ok() && !operator.ends_with('~');
        if is_size { Self::parse(operator, literal) } else { Err(error()) }
    }

    fn parse_kind(text: &str) -> Result<Self, String> {
        let (is_negated, name) = match text.strip_prefix("not ") {
            Some(name) => (true, name.trim()),
            None => (false, text),
        };
        let known = KINDS.into_iter().find(|(known, _)| *known == name);
        let names = KINDS.map(|(known, _)| known).join(", ");
        let error = || format!("{} is not one of {names}, or not and one of them", bounded(text));
        known.map(|(_, kind)| Self::Type { kind, is_negated }).ok_or_else(error)
    }

    pub(super) fn is_met(&self, value: &Value) -> bool {
        match self {
            Self::Length(size) => length(value).is_some_and(|length| size.is_met(&length.into())),
            Self::Type { kind, is_negated } => kind.includes(value) != *is_negated,
            Self::Equal(expected) => equal(value, expected),
            Self::Unequal(unexpected) => !equal(value, unexpected),
            Self::Order(accepted, bound) => {
                order(value, bound).is_some_and(|order| accepted.contains(&order))
            }
            Self::Matches(regex) => value.as_str().is_some_and(|text| regex.is_match(text)),
            Self::NotMatches(regex) => value.as_str().is_some_and(|text| !regex.is_match(text)),
        }
    }
}

impl Kind {
    fn includes(self, value: &Value) -> bool {
        match self {
            Self::Array => value.is_array(),
            Self::Boolean => value.is_boolean(),
            Self::Empty => length(value) == Some(0),
            // As in JSON Schema, 1.0 is an integer.
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            Self::Null => value.is_null(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
            Self::String => value.is_string(),
        }
    }
}

/// The length as in RFC 9535: of a string in characters, of an array in elements, of an object in members.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(list) => Some(list.len()),
        Value::Object(members) => Some(members.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Compares as RFC 9535 does: numbers by their value, so that 1 equals 1.0.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => order_numbers(one, other) == Some(Ordering::Equal),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| equal(one, other)))
        }
        (one, other) => one == other,
    }
}

/// `None` for values of different types, which have no order.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => order_numbers(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// Compares integers exactly: as floats, an identifier above 2⁵³ would equal its neighbour.
fn order_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}
