//! The asserts of a Hurl file.

use http_expect::{ContentCondition, JsonExpectation, JsonPath};
use regex::escape;
use toml::Table;

use super::capture::part;
use super::predicate::{Predicate, is_predicate, predicate};
use super::query::{Query, cookie_prefix, parse};
use super::token::{Token, tokens};
use crate::import_suite::draft::push;
use crate::import_suite::expectation::{Expectation, compared, counted, matched};
use crate::import_suite::placeholder::replace;

/// Adds what an assert says.
///
/// # Errors
/// A suite cannot say it. The message says what.
pub(super) fn add(line: &str, expectation: &mut Expectation) -> Result<(), String> {
    let tokens = tokens(line)?;
    let (query, rest) = parse(&tokens)?;
    let at = rest.iter().position(is_predicate).ok_or("no known predicate")?;
    let (filter_words, rest) = rest.split_at(at);
    let filters: Vec<&str> = filter_words.iter().map(|token| token.word().unwrap_or("a text")).collect();
    let predicate = predicate(rest)?;
    match (query, filters.as_slice()) {
        (Query::Status, []) => status(&predicate, expectation),
        (Query::Duration, []) => duration(&predicate, expectation),
        (Query::Header(name), []) => header(&name, &predicate, expectation),
        (Query::Cookie(name, attribute), []) => cookie(&name, attribute.as_deref(), &predicate, expectation),
        (Query::Body, []) => body(&predicate, expectation),
        (Query::Regex(regex), []) if predicate.name == "exists" => found(&regex, &predicate, expectation),
        (Query::Json(path), []) => json(&path, &predicate, expectation),
        // What a comparison of JSON cannot say, a filter can.
        (Query::Json(path), ["count"]) if !predicate.is_negated => count(&path, &predicate, expectation),
        (Query::Sha256, []) => {
            let digits = predicate.exactly()?.strip_prefix("hex,").and_then(|text| text.strip_suffix(';'));
            let digits = digits.filter(|digits| ContentCondition::is_sha256(digits));
            expectation.fact("sha256", digits.ok_or("a checksum that is none")?);
            Ok(())
        }
        (Query::Bytes, ["count"]) => {
            let size: i64 = predicate.exactly()?.parse().map_err(|_| "a size that is no number")?;
            expectation.fact("body_size", size);
            Ok(())
        }
        (Query::Redirects, ["count"]) => {
            let redirects: i64 = predicate.exactly()?.parse().map_err(|_| "a count that is no number")?;
            expectation.fact("redirects", redirects);
            Ok(())
        }
        (Query::Version, []) => {
            let version = predicate.exactly()?;
            let is_known = ["1.0", "1.1", "2"].contains(&version);
            expectation.fact("http_version", Some(version).filter(|_| is_known).ok_or("a version")?);
            Ok(())
        }
        (Query::Url, []) => url(&predicate, expectation),
        (query, _) => value(part(query, filter_words)?, &predicate, expectation),
    }
}

fn status(predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    let number: u16 = predicate.text()?.parse().map_err(|_| "a status that is no number")?;
    let is_expected: fn(&u16, &u16) -> bool = match predicate.name {
        "==" => PartialEq::eq,
        "!=" => PartialEq::ne,
        "<" => PartialOrd::lt,
        "<=" => PartialOrd::le,
        ">" => PartialOrd::gt,
        ">=" => PartialOrd::ge,
        _ => return Err(predicate.unknown("a status")),
    };
    expectation.status(|status| is_expected(&status, &number) != predicate.is_negated);
    Ok(())
}

fn duration(predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    match (predicate.is_negated, predicate.name, predicate.text()?.parse::<u64>()) {
        (false, "<" | "<=", Ok(most @ 1..)) => expectation.max_milliseconds(most),
        _ => return Err(predicate.unknown("a duration")),
    }
    Ok(())
}

fn header(name: &str, predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    match (predicate.name, predicate.is_negated) {
        ("exists", false) => expectation.header(name, "matches", "^"),
        ("exists", true) => expectation.header(name, "absent", ""),
        ("==", false) => expectation.header(name, "equals", predicate.text()?),
        ("contains", false) => expectation.header(name, "contains", predicate.text()?),
        ("contains", true) => expectation.header(name, "not_contains", predicate.text()?),
        ("!=", false) => {
            expectation.header(name, "not_matches", format!("^{}$", escape(predicate.text()?)));
        }
        (_, is_negated) => {
            let word = if is_negated { "not_matches" } else { "matches" };
            expectation.header(name, word, predicate.expression("a header")?);
        }
    }
    Ok(())
}

