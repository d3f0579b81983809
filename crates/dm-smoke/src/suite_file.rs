//! The suite's file: read, and checked as a whole before anything runs.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use common::env::Env;
use common::label::Label;
use common::secrets::Redactor;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use url::Url;

use crate::args::{MAX_RETRIES, TOOL};
use crate::dependency::{self, Links, Named};
use crate::fields::{self, Fault, Faults, Fields, Value};
use crate::suite::{CommandTest, Kind, Suite, Test};
use crate::template::Template;
use crate::{expect_entry, http_entry, redact};

/// The most faults that are told at once.
const MAX_FAULTS: usize = 20;

/// The largest file, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What the command line gives to every test.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// What relative URLs are put behind.
    pub(crate) base_url: Option<&'a Url>,
    /// The time limit of a test that has none of its own.
    pub(crate) timeout: Duration,
    /// Where variables are looked up.
    pub(crate) env: &'a Env<'a>,
}

/// Reads and checks the file. An error says where in it, a line a fault.
pub(crate) fn read(path: &Path, given: &Given<'_>) -> Result<Suite> {
    let size = fs::metadata(path).map_or(0, |file| file.len());
    if size > MAX_BYTES {
        return Err(anyhow!("{} is no suite: it has {size} bytes", path.display()));
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&text, &stem, given).map_err(|faults| anyhow!(told(&text, path, &faults)))
}

fn told(text: &str, path: &Path, faults: &[Fault]) -> String {
    let mut lines = String::new();
    for Fault { at, message } in faults.iter().take(MAX_FAULTS) {
        let (line, column) = position(text, at.start);
        // Messages of the parser have several lines.
        let message = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let begin = if lines.is_empty() { String::new() } else { format!("\n{}: ", TOOL.name) };
        // Writing to a String cannot fail.
        let _ = write!(lines, "{begin}{}:{line}:{column}: {message}", path.display());
    }
    if let Some(more @ 1..) = faults.len().checked_sub(MAX_FAULTS) {
        let _ = write!(lines, "\n{}: and {more} more", TOOL.name);
    }
    lines
}

/// The suite that a text makes, or everything in it that cannot be meant.
pub(crate) fn parse(text: &str, stem: &str, given: &Given<'_>) -> Result<Suite, Vec<Fault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults = Faults::default();
    for error in errors {
        faults.note(error.span().unwrap_or_default(), error.message());
    }
    // What stands in a file that is not TOML is anybody's guess.
    faults.told()?;
    let mut faults = Faults::default();
    let suite = suite(document.into_inner(), text, stem, given, &mut faults);
    faults.told()?;
    suite.ok_or_else(Vec::new)
}

fn suite(
    document: DeTable<'_>,
    source: &str,
    stem: &str,
    given: &Given<'_>,
    faults: &mut Faults,
) -> Option<Suite> {
    let mut fields = Fields::new(&document);
    let name = match fields.text("name", faults) {
        Some(name) => faults.sift(name.span(), name.get_ref().parse::<Label>()),
        None => Label::sanitize(stem),
    };
    if let Some(value) = fields.get("test").filter(|value| !value.get_ref().is_array()) {
        fields::mistyped::<()>(value, "[[test]]", faults);
    }
    fields.finish(faults);
    let entries =
        document.into_iter().find(|(key, _)| key.get_ref() == "test").map(|(_, value)| value.into_inner());
    let entries = if let Some(DeValue::Array(entries)) = entries { entries } else { DeArray::new() };
    let mut seen = HashMap::new();
    let mut secrets = Vec::new();
    let mut count = Lines { text: source, at: 0, line: 1 };
    let (mut tests, mut relations) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
    // Each is dropped once it is read: together they take more memory than what they become.
    for entry in entries {
        let mut reading = Reading { given, faults, secrets: &mut secrets, uses: Vec::new() };
        let Some((mut test, relation)) = test(&entry, &mut reading) else { continue };
        test.line = count.of(relation.at.start);
        if let Some(first) = seen.insert(test.name.clone(), test.line) {
            faults.note(relation.at.clone(), format!("a test of this name is already in line {first}"));
        }
        tests.push(test);
        relations.push(relation);
    }
    let waits_for = dependency::resolve(&relations, faults);
    let tests =
        tests.into_iter().zip(waits_for).map(|(test, depends_on)| Arc::new(Test { depends_on, ..test }));
    secrets.sort_unstable();
    secrets.dedup();
    let mut hidden = Redactor::default();
    hidden.add(redact::encoded_forms(&secrets));
    // Every request may go to it, and a command may show the variable that it finds it in.
    hidden.add(given.base_url.map(redact::url_secrets).unwrap_or_default());
    Some(Suite { name: name?, tests: tests.collect(), secrets: hidden })
}

/// Counts lines, going forward: a suite of ten thousand tests is not read ten thousand times.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> usize {
        match self.text.get(self.at..at) {
            Some(between) => self.line += between.matches('\n').count(),
            None => self.line = position(self.text, at).0,
        }
        self.at = at;
        self.line
    }
}

/// Line and column, both from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// What is gathered while a test is read.
pub(crate) struct Reading<'a> {
    /// What the command line gives.
    pub(crate) given: &'a Given<'a>,
    /// What cannot be meant.
    pub(crate) faults: &'a mut Faults,
    /// The variables' values that it uses.
    secrets: &'a mut Vec<String>,
    /// The captured values that it uses.
    uses: Vec<Named>,
}

