//! An entry of a Hurl file as a test of a suite.

use std::collections::BTreeSet;

use anyhow::Result;

use super::file::{self, Entry, Line, Message};
use super::options::Options;
use super::request::{self, key_value};
use super::{assert, body, capture};
use crate::import_suite::draft::{Draft, TestDraft};
use crate::import_suite::expectation::Expectation;
use crate::import_suite::placeholder;
use crate::suite::template::value_name;

/// What the entries before an entry tell about it.
#[derive(Debug, Default)]
struct Known {
    captured: BTreeSet<String>,
    /// `variable: name=value` of the options.
    set: Vec<(String, String)>,
    /// The first host that is a variable: the base of the suite.
    base: Option<String>,
}

/// The sections that are translated.
const SECTIONS: [&str; 11] = [
    "Query",
    "QueryStringParams",
    "Form",
    "FormParams",
    "Multipart",
    "MultipartFormData",
    "BasicAuth",
    "Cookies",
    "Options",
    "Captures",
    "Asserts",
];

/// Makes a suite of a Hurl file.
///
/// # Errors
/// The text is not one.
pub(crate) fn translate(text: &str) -> Result<Draft> {
    let mut draft = Draft::default();
    let mut known = Known::default();
    for entry in file::read(text)? {
        add(&entry, &mut known, &mut draft);
    }
    // Hurl keeps cookies from one request to the next.
    if draft.tests.len() > 1 {
        for test in &mut draft.tests {
            test.http.insert("cookies".to_owned(), toml::Value::Boolean(true));
        }
    }
    if let Some(base) = known.base {
        draft.notes.push(format!("the URLs begin with the variable {base}: give its value as --base-url"));
    }
    Ok(draft)
}

fn add(entry: &Entry, known: &mut Known, draft: &mut Draft) {
    let mut test = TestDraft { is_next_step: true, ..TestDraft::default() };
    let first = entry.request.first.as_ref();
    test.line = first.map_or(0, |line| line.number);
    let title = first.map(|line| line.text.as_str()).unwrap_or_default();
    test.name = entry.comment.clone().unwrap_or_else(|| title.to_owned());
    let messages = [Some(&entry.request), entry.response.as_ref()];
    for section in messages.into_iter().flatten().flat_map(|message| &message.sections) {
        if !SECTIONS.contains(&section.name.as_str()) {
            let why = format!("the section [{}]", section.name);
            return skip(&test, section.number, &why, draft);
        }
    }
    let mut options = Options::default();
    for line in entry.request.section(&["Options"]) {
        let option = key_value(line);
        let added = option.and_then(|(name, value)| match (name.as_str(), value.split_once('=')) {
            ("variable", Some((name, value))) => {
                known.set.push((name.trim().to_owned(), value.trim().to_owned()));
                Ok(())
            }
            _ => options.add(&name, &value, &mut test.options),
        });
        if let Err(why) = added {
            draft.problem(line.number, why);
        }
    }
    if options.skip {
        return;
    }
    options.add_polling(&mut test.options);
    known.base = known.base.take().or_else(|| base(title));
    let request = {
        let known = &*known;
        request::translate(&entry.request, &options, &mut draft.secrets, &|text| known.insert(text))
    };
    match request {
        Ok(http) => test.http = http,
        Err((line, why)) => return skip(&test, line, &why, draft),
    }
    let expectation = expectation(entry.response.as_ref(), known, draft);
    match expectation.into_table() {
        Ok(expect) => test.expect = expect,
        Err(why) => return skip(&test, test.line, &why, draft),
    }
    for line in entry.response.iter().flat_map(|response| response.section(&["Captures"])) {
        let captured = line.text.split_once(':').ok_or_else(|| "a capture without a colon".to_owned());
        let captured = captured.and_then(|(name, query)| {
            let source = capture::source(&known.insert(query)?)?;
            Ok((value_name(name.trim())?, source))
        });
        match captured {
            Ok((name, source)) => {
                known.captured.insert(name.clone());
                test.capture.insert(name, source);
            }
            Err(why) => draft.problem(line.number, format!("not captured: {why}")),
        }
    }
    draft.tests.push(test);
}

