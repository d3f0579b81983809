//! The scripts of a collection, statement by statement: the usual ones are expectations and captures of a suite.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::Table;

use super::statement::{Meaning, meaning};
use super::variables::Variables;
use crate::import_suite::expectation::Expectation;

/// What the scripts of a request say.
#[derive(Debug)]
pub(super) struct Script {
    /// What is expected.
    pub(super) expectation: Expectation,
    /// What is captured.
    pub(super) capture: Table,
}

/// The lines of the script of an event: what each says, and the line as it is written.
pub(super) fn lines(event: &Value) -> Vec<(String, String)> {
    let exec = &event["script"]["exec"];
    let list = exec.as_array().into_iter().flatten().filter_map(Value::as_str);
    // A single text can have several lines. As it is written, it is one.
    let text = exec.as_str().into_iter().flat_map(str::lines);
    list.chain(text).map(|line| (line.to_owned(), line.trim().to_owned())).collect()
}

/// Whether a line does nothing: a comment, a bracket at the end of a function, a message.
pub(super) fn is_idle(line: &str) -> bool {
    let line = line.trim();
    line.is_empty()
        || line.starts_with("//")
        || line.starts_with("console.")
        || line.chars().all(|c| "{}()[];,".contains(c))
}

impl Script {
    /// Adds the statements of an event. Returns those that a suite cannot say, each with its first line and the reason.
    pub(super) fn add(&mut self, event: &Value, variables: &mut Variables) -> Vec<(String, String)> {
        let mut unknown = Vec::new();
        // The names of the script for places in the JSON body.
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for (first, statement) in statements(&lines(event)) {
            match meaning(&statement, &places) {
                Ok(Meaning::Nothing) => {}
                Ok(Meaning::Place(name, path)) => drop(places.insert(name, path)),
                Ok(Meaning::Expect(add)) => add(&mut self.expectation),
                Ok(Meaning::Capture(name, source)) => {
                    self.capture.insert(variables.capture(&name), source);
                }
                Ok(Meaning::Set(name, value)) => variables.set(&name, &value),
                Err(why) => unknown.push((first, why)),
            }
        }
        unknown
    }
}

/// The statements of a script: lines are joined until their brackets are closed, and what only frames a test is left out.
fn statements(lines: &[(String, String)]) -> Vec<(String, String)> {
    let mut statements = Vec::new();
    let mut open: Option<(String, String)> = None;
    for (written, line) in lines {
        if is_idle(line) && open.is_none() {
            continue;
        }
        let line = unframed(line);
        let (first, joined) = match open.take() {
            Some((first, before)) => (first, format!("{before} {line}")),
            None => (written.clone(), line.to_owned()),
        };
        if depth(&joined) > 0 {
            open = Some((first, joined));
        } else {
            // Several on one line, as in a function of one line.
            let parts = split(&joined);
            statements.extend(parts.into_iter().map(|part| (first.clone(), part)));
        }
    }
    statements.extend(open);
    statements.retain(|(_, statement)| !is_idle(statement));
    statements
}

/// What is inside `pm.test("name", function () {`, if the line begins so.
fn unframed(line: &str) -> &str {
    if !line.starts_with("pm.test(") {
        return line;
    }
    let body = line.split_once("=> {").or_else(|| line.split_once(") {")).or_else(|| line.split_once("=>"));
    body.or_else(|| line.split_once("){")).map_or(line, |(_, body)| body.trim())
}

/// How many brackets are open. Those that are closed without having been opened belong to what framed the statement.
fn depth(text: &str) -> usize {
    let mut depth = 0_usize;
    for c in outside_of_texts(text).filter_map(|(_, c)| c) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth
}

/// The statements of a line, without semicolons and without brackets that close what framed them.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for (raw, outside) in outside_of_texts(text) {
        match outside {
            Some('(' | '[' | '{') => depth += 1,
            Some(')' | ']' | '}') if depth == 0 => continue,
            Some(')' | ']' | '}') => depth -= 1,
            Some(';') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(raw);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// The characters of a text, each a second time if it is outside of a string of JavaScript.
fn outside_of_texts(text: &str) -> impl Iterator<Item = (char, Option<char>)> {
    let (mut quote, mut is_escaped) = (None, false);
    text.chars().map(move |c| {
        let outside = match quote {
            Some(_) if is_escaped => {
                is_escaped = false;
                None
            }
            Some(_) if c == '\\' => {
                is_escaped = true;
                None
            }
            Some(open) if open == c => {
                quote = None;
                None
            }
            Some(_) => None,
            None if matches!(c, '"' | '\'' | '`') => {
                quote = Some(c);
                None
            }
            None => Some(c),
        };
        (c, outside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn statements_of(text: &str) -> Vec<String> {
        let lines: Vec<_> = text.lines().map(|line| (line.to_owned(), line.trim().to_owned())).collect();
        statements(&lines).into_iter().map(|(_, statement)| statement).collect()
    }

    #[test]
    fn a_script_is_split_into_statements_without_their_frames() {
        let text = "// a comment\npm.test(\"is 200\", function () {\n    pm.response.to.have.status(200);\n});\n\
                    pm.test('x', () => { pm.expect(a.b).to.eql(\"})\"); c() });\npm.expect(\n  a\n).to.exist;";
        assert_eq!(
            statements_of(text),
            [
                "pm.response.to.have.status(200)",
                "pm.expect(a.b).to.eql(\"})\")",
                "c()",
                "pm.expect( a ).to.exist"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_script_is_split(text in "(pm.test\\(|=> \\{|\\)|\\}|;|\"|'|\\PC{0,6}|\n){0,30}") {
            let _ = statements_of(&text);
        }
    }
}
