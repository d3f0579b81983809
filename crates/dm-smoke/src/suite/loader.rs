//! Loads the files of a suite: the one that was named, and those that it includes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::fs::bounded;
use common::label::Label;
use toml::de::{DeArray, DeTable, DeValue};

use super::dependencies::References;
use super::fields::{self, Diagnostics, Fields, Value};
use super::model::{Section, Test};
use super::position::LineCounter;
use super::reader::{SuiteOptions, TestReader};
use super::settings::Defaults;
use super::template::Row;
use super::{defaults, row, test};

/// The largest suite file, in bytes.
pub(super) const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The most files of a suite.
const MAX_FILES: usize = 100;

const SECTIONS: [(&str, Section); 3] =
    [("setup", Section::Setup), ("test", Section::Test), ("teardown", Section::Teardown)];

/// A file of the suite.
pub(super) struct Source {
    /// Its path.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: Arc<str>,
}

/// What was loaded so far.
pub(super) struct Loader<'a> {
    options: &'a SuiteOptions<'a>,
    /// The files.
    pub(super) sources: Vec<Source>,
    /// The tests, in the order of the files.
    pub(super) tests: Vec<(Test, References)>,
    /// The errors.
    pub(super) diagnostics: Diagnostics,
    /// The values of the environment variables that the suite uses.
    pub(super) secrets: Vec<String>,
    /// The place of each name.
    names: HashMap<String, (Arc<Path>, usize)>,
}

impl<'a> Loader<'a> {
    /// Starts without files.
    pub(super) fn new(options: &'a SuiteOptions<'a>) -> Self {
        let (sources, tests, names) = (Vec::new(), Vec::new(), HashMap::new());
        Self { options, sources, tests, diagnostics: Diagnostics::default(), secrets: Vec::new(), names }
    }

    /// Loads a file, after those that it includes. Returns its name, if it sets one, and the defaults: its own, and for
    /// what it does not set those of the files that it includes.
    pub(super) fn load(&mut self, path: &Path, text: String) -> (Option<Label>, Defaults) {
        let text: Arc<str> = text.into();
        let source = self.sources.len();
        self.sources.push(Source { path: path.to_owned(), text: Arc::clone(&text) });
        self.diagnostics.source = source;
        let (document, errors) = DeTable::parse_recoverable(&text);
        if !errors.is_empty() {
            // The content of a file that is not TOML is undefined.
            for error in errors {
                self.diagnostics.report(error.span().unwrap_or_default(), error.message());
            }
            return (None, Defaults::default());
        }
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let document = document.into_inner();
        let mut top = Fields::new(&document);
        let name = top.text("name", &mut self.diagnostics);
        let name = name
            .and_then(|name| self.diagnostics.unwrap_or_report(name.span(), name.get_ref().parse::<Label>()));
        let included: Vec<Defaults> =
            top.get("include").map(|list| self.include(list, &folder)).unwrap_or_default();
        self.diagnostics.source = source;
        for (section, _) in SECTIONS {
            if let Some(value) = top.get(section).filter(|value| !value.get_ref().is_array()) {
                fields::mistyped::<()>(value, &format!("[[{section}]]"), &mut self.diagnostics);
            }
        }
        let nothing = Defaults::default();
        let own = defaults::read(top.get("defaults"), &mut self.reader(&nothing, &folder, None));
        top.finish(&mut self.diagnostics);
        let defaults = included.into_iter().rev().fold(own, Defaults::or);
        self.read_tests(document, &text, path, &folder, &defaults);
        (name, defaults)
    }

    fn include(&mut self, list: &Value<'_>, folder: &Path) -> Vec<Defaults> {
        let items = match list.get_ref() {
            DeValue::String(_) => std::slice::from_ref(list),
            DeValue::Array(items) => items,
            _ => {
                fields::mistyped::<()>(list, "a path, or an array of paths", &mut self.diagnostics);
                return Vec::new();
            }
        };
        let source = self.diagnostics.source;
        let mut defaults = Vec::new();
        for item in items {
            self.diagnostics.source = source;
            let Some(path) = self.reader(&Defaults::default(), folder, None).path(item) else { continue };
            let text = self.read_file(&path);
            if let Some(text) = self.diagnostics.unwrap_or_report(item.span(), text) {
                defaults.push(self.load(&path, text).1);
            }
        }
        defaults
    }

    fn read_file(&self, path: &Path) -> Result<String, String> {
        let is_same = |source: &Source| match (source.path.canonicalize(), path.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        };
        if self.sources.iter().any(is_same) {
            return Err(format!("{} is already a part of this suite", path.display()));
        }
        if self.sources.len() >= MAX_FILES {
            return Err(format!("a suite of more than {MAX_FILES} files"));
        }
        let text = bounded::read_regular_text(path, MAX_BYTES);
        text.map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    fn reader<'r>(
        &'r mut self,
        defaults: &'r Defaults,
        folder: &'r Path,
        row: Option<&'r Row>,
    ) -> TestReader<'r> {
        TestReader {
            options: self.options,
            diagnostics: &mut self.diagnostics,
            secrets: &mut self.secrets,
            defaults,
            folder,
            row,
            uses: Vec::new(),
        }
    }

    fn read_tests(
        &mut self,
        document: DeTable<'_>,
        source: &str,
        path: &Path,
        folder: &Path,
        defaults: &Defaults,
    ) {
        let mut lists = SECTIONS.map(|(_, section)| (section, DeArray::new()));
        for (key, value) in document {
            let place = SECTIONS.iter().position(|(name, _)| key.get_ref() == name);
            if let (Some(place), DeValue::Array(entries)) =
                (place.and_then(|at| lists.get_mut(at)), value.into_inner())
            {
                place.1 = entries;
            }
        }
        let file: Arc<Path> = path.into();
        let mut lines = LineCounter::new(source);
        // Each entry is dropped as soon as it is read: together they need more memory than the tests.
        for (section, entries) in lists {
            for entry in entries {
                let errors = self.diagnostics.len();
                let rows = row::read(&entry, &mut self.reader(defaults, folder, None));
                let rows = rows.map_or_else(|| vec![None], |rows| rows.into_iter().map(Some).collect());
                for row in rows {
                    // The other rows would have the same errors.
                    if self.diagnostics.len() > errors {
                        break;
                    }
                    let mut reader = self.reader(defaults, folder, row.as_ref());
                    let Some((mut loaded, names)) = test::read(&entry, section, &file, &mut reader) else {
                        continue;
                    };
                    loaded.line = lines.line_at(names.at.start);
                    let place = (Arc::clone(&file), loaded.line);
                    if let Some((first, line)) = self.names.insert(loaded.name.clone(), place) {
                        let of =
                            if *first == *path { String::new() } else { format!(" of {}", first.display()) };
                        let message = format!("line {line}{of} already has a test of this name");
                        self.diagnostics.report(names.at.clone(), message);
                    }
                    self.tests.push((loaded, names));
                }
            }
        }
    }
}
