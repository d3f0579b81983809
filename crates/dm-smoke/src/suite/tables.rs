//! Files of other tools with the words of a suite: an array of tables, each with a request and what is expected of the
//! response. A suite and such a file cannot differ in what a word means.

use std::fmt::{self, Display};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use common::clock::{Clock as _, SystemClock};
use common::env;
use common::fs::bounded;
use common::secrets::Redactor;
use http_expect::ResponseExpectation;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};

use toml::de::DeTable;

use super::assertion::HttpExpected;
use super::connection::Tls;
use super::connection_fields;
use super::defaults;
use super::expect;
use super::fields::{self, Diagnostic, Diagnostics, Fields, Value};
use super::file::format_diagnostics;
use super::http::parse_method;
use super::loader::{MAX_BYTES, Source};
use super::reader::{SuiteOptions, TestReader};
use super::run_values::RunValues;
use super::settings::{Defaults, Header};
use super::template::Values;
use crate::redact;

/// Which file to read, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct TableFile<'a> {
    /// The file, in TOML.
    pub path: &'a Path,
    /// The name of the array of tables, such as `target` for `[[target]]`.
    pub array: &'static str,
    /// The name of the tool, for errors of several lines.
    pub tool: &'a str,
    /// Whether the file is only checked: then an environment variable that is not set is no error.
    pub is_check: bool,
}

/// What was read.
#[derive(Debug)]
pub struct Tables<T> {
    /// The tables, in the order of the file.
    pub tables: Vec<T>,
    /// Redacts the values of the environment that the file uses.
    pub secrets: Redactor,
}

/// The request of a table.
#[derive(Debug, Default)]
pub struct TableRequest {
    /// The method, if it is set.
    pub method: Option<Method>,
    /// The headers of the table and of the defaults. Their values may be secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a table expects of the response.
#[derive(Debug, Default)]
pub struct TableExpectation {
    /// The expected status, headers and body.
    pub response: ResponseExpectation,
    /// The most time until the response is complete.
    pub max_latency: Option<Duration>,
}

/// One table. It collects its errors with their positions. Unknown fields are errors.
pub struct Table<'r, 't> {
    entry: &'t Value<'t>,
    fields: Fields<'t>,
    reader: TestReader<'r>,
}

/// Reads all tables of a file, each by `read`, which returns `None` if it has reported an error.
///
/// # Errors
/// The file cannot be read, or it is not valid. The message then has a line for each error, with its line and column.
pub fn read_tables<T>(
    file: TableFile<'_>,
    read: impl FnMut(&mut Table<'_, '_>) -> Option<T>,
) -> Result<Tables<T>> {
    let path = file.path;
    let text =
        bounded::read_text(path, MAX_BYTES).with_context(|| format!("cannot read {}", path.display()))?;
    let text: Arc<str> = text.into();
    let tables = tables(&text, file, read);
    let sources = [Source { path: path.to_owned(), text }];
    tables.map_err(|diagnostics| anyhow!(format_diagnostics(&sources, &diagnostics, file.tool)))
}

fn tables<T>(
    text: &str,
    file: TableFile<'_>,
    mut read: impl FnMut(&mut Table<'_, '_>) -> Option<T>,
) -> Result<Tables<T>, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        diagnostics.report(error.span().unwrap_or_default(), error.message());
    }
    if diagnostics.len() > 0 {
        // The content of a file that is not TOML is undefined.
        return Err(diagnostics.into_result().err().unwrap_or_default());
    }
    let unset = |name: &str| env::system(name).or_else(|| file.is_check.then(|| String::from("unset")));
    let run = RunValues::new(SystemClock.now());
    let options = SuiteOptions { base_url: None, timeout: Duration::MAX, env: &unset, run: &run };
    let mut secrets = Vec::new();
    let mut fields = Fields::new(document.get_ref());
    let nothing = Defaults::default();
    let folder = file.path.parent().unwrap_or(Path::new(""));
    let mut reader = TestReader {
        options: &options,
        diagnostics: &mut diagnostics,
        secrets: &mut secrets,
        defaults: &nothing,
        folder,
        row: None,
        uses: Vec::new(),
    };
    let headers = default_headers(fields.get("defaults"), &mut reader);
    finish(reader);
    let defaults = Defaults { headers, ..nothing };
    let array = fields.get(file.array);
    fields.finish(&mut diagnostics);
    let list = array.and_then(|array| match array.get_ref().as_array() {
        Some(list) => Some(list),
        None => fields::mistyped(array, &format!("[[{}]]", file.array), &mut diagnostics),
    });
    let mut tables = Vec::new();
    for entry in list.into_iter().flat_map(|list| list.iter()) {
        let Some(fields) = Fields::from_value(entry, "a table", &mut diagnostics) else { continue };
        let reader = TestReader {
            options: &options,
            diagnostics: &mut diagnostics,
            secrets: &mut secrets,
            defaults: &defaults,
            folder,
            row: None,
            uses: Vec::new(),
        };
        let mut table = Table { entry, fields, reader };
        tables.extend(read(&mut table));
        table.finish();
    }
    diagnostics.into_result()?;
    let mut redactor = Redactor::default();
    redactor.add(redact::encoded_forms(&secrets));
    Ok(Tables { tables, secrets: redactor })
}

