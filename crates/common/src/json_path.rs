//! What a JSON document should hold: a JSONPath (RFC 9535) and, where it is given, a comparison.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde_json::{Number, Value};
use serde_json_path::JsonPath;

/// The longest expectation or path, in bytes: longer ones are mistakes, and slow to read.
const MAX_BYTES: usize = 1024;

/// The most filters in a path: the time to read them doubles with each that stands inside another.
const MAX_FILTERS: usize = 8;

/// The most characters that are shown of a value.
const MAX_CHARS: usize = 200;

const HINT: &str = "give a JSONPath such as $.status, or one with a comparison such as $.status == \"ok\"";

/// A place in JSON documents.
#[derive(Debug, Clone)]
pub struct Path(JsonPath);

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(format!("a JSONPath of more than {MAX_BYTES} bytes"));
        }
        if text.matches('?').count() > MAX_FILTERS {
            return Err(format!("a JSONPath of more than {MAX_FILTERS} filters"));
        }
        match JsonPath::parse(text) {
            Ok(path) => Ok(Self(path)),
            Err(error) if text.starts_with('$') => {
                Err(format!("not a JSONPath: {}, at character {}", error.message(), error.position() + 1))
            }
            Err(_) => Err("not a JSONPath: it does not begin with $".to_owned()),
        }
    }
}

impl Path {
    /// The first value at this place.
    pub fn first<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.0.query(document).first()
    }
}

/// What a document should hold: `$.status == "ok"`; a path alone says that something is there.
///
/// A path can lead to several values. There has to be one, and all have to compare: an expectation that looks at ten
/// instances is not met by nine.
#[derive(Debug, Clone)]
pub struct Expectation {
    path: Path,
    comparison: Option<Comparison>,
    text: String,
}

#[derive(Debug, Clone)]
enum Comparison {
    Equal(Value),
    Unequal(Value),
    /// The orders that are good, of the value found beside this one.
    Order(&'static [Ordering], Value),
    Matches(Regex),
}

/// The longer ones first: `<=` begins with `<`.
const OPERATORS: [&str; 7] = ["==", "!=", "<=", ">=", "=~", "<", ">"];

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text_kept = text.to_owned();
        let error = match text.parse::<Path>() {
            Ok(path) => return Ok(Self { path, comparison: None, text: text_kept }),
            Err(error) => error,
        };
        if text.len() > MAX_BYTES {
            return Err(error);
        }
        // A filter in the path may hold operators too: the one that is meant is the first with a whole path before it.
        let split = text.char_indices().find_map(|(at, _)| {
            let (before, rest) = text.split_at_checked(at)?;
            let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator))?;
            Some((before.parse().ok()?, operator, rest.strip_prefix(operator)?.trim()))
        });
        let Some((path, operator, literal)) = split else { return Err(format!("{error}; {HINT}")) };
        let comparison = comparison(operator, literal)?;
        Ok(Self { path, comparison: Some(comparison), text: text_kept })
    }
}

fn comparison(operator: &str, literal: &str) -> Result<Comparison, String> {
    let value: Value = serde_json::from_str(literal).map_err(|_| {
        format!("{} after {operator} is not JSON; a text needs double quotes, such as \"ok\"", shown(literal))
    })?;
    let orders: &[Ordering] = match operator {
        "==" => return Ok(Comparison::Equal(value)),
        "!=" => return Ok(Comparison::Unequal(value)),
        "=~" => {
            let pattern = value.as_str().ok_or("=~ takes a regular expression in double quotes")?;
            let regex = Regex::new(pattern).map_err(|error| in_one_line(&error.to_string()))?;
            return Ok(Comparison::Matches(regex));
        }
        "<" => &[Ordering::Less],
        "<=" => &[Ordering::Less, Ordering::Equal],
        ">" => &[Ordering::Greater],
        _ => &[Ordering::Greater, Ordering::Equal],
    };
    if !(value.is_number() || value.is_string()) {
        return Err(format!("{operator} compares numbers, or texts, not {}", shown(literal)));
    }
    Ok(Comparison::Order(orders, value))
}

