//! A request of a collection, with its scripts, as a test.

use serde_json::Value;

use super::script::Script;
use super::variables::Variables;
use super::{request, script};
use crate::import_suite::draft::{Draft, TestDraft};
use crate::import_suite::expectation::Expectation;

/// What a request has from the folders that it is in.
#[derive(Debug, Default, Clone)]
pub(super) struct Inherited<'a> {
    auth: Option<&'a Value>,
    scripts: Vec<&'a Value>,
    folders: Vec<&'a str>,
}

impl<'a> Inherited<'a> {
    /// The same with what an item adds.
    pub(super) fn with(&self, item: &'a Value) -> Self {
        let auth = item.get("auth").filter(|auth| !auth.is_null());
        let own = item["event"].as_array().into_iter().flatten();
        let scripts = self.scripts.iter().copied().chain(own).collect();
        Self { auth: auth.or(self.auth), scripts, folders: self.folders.clone() }
    }

    /// The same inside a folder.
    pub(super) fn inside(mut self, name: &'a Value) -> Self {
        self.folders.extend(name.as_str());
        self
    }
}

/// Finds the lines of texts in the file. JSON has no positions, but the texts come in the order of the file.
#[derive(Debug)]
pub(super) struct Position<'a> {
    text: &'a str,
    /// After the last name that was found, in bytes.
    at: usize,
}

impl<'a> Position<'a> {
    /// Begins at the first line.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The line of an item with this name; 0 if it is not found. Later searches begin there.
    pub(super) fn of_name(&mut self, name: &str) -> usize {
        let Some(found) = self.find(name) else { return 0 };
        self.at = found;
        self.line(found)
    }

    /// The line of a text behind the last name; 0 if it is not found.
    pub(super) fn of(&self, text: &str) -> usize {
        self.find(text).map_or(0, |at| self.line(at))
    }

    /// The place after a text, as JSON writes it.
    fn find(&self, text: &str) -> Option<usize> {
        let written = Value::from(text).to_string();
        let rest = self.text.get(self.at..)?;
        rest.find(&written).map(|at| self.at + at + written.len())
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}

/// Adds the test of one request.
pub(super) fn translate_item(
    item: &Value,
    line: usize,
    inherited: &Inherited<'_>,
    variables: &mut Variables,
    position: &Position<'_>,
    draft: &mut Draft,
) {
    let own = item["name"].as_str().unwrap_or("request");
    let name = inherited.folders.iter().copied().chain([own]).collect::<Vec<_>>().join(" / ");
    let mut test = TestDraft { name, line, is_next_step: true, ..TestDraft::default() };
    for event in inherited.scripts.iter().filter(|event| event["listen"] == "prerequest") {
        if let Some((text, _)) = script::lines(event).into_iter().find(|(text, _)| !script::is_idle(text)) {
            draft.problem(
                position.of(&text).max(line),
                format!("{:?}: the script before the request", test.name),
            );
        }
    }
    let behavior = &item["protocolProfileBehavior"];
    match request::translate(&item["request"], behavior, inherited.auth, variables, &mut draft.secrets) {
        Ok(http) => test.http = http,
        Err(why) => return draft.problem(line, format!("no test for {:?}: {why}", test.name)),
    }
    // Without a test of it, any status is good.
    let mut script = Script { expectation: Expectation::of_any_status(), capture: toml::Table::new() };
    for event in inherited.scripts.iter().filter(|event| event["listen"] == "test") {
        for (statement, why) in script.add(event, variables) {
            let what = format!("{:?}: not translated: {why}", test.name);
            draft.problem(position.of(&statement).max(line), what);
        }
    }
    test.capture = script.capture;
    match script.expectation.into_table() {
        Ok(expect) => test.expect = expect,
        Err(why) => return draft.problem(line, format!("no test for {:?}: {why}", test.name)),
    }
    draft.tests.push(test);
}