/// The headers of the defaults. How a server is reached is not a default here.
fn default_headers(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Vec<Header> {
    let form = "a table such as { headers = { accept = \"text/html\" }, bearer = \"{{env.TOKEN}}\" }";
    let Some(mut fields) = entry.and_then(|entry| Fields::from_value(entry, form, reader.diagnostics)) else {
        return Vec::new();
    };
    let mut headers = defaults::headers(&mut fields, reader);
    headers.extend(defaults::authorization(&mut fields, reader));
    fields.finish(reader.diagnostics);
    headers
}

/// Reports the captured values that were inserted: there are none.
fn finish(reader: TestReader<'_>) {
    let TestReader { diagnostics, uses, .. } = reader;
    for (name, at) in uses {
        let message = format!("only {{{{env.NAME}}}} can be inserted here, not the value {name}");
        diagnostics.report(at, message);
    }
}

impl Table<'_, '_> {
    /// A string with its values of the environment, as `parse` reads it. `None` if it is not set, or not valid.
    pub fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.fields.text(name, self.reader.diagnostics)?;
        let rendered = self.reader.template(&text)?.render(&Values::new());
        // The text can contain a secret of the environment.
        let parsed = parse(&rendered).map_err(|error| self.reader.redact(&error.to_string()));
        self.reader.diagnostics.unwrap_or_report(text.span(), parsed)
    }

    /// Like [`Table::parsed`], of a string that must be set.
    pub fn required<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.fields.get(name).is_none() {
            self.reject(format!("missing field `{name}`"));
        }
        self.parsed(name, parse)
    }

    /// An integer from 1, if it is set.
    pub fn count(&mut self, name: &'static str) -> Option<u32> {
        self.fields.number(name, 1..u32::MAX, self.reader.diagnostics)
    }

    /// A duration above zero, if it is set.
    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        self.fields.duration(name, self.reader.diagnostics)
    }

    /// Reads `tls`.
    pub fn tls(&mut self) -> Option<Tls> {
        connection_fields::tls(&mut self.fields, &mut self.reader)
    }

    /// A boolean; false if it is not set.
    pub fn flag(&mut self, name: &'static str) -> bool {
        let Some(value) = self.fields.get(name) else { return false };
        let flag = value.get_ref().as_bool();
        flag.or_else(|| fields::mistyped(value, "true or false", self.reader.diagnostics)).unwrap_or_default()
    }

    /// Reads `method`, `headers`, and `bearer` or `basic_auth`, with the defaults of the file.
    pub fn request(&mut self) -> TableRequest {
        let method = self.fields.text("method", self.reader.diagnostics);
        let method = method.and_then(|typed| parse_method(&typed, &mut self.reader));
        let mut headers = defaults::headers(&mut self.fields, &mut self.reader);
        headers.extend(defaults::authorization(&mut self.fields, &mut self.reader));
        let is_set = |name| headers.iter().any(|(set, _)| set == name);
        let added: Vec<_> =
            self.reader.defaults.headers.iter().filter(|(name, _)| !is_set(name)).cloned().collect();
        headers.extend(added);
        // A value that is not valid has been reported.
        let valued = headers.into_iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::try_from(value.render(&Values::new())).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        TableRequest { method, headers: valued.collect() }
    }

    /// Whether the table itself sets a header.
    pub fn has_headers(&mut self) -> bool {
        ["headers", "bearer", "basic_auth"].into_iter().any(|name| self.fields.get(name).is_some())
    }

    /// Reads `expect`, without the words that are `excluded`: what the caller cannot know.
    pub fn expectation(&mut self, excluded: &[&str]) -> TableExpectation {
        let entry = self.fields.get("expect");
        let set =
            entry.and_then(|entry| entry.get_ref().as_table()).into_iter().flat_map(|table| table.keys());
        for key in set.filter(|key| excluded.contains(&key.get_ref().as_ref())) {
            let message = format!("`{}` cannot be expected here", key.get_ref());
            self.reader.diagnostics.report(key.span(), message);
        }
        // Whether a body has to be measured follows from the response.
        let HttpExpected { response, max_latency, body_file: _, measures_body: _, messages: _ } =
            expect::http(entry, &mut self.reader).fixed;
        TableExpectation { response, max_latency }
    }

    /// Reports an error of the table as a whole.
    pub fn reject(&mut self, message: impl Into<String>) {
        self.reader.diagnostics.report(self.entry.span(), message);
    }

    fn finish(self) {
        self.fields.finish(self.reader.diagnostics);
        finish(self.reader);
    }
}

impl fmt::Debug for Table<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("fields", &self.fields).finish_non_exhaustive()
    }
}
