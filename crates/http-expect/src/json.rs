//! What a JSON document should contain: a JSONPath (RFC 9535), alone or with a comparison.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::excerpt::bounded;

mod comparison;

use comparison::Comparison;

/// The longest expectation or path, in bytes: longer ones are mistakes, and slow to parse.
const MAX_BYTES: usize = 1024;

/// The most filters in a path: the time to parse them doubles with each one that is nested in another.
const MAX_FILTERS: usize = 8;

const HINT: &str = "give a JSONPath such as $.status, or one with a comparison such as $.status == \"ok\"";

/// A place in a JSON document.
#[derive(Debug, Clone)]
pub struct JsonPath(serde_json_path::JsonPath);

impl FromStr for JsonPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(format!("a JSONPath of more than {MAX_BYTES} bytes"));
        }
        if text.matches('?').count() > MAX_FILTERS {
            return Err(format!("a JSONPath of more than {MAX_FILTERS} filters"));
        }
        match serde_json_path::JsonPath::parse(text) {
            Ok(path) => Ok(Self(path)),
            Err(error) if text.starts_with('$') => {
                Err(format!("not a JSONPath: {}, at character {}", error.message(), error.position() + 1))
            }
            Err(_) => Err("not a JSONPath: it does not begin with $".to_owned()),
        }
    }
}

impl JsonPath {
    /// The first value at this place.
    pub fn first<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.query(document).first()
    }

    /// All values at this place.
    pub(crate) fn all<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        self.0.query(document).all()
    }
}

/// What a document should contain: `$.status == "ok"`; a path alone expects that there is a value. `$.items length >= 3`
/// compares the length of a value, `$.items[*] count == 3` the number of values, and `$.id is not string` the type.
///
/// A path can select several values. There has to be at least one, and every one has to match: an expectation of ten
/// instances is not met if nine match.
#[derive(Debug, Clone)]
pub struct JsonExpectation {
    path: JsonPath,
    condition: Condition,
    /// The expectation as the user wrote it.
    source: String,
}

#[derive(Debug, Clone)]
enum Condition {
    /// There is a value.
    Present,
    /// There is none.
    Absent,
    /// There is a value, and each one meets the comparison.
    Each(Comparison),
    /// The number of values meets the comparison.
    Count(Comparison),
}

impl FromStr for JsonExpectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let source = text.to_owned();
        let error = match text.parse::<JsonPath>() {
            Ok(path) => return Ok(Self { path, condition: Condition::Present, source }),
            Err(error) => error,
        };
        if text.len() > MAX_BYTES {
            return Err(error);
        }
        // A filter in the path may contain operators too: the comparison is the first one after a complete path.
        let split = text.char_indices().find_map(|(at, _)| {
            let (before, rest) = text.split_at_checked(at)?;
            let (operator, literal) = comparison::split_operator(rest)?;
            // A word is an operator only if it is a word of its own.
            if operator.ends_with(' ') && !before.ends_with(char::is_whitespace) {
                return None;
            }
            Some((before.parse().ok()?, operator, literal.trim()))
        });
        let Some((path, operator, literal)) = split else { return Err(format!("{error}; {HINT}")) };
        let condition = match operator {
            "count " => Condition::Count(Comparison::parse_size(literal)?),
            _ => Condition::Each(Comparison::parse(operator, literal)?),
        };
        Ok(Self { path, condition, source })
    }
}

impl JsonExpectation {
    /// Expects that the path finds nothing.
    pub fn absent(path: &str) -> Result<Self, String> {
        let source = format!("no {}", path.trim());
        Ok(Self { path: path.parse()?, condition: Condition::Absent, source })
    }

    /// Expects something of a whole document: a comparison such as `== 3`, `length > 2` or `is integer`.
    pub fn of_whole(comparison: &str) -> Result<Self, String> {
        let source = comparison.trim().to_owned();
        if comparison::split_operator(&source).is_none() {
            return Err(format!(
                "{} is not a comparison such as == 3, length > 2 or is integer",
                bounded(&source)
            ));
        }
        Ok(Self { source, ..format!("$ {comparison}").parse()? })
    }

    /// Compares. The error is the first value that does not match.
    pub(crate) fn check<'a>(&'a self, document: &'a Value) -> Result<(), JsonMismatch<'a>> {
        let values = self.path.all(document);
        let mismatch = |actual| Err(JsonMismatch { expected: &self.source, actual, count: None });
        if let Condition::Count(size) = &self.condition {
            let count = values.len();
            let unmet = JsonMismatch { expected: &self.source, actual: None, count: Some(count) };
            return if size.is_met(&count.into()) { Ok(()) } else { Err(unmet) };
        }
        let unmet = match (&self.condition, values.first()) {
            (Condition::Absent, None) | (Condition::Present, Some(_)) => None,
            (_, None) => return mismatch(None),
            (Condition::Absent, Some(value)) => Some(*value),
            (Condition::Each(comparison) | Condition::Count(comparison), Some(_)) => {
                values.into_iter().find(|value| !comparison.is_met(value))
            }
        };
        unmet.map_or(Ok(()), |value| mismatch(Some(value)))
    }
}

impl fmt::Display for JsonExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

/// A value that does not match, and the expectation.
#[derive(Debug, Clone, Copy)]
pub struct JsonMismatch<'a> {
    expected: &'a str,
    /// The value; `None` if the path selects nothing.
    pub(crate) actual: Option<&'a Value>,
    /// The number of values, if that is what does not match.
    count: Option<usize>,
}

impl JsonMismatch<'_> {
    /// The mismatch in one bounded line. The value is redacted before it is cut: `redact` would not recognize half of a
    /// secret.
    pub(crate) fn describe(self, redact: impl Fn(&str) -> String) -> String {
        let expected = bounded(&redact(self.expected));
        if let Some(count) = self.count {
            let values = if count == 1 { "value" } else { "values" };
            return format!("{count} {values} found, expected {expected}");
        }
        match self.actual {
            Some(value) => format!("{} found, expected {expected}", bounded(&redact(&value.to_string()))),
            None => format!("nothing found, expected {expected}"),
        }
    }
}

#[cfg(test)]
mod tests;