fn skip(test: &TestDraft, line: usize, why: &str, draft: &mut Draft) {
    draft.problem(line, format!("no test for {:?}: {why}", test.name));
}

/// What is expected. Asserts that a suite cannot make are problems, and the others remain.
fn expectation(response: Option<&Message>, known: &Known, draft: &mut Draft) -> Expectation {
    let mut expectation = Expectation::of_any_status();
    let Some(response) = response else { return expectation };
    let first = response.first.clone().unwrap_or(Line { number: 0, text: String::new() });
    let mut words = first.text.split_whitespace();
    let version = words.next().unwrap_or_default();
    match version.strip_prefix("HTTP/") {
        Some(version @ ("1.0" | "1.1" | "2")) => expectation.fact("http_version", version),
        Some("*") | None => {}
        Some(_) => draft.problem(first.number, format!("not tested: the version {version}")),
    }
    // A star is any status.
    if let Some(Ok(expected)) = words.next().map(str::parse::<u16>) {
        expectation.status(|status| status == expected);
    }
    let mut add = |line: &Line, added: Result<(), String>| {
        if let Err(why) = added {
            draft.problem(line.number, format!("not tested: {why}"));
        }
    };
    for line in &response.headers {
        let header = key_value(line).and_then(|(name, value)| Ok((name, known.insert(&value)?)));
        add(line, header.map(|(name, value)| expectation.header(&name, "equals", value)));
    }
    for line in response.section(&["Asserts"]) {
        let text = known.insert(&line.text);
        add(line, text.and_then(|text| assert::add(&text, &mut expectation)));
    }
    if let Some(body) = &response.body {
        let whole = known.insert(&body.text).and_then(|text| whole_body(&text));
        add(body, whole.map(|(word, text)| expectation.body(word, text)));
    }
    expectation
}

/// What is expected of a body that is written as a whole.
fn whole_body(text: &str) -> Result<(&'static str, String), String> {
    let (kind, content) = body::content(text)?;
    match kind {
        // JSON is compared as JSON: spaces and the order of members do not matter.
        Some("application/json") => {
            let json: serde_json::Value =
                serde_json::from_str(&content).map_err(|_| "a body of JSON with values in it")?;
            let expectation = format!("$ == {json}");
            expectation.parse::<http_expect::JsonExpectation>()?;
            Ok(("json", expectation))
        }
        _ => Ok(("body_equals", content)),
    }
}

/// The variable that a URL begins with.
fn base(title: &str) -> Option<String> {
    let (_, url) = title.split_once(char::is_whitespace)?;
    let (name, rest) = url.trim().strip_prefix("{{")?.split_once("}}")?;
    (rest.is_empty() || rest.starts_with('/')).then(|| name.trim().to_owned())
}

impl Known {
    /// The text with the placeholders of a suite.
    fn insert(&self, text: &str) -> Result<String, String> {
        let relative = self.base.as_ref().and_then(|base| {
            let (name, rest) = text.strip_prefix("{{")?.split_once("}}")?;
            (name.trim() == base)
                .then_some(if rest.is_empty() { "/" } else { rest })
                .filter(|rest| rest.starts_with('/'))
        });
        placeholder::replace(relative.unwrap_or(text), |name| {
            if self.captured.contains(name) {
                return Ok(format!("{{{{{name}}}}}"));
            }
            if let Some((_, value)) = self.set.iter().rev().find(|(set, _)| set == name) {
                return Ok(placeholder::literal(value));
            }
            match name {
                "newUuid" => return Ok("{{run.id}}".to_owned()),
                "newDate" => return Ok("{{run.time}}".to_owned()),
                _ => {}
            }
            // Hurl reads its variables from the environment too.
            value_name(name).map_err(|_| format!("the value {name}"))?;
            Ok(format!("{{{{env.HURL_VARIABLE_{name}}}}}"))
        })
    }
}