fn cookie(
    name: &str,
    attribute: Option<&str>,
    predicate: &Predicate<'_>,
    expectation: &mut Expectation,
) -> Result<(), String> {
    let before = cookie_prefix(name, attribute);
    let expression = match predicate.name {
        // Secure and HttpOnly have no value.
        "exists" => match attribute {
            Some(_) => format!("{}(=|;|$)", before.trim_end_matches('=')),
            None => before,
        },
        "==" => format!("{before}{}(;|$)", escape(predicate.text()?)),
        "contains" => format!("{before}[^;]*{}", escape(predicate.text()?)),
        "startsWith" => format!("{before}{}", escape(predicate.text()?)),
        _ => return Err(predicate.unknown("a cookie")),
    };
    let word = if predicate.is_negated { "not_matches" } else { "matches" };
    expectation.header("set-cookie", word, expression);
    Ok(())
}

fn body(predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    match (predicate.name, predicate.is_negated) {
        ("contains", false) => expectation.body("body_contains", predicate.text()?),
        ("contains", true) => expectation.body("body_not_contains", predicate.text()?),
        ("!=", false) => {
            expectation.body("body_not_matches", format!(r"\A{}\z", escape(predicate.text()?)));
        }
        (_, is_negated) => {
            let word = if is_negated { "body_not_matches" } else { "body_matches" };
            let expression = match predicate.name {
                "==" => format!(r"\A{}\z", escape(predicate.text()?)),
                _ => predicate.expression("a body")?,
            };
            expectation.body(word, expression);
        }
    }
    Ok(())
}

fn url(predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    let word = if predicate.is_negated { "not_matches" } else { "matches" };
    let expression = predicate.expression("a url")?;
    expectation.fact("url", Table::from_iter([(word.to_owned(), expression.into())]));
    Ok(())
}

/// What an expression finds can only be there or not.
fn found(regex: &str, predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    match (predicate.name, predicate.is_negated) {
        ("exists", false) => expectation.body("body_matches", regex),
        ("exists", true) => expectation.body("body_not_matches", regex),
        _ => return Err(predicate.unknown("a regex")),
    }
    Ok(())
}

fn json(path: &str, predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    path.parse::<JsonPath>()?;
    let text = match (predicate.name, predicate.is_negated) {
        ("exists", false) => path.to_owned(),
        ("exists", true) => {
            expectation.json_absent(path);
            return Ok(());
        }
        ("==", false) | ("!=", true) => compared(path, "==", &predicate.json()?),
        ("==", true) | ("!=", false) => compared(path, "!=", &predicate.json()?),
        (operator @ ("<" | "<=" | ">" | ">="), false) => compared(path, operator, &predicate.json()?),
        ("isEmpty", is_negated) => counted(path, if is_negated { ">" } else { "==" }, "0"),
        (name, is_negated) if kind(name).is_some() => {
            let not = if is_negated { "not " } else { "" };
            format!("{path} is {not}{}", kind(name).unwrap_or_default())
        }
        ("includes" | "contains", false) if !matches!(predicate.value, Some(Token::Text(_))) => {
            format!("{path}[?@ == {}]", predicate.json()?)
        }
        ("includes", false) => format!("{path}[?@ == {}]", predicate.json()?),
        (_, is_negated) => matched(path, &predicate.expression("a value")?, !is_negated),
    };
    // A value that is inserted can be a text or a number.
    let sample = replace(&text, |_| Ok("1".to_owned()))?;
    sample.parse::<JsonExpectation>()?;
    expectation.json(text);
    Ok(())
}

/// What a suite expects of a part of the response after filters.
fn value(mut part: Table, predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    let (word, text) = match (predicate.name, predicate.is_negated) {
        ("exists", false) => ("", String::new()),
        ("==", false) | ("!=", true) => ("is", format!("== {}", predicate.json()?)),
        ("!=", false) | ("==", true) => ("is", format!("!= {}", predicate.json()?)),
        (operator @ ("<" | "<=" | ">" | ">="), false) => ("is", format!("{operator} {}", predicate.json()?)),
        (name, is_negated) => {
            if let Some(kind) = kind(name) {
                ("is", format!("is {}{kind}", if is_negated { "not " } else { "" }))
            } else {
                let word = if is_negated { "not_matches" } else { "matches" };
                (word, predicate.hex().map_or_else(|| predicate.expression("a filtered value"), Ok)?)
            }
        }
    };
    if word == "is" {
        let sample = replace(&text, |_| Ok("1".to_owned()))?;
        JsonExpectation::of_whole(&sample)?;
    }
    if predicate.hex().is_some() {
        push(&mut part, "filters", "to_hex");
    }
    if !word.is_empty() {
        part.insert(word.to_owned(), text.into());
    }
    expectation.value(part);
    Ok(())
}

