//! A suite in the making, and how it is written.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::placeholder::captured;
use super::secret::Secrets;

/// Something that the suite lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The line of the file, from 1; 0 if it is not known.
    pub(super) line: usize,
    /// What is not translated.
    pub(super) what: String,
}

/// A suite in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The name of the suite; empty for that of its file.
    pub(super) name: String,
    /// Its tests, in order.
    pub(super) tests: Vec<TestDraft>,
    /// What it lacks.
    pub(super) problems: Vec<Problem>,
    /// What its user has to know.
    pub(super) notes: Vec<String>,
    /// The secrets of the file.
    pub(super) secrets: Secrets,
}

/// A test in the making.
#[derive(Debug, Default)]
pub(super) struct TestDraft {
    /// The name; it need not be unique.
    pub(super) name: String,
    /// The line of the file where it comes from.
    pub(super) line: usize,
    /// The request.
    pub(super) http: Table,
    /// What is expected.
    pub(super) expect: Table,
    /// What is captured, by name.
    pub(super) capture: Table,
    /// `timeout`, `retries` and `tags`.
    pub(super) options: Table,
    /// Whether it runs only after the test before it has passed.
    pub(super) is_next_step: bool,
}

impl Draft {
    /// Notes something that the suite lacks.
    pub(super) fn problem(&mut self, line: usize, what: impl Into<String>) {
        let what = what.into();
        self.problems.push(Problem { line, what });
    }

    /// The text of the suite, and what there is to say about it. Tests that insert a value that none captures are left out:
    /// no run could give them one.
    pub(super) fn finish(mut self) -> (String, Self) {
        self.drop_incomplete();
        self.problems.sort_by_key(|problem| problem.line);
        let variables: Vec<&str> = self.secrets.variables().collect();
        if !variables.is_empty() {
            self.notes
                .push(format!("the suite reads secrets from the environment: {}", variables.join(", ")));
        }
        let mut suite = String::new();
        if let Some(name) = common::label::Label::sanitize(&self.name) {
            suite = format!("name = {}\n", Value::from(name.as_str()));
        }
        let mut names = BTreeSet::new();
        let mut previous: Option<String> = None;
        for test in &self.tests {
            let name = unique(&test.name, &mut names);
            suite.push_str(&test.write(&name, previous.as_ref().filter(|_| test.is_next_step)));
            previous = Some(name);
        }
        (suite, self)
    }

    fn drop_incomplete(&mut self) {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut kept = Vec::new();
        for test in std::mem::take(&mut self.tests) {
            let text = test.write("", None);
            let missing = captured(&text).into_iter().find(|name| !known.contains(*name)).map(str::to_owned);
            if let Some(missing) = missing {
                self.problem(test.line, format!("the test {:?}: no test captures {missing}", test.name));
                continue;
            }
            known.extend(test.capture.keys().cloned());
            kept.push(test);
        }
        self.tests = kept;
    }
}

impl TestDraft {
    fn write(&self, name: &str, after: Option<&String>) -> String {
        let mut lines = vec![String::new(), "[[test]]".to_owned(), format!("name = {}", Value::from(name))];
        let tables = [("http", &self.http), ("expect", &self.expect), ("capture", &self.capture)];
        for (key, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
            lines.push(format!("{key} = {}", Value::Table(table.clone())));
        }
        lines.extend(self.options.iter().map(|(key, value)| format!("{key} = {value}")));
        lines.extend(after.map(|name| format!("depends_on = [{}]", Value::from(name.as_str()))));
        lines.join("\n") + "\n"
    }
}

/// A name that no other test has, on one line.
fn unique(name: &str, names: &mut BTreeSet<String>) -> String {
    let line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = super::placeholder::literal(line.trim());
    let base = if line.is_empty() { "test".to_owned() } else { line };
    let numbered = (2..).map(|number| format!("{base} ({number})"));
    let name = [base.clone()].into_iter().chain(numbered).find(|name| !names.contains(name)).unwrap_or(base);
    names.insert(name.clone());
    name
}

/// Adds a string to a list of a table.
pub(super) fn push(table: &mut Table, key: &str, text: impl Into<String>) {
    let list = table.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.push(Value::String(text.into()));
    }
}

/// Adds a text to a table inside a table: a second one of the same name makes a list.
pub(super) fn add_pair(table: &mut Table, key: &str, name: &str, text: impl Into<String>) {
    let text = Value::String(text.into());
    let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
    let Value::Table(inner) = inner else { return };
    match inner.get_mut(name) {
        None => drop(inner.insert(name.to_owned(), text)),
        Some(Value::Array(list)) => list.push(text),
        Some(single) => *single = Value::Array(vec![single.clone(), text]),
    }
}

/// Sets a string of a table inside a table.
pub(super) fn set(table: &mut Table, key: &str, name: &str, text: impl Into<String>) {
    let inner = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        inner.insert(name.to_owned(), Value::String(text.into()));
    }
}
