//! The meaning of a statement of a script.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http_expect::{JsonExpectation, JsonPath};
use regex::{Captures, Regex, escape};
use serde_json::Value as Json;
use toml::{Table, Value};

use super::super::placeholder::literal;
use crate::import_suite::expectation::{Expectation, compared, counted, matched};

/// What a statement means for a suite.
pub(super) enum Meaning {
    /// Nothing: a message, or a test of what is tested anyway.
    Nothing,
    /// A name for a place in the JSON body.
    Place(String, String),
    /// Something is expected.
    Expect(Box<dyn FnOnce(&mut Expectation)>),
    /// A variable gets the value that is captured so.
    Capture(String, Value),
    /// A variable gets this value.
    Set(String, String),
}

/// Places in the JSON body, by the names of the script.
type Places = BTreeMap<String, String>;

const VALUE: &str = r#"("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?[\d.]+|true|false|null)"#;

/// Reads what a statement of a form means.
type Read = fn(&Captures<'_>, &Places) -> Result<Meaning, String>;

/// A form of a statement.
struct Form {
    pattern: Regex,
    read: Read,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let forms: [(&str, Read); 15] = [
        (r"^console\.\w+\(.*$", |_, _| Ok(Meaning::Nothing)),
        (r"^(?:var|let|const)\s+(\w+)\s*=\s*(.+)$", |found, places| {
            Ok(Meaning::Place(found[1].to_owned(), place(&found[2], places)?))
        }),
        (r"^pm\.response\.to\.have\.status\((\d+)\)$", |found, _| status(&[&found[1]])),
        (r"^pm\.response\.to\.be\.(?:ok|success)$", |_, _| {
            Ok(Meaning::Expect(Box::new(|expectation| expectation.status(|status| status / 100 == 2))))
        }),
        (r"^pm\.response\.to\.be\.json$", |_, _| Ok(header("content-type", "contains", "json"))),
        (
            r"^pm\.expect\((?:pm\.response\.code|responseCode\.code)\)\.to\.(?:be\.)?(?:equal|equals|eql|eq)\((\d+)\)$",
            |found, _| status(&[&found[1]]),
        ),
        (
            r"^pm\.expect\((?:pm\.response\.code|responseCode\.code)\)\.to\.be\.oneOf\(\[([\d,\s]+)\]\)$",
            |found, _| status(&found[1].split(',').map(str::trim).collect::<Vec<_>>()),
        ),
        (r"^tests\[.*\]\s*=\s*responseCode\.code\s*===?\s*(\d+)$", |found, _| status(&[&found[1]])),
        (r"^pm\.response\.to\.have\.header\(VALUE(?:,\s*VALUE)?\)$", |found, _| {
            let name = text(&found[1])?;
            Ok(match found.get(2) {
                Some(value) => header(&name, "equals", &text(value.as_str())?),
                None => header(&name, "matches", "^"),
            })
        }),
        (
            r"^pm\.expect\(pm\.response\.headers\.get\(VALUE\)\)\.to\.(?:be\.)?(equal|eql|eq|include|contain)\(VALUE\)$",
            |found, _| {
                let condition = if found[2].starts_with('e') { "equals" } else { "contains" };
                Ok(header(&text(&found[1])?, condition, &text(&found[3])?))
            },
        ),
        (
            r"^pm\.expect\(pm\.response\.responseTime\)\.to\.be\.(?:below|lessThan|at\.most|lt|lte)\((\d+)\)$",
            |found, _| {
                let most: u64 = found[1].parse().map_err(|_| "the time".to_owned())?;
                Ok(Meaning::Expect(Box::new(move |expectation| expectation.max_milliseconds(most.max(1)))))
            },
        ),
        (r"^pm\.expect\(pm\.response\.text\(\)\)\.to\.(not\.)?(?:include|contain)\(VALUE\)$", |found, _| {
            let word = if found.get(1).is_some() { "body_not_contains" } else { "body_contains" };
            let part = literal(&text(&found[2])?);
            Ok(Meaning::Expect(Box::new(move |expectation| expectation.body(word, part))))
        }),
        (r"^pm\.response\.to\.have\.body\(VALUE\)$", |found, _| {
            let whole = literal(&format!(r"\A{}\z", escape(&text(&found[1])?)));
            Ok(Meaning::Expect(Box::new(move |expectation| expectation.body("body_matches", whole))))
        }),
        (
            r"^(?:pm\.(?:environment|collectionVariables|globals|variables)\.set|postman\.set(?:Environment|Global)Variable)\(VALUE,\s*(.+)\)$",
            |found, places| capture(&text(&found[1])?, found[2].trim(), places),
        ),
        (r"^pm\.expect\((.+?)\)\.to\.(.+)$", |found, places| json(&place(&found[1], places)?, &found[2])),
    ];
    let form = |(pattern, read): (&str, _)| {
        Regex::new(&pattern.replace("VALUE", VALUE)).ok().map(|pattern| Form { pattern, read })
    };
    forms.into_iter().filter_map(form).collect()
});

