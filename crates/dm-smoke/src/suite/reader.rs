//! What the reading of a test needs and collects.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::env::Env;
use common::secrets::Redactor;
use toml::Spanned;
use url::Url;

use super::dependencies::SpannedName;
use super::fields::{self, Diagnostics, Value};
use super::run_values::RunValues;
use super::settings::Defaults;
use super::template::{Constants, Row, Template, Values};
use crate::redact;

/// Options from the command line that apply to every test.
#[derive(Clone, Copy)]
pub(crate) struct SuiteOptions<'a> {
    /// The base of relative URLs.
    pub(crate) base_url: Option<&'a Url>,
    /// The time limit of a test that sets none.
    pub(crate) timeout: Duration,
    /// Looks up environment variables.
    pub(crate) env: &'a Env<'a>,
    /// The values of the run.
    pub(crate) run: &'a RunValues,
}

/// Reads one test, and collects its errors, its secrets and the captured values that it uses.
pub(crate) struct TestReader<'a> {
    /// Options from the command line.
    pub(crate) options: &'a SuiteOptions<'a>,
    /// The errors found so far.
    pub(crate) diagnostics: &'a mut Diagnostics,
    /// The values of the environment variables that the suite uses.
    pub(crate) secrets: &'a mut Vec<String>,
    /// What all requests to the deployment have in common.
    pub(crate) defaults: &'a Defaults,
    /// The folder of the suite file, to which paths in it are relative.
    pub(crate) folder: &'a Path,
    /// The row of the test's table for which it is read.
    pub(crate) row: Option<&'a Row>,
    /// The captured values that the test uses.
    pub(crate) uses: Vec<SpannedName>,
}

impl<'a> TestReader<'a> {
    fn constants(&self) -> Constants<'a> {
        Constants { env: self.options.env, row: self.row, run: self.options.run }
    }

    /// Parses a template.
    pub(crate) fn template(&mut self, text: &Spanned<&str>) -> Option<Template> {
        let constants = self.constants();
        let parsed = Template::parse(text.get_ref(), constants, self.secrets);
        let template = self.diagnostics.unwrap_or_report(text.span(), parsed)?;
        self.uses.extend(template.names().map(|name| (name.to_owned(), text.span())));
        Some(template)
    }

    /// Checks a text into which no values are inserted but those of a table. Nothing that looks like a template is taken literally, except two
    /// braces that are written as {{"{{"}}.
    pub(crate) fn literal(&mut self, text: &Spanned<&str>) -> Option<String> {
        if !text.get_ref().contains("{{") {
            return Some((*text.get_ref()).to_owned());
        }
        let constants = Constants { env: &|_| Some(String::new()), ..self.constants() };
        let parsed = Template::parse(text.get_ref(), constants, &mut Vec::new());
        let template = self.diagnostics.unwrap_or_report(text.span(), parsed)?;
        if template.has_values() {
            let message = "no value can be inserted here; write two braces as {{\"{{\"}}";
            self.diagnostics.report(text.span(), message);
            return None;
        }
        Some(template.render(&Values::new()))
    }

    /// Parses a template that takes no captured values.
    pub(crate) fn constant(&mut self, text: &Spanned<&str>) -> Option<String> {
        let constants = self.constants();
        let parsed = Template::parse(text.get_ref(), constants, self.secrets);
        let template = self.diagnostics.unwrap_or_report(text.span(), parsed)?;
        if let Some(name) = template.names().next() {
            let message =
                format!("only {{{{env.NAME}}}} can be inserted here, and no captured value such as {name}");
            self.diagnostics.report(text.span(), message);
            return None;
        }
        Some(template.render(&Values::new()))
    }

    /// Reads the path of a file, relative to the suite file. A service cannot choose it, because it takes no captured value.
    pub(crate) fn path(&mut self, value: &Value<'_>) -> Option<PathBuf> {
        let text = fields::text(value, "the path of a file", self.diagnostics)?;
        if text.get_ref().is_empty() {
            self.diagnostics.report(text.span(), "the path of a file must not be empty");
            return None;
        }
        self.constant(&text).map(|path| self.folder.join(path))
    }

    /// The text without the values of the environment variables that the suite uses.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut redactor = Redactor::default();
        redactor.add(redact::encoded_forms(&*self.secrets));
        redactor.redact(text)
    }

    /// Parses a value that must be a template; returns it with its position in bytes.
    pub(crate) fn template_value(&mut self, value: &Value<'_>) -> Option<(Range<usize>, Template)> {
        let text = fields::text(value, "a string", self.diagnostics)?;
        Some((text.span(), self.template(&text)?))
    }
}
