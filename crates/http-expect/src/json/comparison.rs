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
}

/// The longer ones first: `<=` begins with `<`.
const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "=~", "<", ">"];

/// The operator at the beginning of `text`, and the rest.
pub(super) fn split_operator(text: &str) -> Option<(&'static str, &str)> {
    OPERATORS.into_iter().find_map(|operator| Some((operator, text.strip_prefix(operator)?)))
}

impl Comparison {
    pub(super) fn parse(operator: &str, literal: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(literal).map_err(|_| {
            format!(
                "{} after {operator} is not JSON; a string needs double quotes, such as \"ok\"",
                bounded(literal)
            )
        })?;
        let orders: &[Ordering] = match operator {
            "==" => return Ok(Self::Equal(value)),
            "!=" => return Ok(Self::Unequal(value)),
            "=~" => {
                let pattern = value.as_str().ok_or("=~ takes a regular expression in double quotes")?;
                let regex = Regex::new(pattern).map_err(|error| one_line(&error.to_string()))?;
                return Ok(Self::Matches(regex));
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

    pub(super) fn is_met(&self, value: &Value) -> bool {
        match self {
            Self::Equal(expected) => equal(value, expected),
            Self::Unequal(unexpected) => !equal(value, unexpected),
            Self::Order(accepted, bound) => {
                order(value, bound).is_some_and(|order| accepted.contains(&order))
            }
            Self::Matches(regex) => value.as_str().is_some_and(|text| regex.is_match(text)),
        }
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