/// The meaning of a statement.
///
/// # Errors
/// A suite cannot say it. The message quotes it.
pub(super) fn meaning(statement: &str, places: &Places) -> Result<Meaning, String> {
    let statement = statement.trim().trim_end_matches(';').trim_end();
    let unknown = || http_expect::excerpt::bounded(statement);
    let form = FORMS.iter().find_map(|form| Some((form, form.pattern.captures(statement)?)));
    let (form, found) = form.ok_or_else(unknown)?;
    (form.read)(&found, places).map_err(|_| unknown())
}

fn status(codes: &[&str]) -> Result<Meaning, String> {
    let codes: Vec<u16> =
        codes.iter().map(|code| code.parse().map_err(|_| String::new())).collect::<Result<_, _>>()?;
    Ok(Meaning::Expect(Box::new(move |expectation| expectation.status(|status| codes.contains(&status)))))
}

fn header(name: &str, condition: &'static str, text: &str) -> Meaning {
    let (name, text) = (name.to_owned(), literal(text));
    Meaning::Expect(Box::new(move |expectation| expectation.header(&name, condition, text)))
}

fn capture(name: &str, value: &str, places: &Places) -> Result<Meaning, String> {
    if let Some(header) =
        value.strip_prefix("pm.response.headers.get(").and_then(|rest| rest.strip_suffix(')'))
    {
        let source = Table::from_iter([("header".to_owned(), Value::String(text(header)?))]);
        return Ok(Meaning::Capture(name.to_owned(), Value::Table(source)));
    }
    if let Ok(text) = text(value) {
        return Ok(Meaning::Set(name.to_owned(), text));
    }
    Ok(Meaning::Capture(name.to_owned(), Value::String(place(value, places)?)))
}

/// The JSONPath of an expression such as `jsonData.items[0].id`.
fn place(expression: &str, places: &Places) -> Result<String, String> {
    let expression = expression.trim();
    let whole = ["pm.response.json()", "JSON.parse(responseBody)", "JSON.parse(pm.response.text())"];
    let known = whole.into_iter().map(|whole| (whole, "$"));
    let named = places.iter().map(|(name, path)| (name.as_str(), path.as_str()));
    let (rest, base) = known
        .chain(named)
        .filter_map(|(name, path)| Some((expression.strip_prefix(name)?, path)))
        .find(|(rest, _)| rest.is_empty() || rest.starts_with(['.', '[', '?']))
        .ok_or("a value that is not of the body")?;
    let path = format!("{base}{}", rest.replace("?.", "."));
    path.parse::<JsonPath>()?;
    Ok(path)
}

/// A string of JavaScript.
fn text(literal: &str) -> Result<String, String> {
    match value(literal)? {
        Json::String(text) => Ok(text),
        _ => Err("no string".to_owned()),
    }
}

/// A literal of JavaScript.
fn value(literal: &str) -> Result<Json, String> {
    let json = match literal.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(text) => format!("\"{}\"", text.replace("\\'", "'").replace('"', "\\\"")),
        None => literal.to_owned(),
    };
    serde_json::from_str(&json).map_err(|error| error.to_string())
}