impl Reading<'_> {
    /// A text with values to be filled in.
    pub(crate) fn template(&mut self, text: &Spanned<&str>) -> Option<Template> {
        let read = Template::parse(text.get_ref(), self.given.env, self.secrets);
        let template = self.faults.sift(text.span(), read)?;
        self.uses.extend(template.names().map(|name| (name.to_owned(), text.span())));
        Some(template)
    }

    /// The same of a value, which has to be a text, and its place.
    pub(crate) fn text(&mut self, value: &Value<'_>) -> Option<(Range<usize>, Template)> {
        let text = fields::text(value, "a text", self.faults)?;
        Some((text.span(), self.template(&text)?))
    }
}

/// A test, and what it says of the others. `None` where so much is wrong that nothing else can be said.
fn test(entry: &Value<'_>, reading: &mut Reading<'_>) -> Option<(Test, Links)> {
    let mut fields = Fields::of(entry, "a table", reading.faults)?;
    let name = fields.get("name");
    if name.is_none() {
        reading.faults.note(entry.span(), "missing field `name`");
    }
    let name = name.and_then(|name| fields::text(name, "a text", reading.faults));
    let (http, command, env) = (fields.get("http"), fields.get("command"), fields.get("env"));
    let env_entries = fields.entries("env", reading.faults);
    let expect = fields.get("expect");
    let limit = fields.duration("timeout", reading.faults);
    let retries = fields.number("retries", 0..MAX_RETRIES + 1, reading.faults);
    let tags = fields.texts("tags", reading.faults);
    let depends_on = fields.texts("depends_on", reading.faults);
    let (captures, names) = http_entry::captures(&mut fields, reading);
    let not_for_commands = fields.get("capture");
    fields.finish(reading.faults);
    if let Some(name) = &name {
        check_name(name, reading.faults);
    }
    let kind = match (http, command) {
        (Some(http), None) => {
            if let Some(env) = env {
                reading.faults.note(env.span(), "env does not fit an http test: use {{env.NAME}}");
            }
            http_entry::read(http, expect, captures, reading).map(|http| Kind::Http(Box::new(http)))
        }
        (None, Some(argv)) => {
            if let Some(capture) = not_for_commands {
                reading.faults.note(capture.span(), "capture does not fit a command test");
            }
            command_test(argv, expect, env_entries, reading).map(Kind::Command)
        }
        (Some(_), Some(argv)) => {
            reading.faults.note(argv.span(), "a test has either http or command, not both");
            None
        }
        (None, None) => {
            reading.faults.note(entry.span(), "a test has either http or command");
            None
        }
    };
    let name = name?;
    let links = Links {
        name: (*name.get_ref()).to_owned(),
        at: name.span(),
        depends_on: depends_on.iter().map(|name| ((*name.get_ref()).to_owned(), name.span())).collect(),
        captures: names,
        uses: std::mem::take(&mut reading.uses),
    };
    let test = Test {
        name: links.name.clone(),
        line: 0,
        limit: limit.unwrap_or(reading.given.timeout),
        // A test that cannot be read has a fault, and is never run; its name is needed by the others.
        kind: kind.unwrap_or_else(|| Kind::Command(CommandTest::default())),
        retries,
        tags: tags.iter().map(|tag| (*tag.get_ref()).to_owned()).collect(),
        depends_on: Vec::new(),
    };
    Some((test, links))
}

fn check_name(name: &Spanned<&str>, faults: &mut Faults) {
    if name.get_ref().trim().is_empty() {
        faults.note(name.span(), "the name of a test must not be empty");
    } else if name.get_ref().chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        faults.note(name.span(), "the name of a test is one line, without control characters");
    }
}

fn command_test<'t>(
    argv: &Value<'t>,
    expect: Option<&Value<'_>>,
    env: Vec<fields::Entry<'t>>,
    reading: &mut Reading<'_>,
) -> Option<CommandTest> {
    let expected = expect_entry::command(expect, reading.faults);
    let env = env
        .into_iter()
        .filter_map(|(name, value)| {
            let is_name = !name.get_ref().is_empty() && !name.get_ref().contains(['=', '\0']);
            if !is_name {
                reading.faults.note(name.span(), "a variable's name has no = in it");
            }
            Some(((*name.get_ref()).to_owned(), reading.text(value)?.1))
        })
        .collect();
    let DeValue::Array(list) = argv.get_ref() else {
        return fields::mistyped(argv, "a list such as [\"./check.sh\", \"--all\"]", reading.faults);
    };
    let words: Vec<String> = list
        .iter()
        .filter_map(|word| fields::text(word, "a text", reading.faults))
        .map(|word| (*word.get_ref()).to_owned())
        .collect();
    match words.as_slice() {
        [] if list.is_empty() => {
            reading.faults.note(argv.span(), "a command has a program and its arguments");
            None
        }
        [program, ..] if program.is_empty() => {
            reading.faults.note(argv.span(), "the command's program must not be empty");
            None
        }
        [program, rest @ ..] => {
            Some(CommandTest { program: program.clone(), args: rest.to_vec(), env, expected })
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests;