impl Expectation {
    /// Compares. The error is the first value that is not as it should be.
    pub fn check(&self, document: &Value) -> Result<(), Difference> {
        let found = self.path.0.query(document);
        let difference = |value: Option<&Value>| Difference {
            expected: self.text.clone(),
            found: value.map(Value::to_string),
        };
        if found.is_empty() {
            return Err(difference(None));
        }
        let Some(comparison) = &self.comparison else { return Ok(()) };
        found
            .iter()
            .find(|value| !comparison.is_met(value))
            .map_or(Ok(()), |value| Err(difference(Some(value))))
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Comparison {
    fn is_met(&self, value: &Value) -> bool {
        match self {
            Self::Equal(wanted) => equal(value, wanted),
            Self::Unequal(unwanted) => !equal(value, unwanted),
            Self::Order(good, wanted) => order(value, wanted).is_some_and(|order| good.contains(&order)),
            Self::Matches(regex) => value.as_str().is_some_and(|text| regex.is_match(text)),
        }
    }
}

/// As RFC 9535 has it: numbers by their value, so that 1 is 1.0.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => order_of_numbers(one, other) == Some(Ordering::Equal),
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
        (Value::Number(one), Value::Number(other)) => order_of_numbers(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// Integers exactly: an identifier above 2⁵³ is not its neighbour.
fn order_of_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// What came instead of what was expected. Shown, both are bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The expectation, as it was written.
    pub expected: String,
    /// The value as JSON, of any length and perhaps with secrets in it; `None` where nothing was at the path.
    pub found: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = shown(&self.expected);
        match &self.found {
            Some(found) => write!(f, "{} found, expected {expected}", shown(found)),
            None => write!(f, "nothing found, expected {expected}"),
        }
    }
}

/// The beginning of a text, with what a terminal would obey escaped.
fn shown(text: &str) -> String {
    let mut beginning = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            beginning.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => beginning.push(c),
            c => beginning.extend(c.escape_debug()),
        }
    }
    beginning
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use serde_json::json;

    fn told(expectation: &str, document: &Value) -> Result<(), String> {
        expectation
            .parse::<Expectation>()
            .unwrap_or_else(|error| panic!("{expectation}: {error}"))
            .check(document)
            .map_err(|difference| difference.to_string())
    }

    #[test]
    fn what_is_met() {
        let document = json!({
            "status": "ok", "version": "1.4.2", "count": 3, "share": 0.5, "big": 9_007_199_254_740_993_u64,
            "none": null, "tags": ["a", "b"], "items": [{"name": "scone", "n": 2}, {"name": "tea", "n": 7}],
        });
        for expectation in [
            "$.status",
            "$.none",
            r#"$.status == "ok""#,
            r#"  $.status=="ok"  "#,
            r#"$.status != "down""#,
            "$.count == 3.0",
            "$.count >= 3",
            "$.count<=3",
            "$.count < 3.5",
            "$.share > 0",
            "$.big == 9007199254740993",
            "$.big != 9007199254740992",
            "$.none == null",
            r#"$.tags == ["a", "b"]"#,
            r#"$.items[0] == {"n": 2.0, "name": "scone"}"#,
            r#"$.items[?@.name == "tea"].n == 7"#,
            r"$.items[?@.n >= 7]",
            "$.items[*].n > 1",
            r#"$.version =~ "^1\\.4\\.""#,
            r#"$.version >= "1.4""#,
        ] {
            assert_eq!(told(expectation, &document), Ok(()), "{expectation}");
        }
    }

    #[test]
    fn what_is_not_met_is_said_with_what_was_found() {
        let document = json!({ "status": "down", "n": [1, 2], "text": "x".repeat(5000), "bidi": "\u{202e}" });
        let table = [
            (r#"$.status == "ok""#, r#""down" found, expected $.status == "ok""#),
            ("$.missing", "nothing found, expected $.missing"),
            // Nothing is not unequal to something.
            ("$.missing != 3", "nothing found, expected $.missing != 3"),
            // All of them, not one of them.
            ("$.n[*] == 1", "2 found, expected $.n[*] == 1"),
            // Values of different types have no order.
            ("$.status > 3", r#""down" found, expected $.status > 3"#),
            (r#"$.n =~ "1""#, r#"[1,2] found, expected $.n =~ "1""#),
            ("$.bidi == 1", r#""\u{202e}" found, expected $.bidi == 1"#),
        ];
        for (expectation, wanted) in table {
            assert_eq!(told(expectation, &document), Err(wanted.to_owned()));
        }
        let long = told("$.text == 1", &document).unwrap_err();
        assert!(long.contains("x… found") && long.len() < 300, "{long}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_cause() {
        let table = [
            ("status", "not a JSONPath: it does not begin with $"),
            ("$.a[", "not a JSONPath: "),
            ("$.status = \"ok\"", "not a JSONPath: "),
            ("$.status == ok", "ok after == is not JSON; a text needs double quotes"),
            ("$.status ==", " after == is not JSON"),
            ("$.n =~ 3", "=~ takes a regular expression"),
            ("$.n =~ \"(\"", "regex parse error: ( ^ error: unclosed group"),
            ("$.n < null", "< compares numbers, or texts, not null"),
        ];
        for (text, wanted) in table {
            let told = text.parse::<Expectation>().map(|_| ()).unwrap_err();
            assert!(told.starts_with(wanted), "{text}: {told}");
        }
        assert!(format!("$.{}", "a".repeat(2000)).parse::<Expectation>().is_err());
        assert!(format!("$[?@{}", "[?@".repeat(30)).parse::<Expectation>().is_err());
        assert!(format!("$.q == \"{}\"", "?".repeat(30)).parse::<Expectation>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"\PC{0,60}|[$.\[\]?@=!<>~"' a0()*,:&|]{0,40}"#) {
            if let Err(error) = text.parse::<Expectation>() {
                prop_assert!(!error.contains('\n'), "{}", error);
            }
        }

        #[test]
        fn a_member_equals_itself_and_no_other(key in "[a-z]{1,8}", value in any::<i64>()) {
            let document = json!({ key.as_str(): value });
            prop_assert_eq!(told(&format!("$.{key} == {value}"), &document), Ok(()));
            let other = told(&format!("$.{key} != {value}"), &document);
            prop_assert!(other.is_err());
        }
    }
}