/// What chai's words say about a place in the body.
fn json(path: &str, words: &str) -> Result<Meaning, String> {
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&format!(r"^(not\.)?([\w.]+?)(?:\((?:{VALUE}|(/.*/i?))\))?$").replace("VALUE", VALUE)).ok()
    });
    let found = WORDS.as_ref().and_then(|words_of| words_of.captures(words)).ok_or("unknown words")?;
    let is_negated = found.get(1).is_some();
    let value = found.get(3).map(|text| value(text.as_str())).transpose()?;
    let regex = found.get(4).map(|text| text.as_str());
    let expectation = match (found[2].trim_end_matches('.'), &value, is_negated) {
        ("equal" | "equals" | "eql" | "eq" | "be.equal" | "be.eql" | "deep.equal", Some(value), _) => {
            compared(path, if is_negated { "!=" } else { "==" }, value)
        }
        ("be.true", None, false) => compared(path, "==", &true),
        ("be.false", None, false) => compared(path, "==", &false),
        ("be.null", None, _) => compared(path, if is_negated { "!=" } else { "==" }, &"null"),
        ("exist" | "be.ok", None, false) | ("be.undefined", None, true) => path.to_owned(),
        ("be.above" | "be.greaterThan" | "be.gt", Some(value), false) => compared(path, ">", value),
        ("be.below" | "be.lessThan" | "be.lt", Some(value), false) => compared(path, "<", value),
        ("be.at.least" | "be.gte", Some(value), false) => compared(path, ">=", value),
        ("be.at.most" | "be.lte", Some(value), false) => compared(path, "<=", value),
        ("include" | "contain", Some(Json::String(part)), _) => matched(path, &escape(part), !is_negated),
        ("have.property", Some(Json::String(name)), false) => {
            format!("{path}[{}]", Json::from(name.as_str()))
        }
        ("have.lengthOf" | "have.length", Some(Json::Number(number)), false) => {
            counted(path, "==", &number.to_string())
        }
        ("be.empty", None, _) => counted(path, if is_negated { ">" } else { "==" }, "0"),
        ("match", None, false) => {
            let regex = regex.ok_or("no expression")?;
            let (flags, regex) = match regex.strip_suffix('i') {
                Some(regex) => ("(?i)", regex),
                None => ("", regex),
            };
            matched(path, &format!("{flags}{}", regex.trim_matches('/').replace("\\/", "/")), true)
        }
        ("exist", None, true) | ("be.undefined", None, false) => {
            let path = path.to_owned();
            return Ok(Meaning::Expect(Box::new(move |expectation| expectation.json_absent(path))));
        }
        _ => return Err("unknown words".to_owned()),
    };
    expectation.parse::<JsonExpectation>()?;
    let text = literal(&expectation);
    Ok(Meaning::Expect(Box::new(move |expectation| expectation.json(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(statements: &[&str]) -> Result<String, String> {
        let mut expectation = Expectation::of_any_status();
        let mut places = Places::new();
        for statement in statements {
            match meaning(statement, &places)? {
                Meaning::Expect(add) => add(&mut expectation),
                Meaning::Place(name, path) => drop(places.insert(name, path)),
                Meaning::Nothing => {}
                Meaning::Capture(name, source) => return Ok(format!("{name} = {source}")),
                Meaning::Set(name, value) => return Ok(format!("{name} := {value}")),
            }
        }
        expectation.into_table().map(|table| table.to_string())
    }

    #[test]
    fn the_usual_statements_have_a_meaning() {
        assert_eq!(FORMS.len(), 15);
        let text = expected(&[
            "pm.response.to.have.status(201)",
            "pm.response.to.have.header('Location')",
            "pm.expect(pm.response.responseTime).to.be.below(200)",
            "pm.expect(pm.response.text()).to.include(\"ok\")",
            "var jsonData = pm.response.json()",
            "const first = jsonData.items[0]",
            "pm.expect(first.id).to.eql('a\"b')",
            "pm.expect(jsonData.items).to.have.lengthOf(2)",
            "pm.expect(jsonData.n).to.be.at.least(3)",
            "pm.expect(jsonData.s).to.not.include('x.y')",
            "pm.expect(jsonData).to.have.property('id')",
            "pm.expect(jsonData.e).to.match(/^a\\/b$/i)",
            "pm.expect(jsonData.gone).to.not.exist",
        ])
        .unwrap();
        for part in [
            "status = 201",
            "[headers.location]\nmatches = [\"^\"]",
            "max_latency = \"200ms\"",
            "body_contains = [\"ok\"]",
            r#"$.items[0].id == "a\"b""#,
            "$[?length($.items) == 2]",
            "$.n >= 3",
            r"$[?!search($.s, ",
            r#"$["id"]"#,
            r#"$.e =~ "(?i)^a/b$""#,
            "json_absent = [\"$.gone\"]",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let json = "let j = pm.response.json()";
        assert_eq!(expected(&[json, "pm.environment.set('t', j.token)"]).unwrap(), "t = \"$.token\"");
        assert_eq!(expected(&["pm.globals.set(\"a\", 'b')"]).unwrap(), "a := b");
        assert_eq!(
            expected(&["pm.collectionVariables.set('l', pm.response.headers.get('Location'))"]).unwrap(),
            "l = { header = \"Location\" }"
        );
    }

    #[test]
    fn other_statements_are_quoted() {
        for statement in [
            "if (a) { b() }",
            "pm.expect(x.y).to.eql(1)",
            "pm.expect(pm.response.json().a).to.be.a('string')",
            "var x = 5",
            "pm.sendRequest('http://h')",
        ] {
            assert_eq!(expected(&[statement]), Err(statement.to_owned()));
        }
    }
}
