//! What the reading of a test needs and collects.

use std::ops::Range;
use std::time::Duration;

use common::env::Env;
use toml::Spanned;
use url::Url;

use super::dependencies::SpannedName;
use super::fields::{self, Diagnostics, Value};
use super::template::Template;

/// Options from the command line that apply to every test.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "contains a function")]
pub struct SuiteOptions<'a> {
    /// The base of relative URLs.
    pub base_url: Option<&'a Url>,
    /// The time limit of a test that sets none.
    pub timeout: Duration,
    /// Looks up environment variables.
    pub env: &'a Env<'a>,
}

/// Reads one test, and collects its errors, its secrets and the captured values that it uses.
#[expect(missing_debug_implementations, reason = "contains a function")]
pub struct TestReader<'a> {
    /// Options from the command line.
    pub options: &'a SuiteOptions<'a>,
    /// The errors found so far.
    pub diagnostics: &'a mut Diagnostics,
    /// The values of the environment variables that the suite uses.
    pub secrets: &'a mut Vec<String>,
    /// The captured values that the test uses.
    pub uses: Vec<SpannedName>,
}

impl TestReader<'_> {
    /// Parses a template.
    pub fn template(&mut self, text: &Spanned<&str>) -> Option<Template> {
        let parsed = Template::parse(text.get_ref(), self.options.env, self.secrets);
        let template = self.diagnostics.unwrap_or_report(text.span(), parsed)?;
        self.uses.extend(template.names().map(|name| (name.to_owned(), text.span())));
        Some(template)
    }

    /// Parses a value that must be a template; returns it with its position in bytes.
    pub fn template_value(&mut self, value: &Value<'_>) -> Option<(Range<usize>, Template)> {
        let text = fields::text(value, "a string", self.diagnostics)?;
        Some((text.span(), self.template(&text)?))
    }
}
