//! A YAML block below a test line. It is read line by line: many producers write YAML with faults.

use std::collections::BTreeMap;
use std::time::Duration;

use super::MAX_TEXT;
use crate::import::duration;

/// Keys that say where, not why.
const PLACES: [&str; 4] = ["at", "location", "source", "stack"];

/// A block that is being read.
#[derive(Debug)]
pub(super) struct Block {
    indent: usize,
    values: BTreeMap<String, String>,
    /// The indentation of the key whose text is on the following lines, and the key.
    scalar: Option<(usize, String)>,
    /// The first key with such a text: some producers have keys of their own.
    first_scalar: Option<String>,
}

/// What a line means for a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BlockLine {
    /// It belongs to the block.
    Inside,
    /// It ends the block.
    End,
    /// The block has ended without a mark: the line does not belong to it.
    Outside,
}

impl Block {
    /// A block whose first line has this indentation.
    pub(super) fn new(indent: usize) -> Self {
        Self { indent, values: BTreeMap::new(), scalar: None, first_scalar: None }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, indent: usize, content: &str) -> BlockLine {
        if content == "..." && indent <= self.indent {
            return BlockLine::End;
        }
        let is_tap = ["ok", "not ok", "1..", "Bail out!"].iter().any(|start| content.starts_with(start));
        if indent == 0 && is_tap {
            return BlockLine::Outside;
        }
        match &self.scalar {
            Some((key_indent, key)) if content.is_empty() || indent > *key_indent => {
                let key = key.clone();
                self.append(&key, content);
            }
            _ => self.entry(indent, content),
        }
        BlockLine::Inside
    }

    fn entry(&mut self, indent: usize, content: &str) {
        self.scalar = None;
        if let Some((key, mark)) = content.rsplit_once(':')
            && is_scalar_mark(mark.trim())
        {
            let key = unquoted(key);
            if !PLACES.contains(&key.as_str()) {
                self.first_scalar.get_or_insert_with(|| key.clone());
            }
            self.scalar = Some((indent, key));
        } else if let Some((key, value)) = content.split_once(':')
            && !value.trim().is_empty()
        {
            self.append(&unquoted(key), &unquoted(value));
        }
    }

    /// Adds to a value. The first of several with the same key counts: it is the outermost.
    fn append(&mut self, key: &str, text: &str) {
        if self.scalar.is_none() && self.values.contains_key(key) {
            return;
        }
        let value = self.values.entry(key.to_owned()).or_default();
        if value.len() < MAX_TEXT {
            value.push_str(text);
            value.push('\n');
        }
    }

    /// The duration of the test.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.values.get("duration_ms").map(|text| duration::parse_ms(text))
    }

    /// Why the test failed.
    pub(super) fn message(&self) -> Option<String> {
        let value = |keys: &[&str]| {
            let mut found = keys.iter().filter_map(|key| self.values.get(*key)).map(|text| text.trim());
            found.find(|text| !text.is_empty())
        };
        if let Some(message) = value(&["message", "error"]) {
            return Some(message.to_owned());
        }
        let pair = (value(&["actual", "found", "got"]), value(&["expected", "wanted"]));
        if let (Some(actual), Some(expected)) = pair {
            return Some(format!("{actual}, expected {expected}"));
        }
        let scalar = self.first_scalar.as_deref();
        value(&[scalar.unwrap_or("diff"), "stack"]).map(str::to_owned)
    }
}

/// Whether a value says that its text is on the following lines: `|-`, `>`.
fn is_scalar_mark(value: &str) -> bool {
    let indicators = value.strip_prefix(['|', '>']);
    indicators.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-')))
}

/// A scalar without its quotes.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    // JSON's strings are YAML's, but for a few escapes.
    if let Ok(string) = serde_json::from_str(text) {
        return string;
    }
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.trim_matches('"').to_owned(),
    }
}
