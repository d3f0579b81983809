//! Templates. Each value is escaped for HTML, and without characters that change the direction of the text around them.

use anyhow::{Context as _, Result};
use common::markdown::html;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 4] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("deployment.html", include_str!("templates/deployment.html")),
    ("period.html", include_str!("templates/period.html")),
];

const STYLE: &str = include_str!("templates/style.css");

/// The page of this template.
///
/// # Errors
/// The template does not fit the values: a fault of this program.
pub(super) fn render(template: &str, values: impl Serialize) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_formatter(|out, state, value| match value.as_str() {
        // One place that knows what is unsafe, for the terminal, Markdown and HTML.
        Some(text) if !value.is_safe() => Ok(out.write_str(&html(text))?),
        _ => minijinja::escape_formatter(out, state, value),
    });
    environment.add_global("style", minijinja::Value::from_safe_string(STYLE.to_owned()));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).context("a template of the report is wrong")?;
    }
    let template = environment.get_template(template).context("the report has no template")?;
    template.render(values).context("cannot write the report")
}