/// The type that a predicate such as `isInteger` is about, as a suite names it.
fn kind(predicate: &str) -> Option<&'static str> {
    KINDS.into_iter().find(|(known, _)| *known == predicate).map(|(_, kind)| kind)
}

const KINDS: [(&str, &str); 8] = [
    ("isBoolean", "boolean"),
    ("isCollection", "array"),
    ("isEmpty", "empty"),
    ("isInteger", "integer"),
    ("isList", "array"),
    ("isNumber", "number"),
    ("isObject", "object"),
    ("isString", "string"),
];

fn count(path: &str, predicate: &Predicate<'_>, expectation: &mut Expectation) -> Result<(), String> {
    path.parse::<JsonPath>()?;
    let number: u64 = predicate.text()?.parse().map_err(|_| "a count that is no number")?;
    let is_operator = ["==", "!=", "<", "<=", ">", ">="].contains(&predicate.name);
    if predicate.is_negated || !is_operator {
        return Err(predicate.unknown("a count"));
    }
    expectation.json(counted(path, predicate.name, &number.to_string()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(lines: &[&str]) -> String {
        let mut expectation = Expectation::of_any_status();
        for line in lines {
            add(line, &mut expectation).unwrap();
        }
        expectation.into_table().unwrap().to_string()
    }

    #[test]
    fn each_assert_has_its_words() {
        assert_eq!(
            added(&["status >= 200", "status < 300", "body contains \"a\""]),
            "body_contains = [\"a\"]\n"
        );
        let text = added(&[
            "status == 200",
            "duration < 1000",
            "header \"A\" == \"b\"",
            "cookie \"s\" == \"1\"",
            "jsonpath \"$.a\" == \"x\"",
            "jsonpath \"$.n\" >= 2",
            "jsonpath \"$.l\" count == 2",
            "jsonpath \"$.l\" includes \"x\"",
            "jsonpath \"$.s\" not contains \"x\"",
            "jsonpath \"$.e\" not exists",
            "regex /a+/ exists",
            "redirects count == 1",
            "bytes count == 3",
            "version == \"2\"",
            "url endsWith \"/a\"",
            "bytes startsWith hex,FFd8;",
            "header \"x\" nth 0 == \"a\"",
            "regex \"n=(.*)\" toInt >= 3",
            "jsonpath \"$.i\" not isInteger",
        ]);
        for part in [
            "status = 200\n",
            "max_latency = \"1000ms\"",
            "a = \"b\"",
            "\"^s=1(;|$)\"",
            "'$.a == \"x\"'",
            "\"$.n >= 2\"",
            "\"$[?length($.l) == 2]\"",
            "'$.l[?@ == \"x\"]'",
            "'$[?!search($.s, \"x\")]'",
            "json_absent = [\"$.e\"]",
            "body_matches = [\"a+\"]",
            "redirects = 1",
            "body_size = 3",
            "http_version = \"2\"",
            "[url]\nmatches = \"/a$\"",
            "bytes = true\nfilters = [\"to_hex\"]\nmatches = \"^ffd8\"",
            "header = \"x\"",
            "'== \"a\"'",
            "nth = 0",
            "regex = \"n=(.*)\"\nfilters = [\"to_int\"]\nis = \">= 3\"",
            "\"$.i is not integer\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_a_suite_cannot_say_is_refused() {
        for line in [
            "xpath \"//p\" count == 2",
            "sha256 == hex,00;",
            "bytes startsWith file,a;",
            "jsonpath \"$.a\" isIpv4",
            "jsonpath \"$.a\" xpath \"//p\" == 1",
            "header \"a\" daysAfterNow > 5",
            "header \"a\" nth 0 not exists",
            "duration > 5",
            "body == file,x.json;",
            "jsonpath \"a\" == 1",
            "status",
            "body == \"a",
        ] {
            assert!(add(line, &mut Expectation::of_any_status()).is_err(), "{line}");
        }
    }
}
