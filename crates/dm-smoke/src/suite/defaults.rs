//! The fields of `[defaults]`, and those that a request has too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::AUTHORIZATION;
use toml::Spanned;

use super::connection_fields;
use super::expect::header_name;
use super::fields::{Fields, Value, text};
use super::reader::TestReader;
use super::settings::{Defaults, Header, Settings};
use super::template::{Template, Values};

/// Reads `[defaults]`. They take values of the environment only: a captured one would make every test wait for the test that
/// captures it, and that one too.
pub(crate) fn read(entry: Option<&Value<'_>>, reader: &mut TestReader<'_>) -> Defaults {
    let form = "a table such as { headers = { accept = \"text/html\" }, bearer = \"{{env.TOKEN}}\" }";
    let Some(mut fields) = entry.and_then(|entry| Fields::from_value(entry, form, reader.diagnostics)) else {
        return Defaults::default();
    };
    let mut headers = headers(&mut fields, reader);
    headers.extend(authorization(&mut fields, reader));
    let settings = settings(&mut fields, reader);
    fields.finish(reader.diagnostics);
    for (name, at) in reader.uses.drain(..) {
        let message = format!("defaults take only {{{{env.NAME}}}}, and no captured value such as {name}");
        reader.diagnostics.report(at, message);
    }
    Defaults { headers, settings }
}

/// Reads the settings of a request or of the defaults.
pub(crate) fn settings(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Settings {
    Settings {
        connection: connection_fields::read(fields, reader),
        cookies: fields.boolean("cookies", reader.diagnostics),
        compressed: fields.boolean("compressed", reader.diagnostics),
    }
}

/// Reads the headers of a request or of the defaults.
pub(crate) fn headers(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Vec<Header> {
    let entries = fields.entries("headers", reader.diagnostics);
    let headers = entries.into_iter().filter_map(|(name, value)| {
        let name = reader.diagnostics.unwrap_or_report(name.span(), header_name(name.get_ref()))?;
        let value = reader.template_value(value)?;
        // The value can be a secret, so the message does not show it.
        if reqwest::header::HeaderValue::try_from(value.1.render(&Values::new())).is_err() {
            let message = "the value of a header must be one line without control characters";
            reader.diagnostics.report(value.0, message);
        }
        Some((name, value.1))
    });
    headers.collect()
}

/// Reads `bearer` or `basic_auth`.
pub(crate) fn authorization(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Option<Header> {
    let bearer = fields.text("bearer", reader.diagnostics);
    let basic = fields.get("basic_auth");
    if let (Some(bearer), Some(_)) = (&bearer, basic) {
        reader.diagnostics.report(bearer.span(), "a request takes only one of bearer and basic_auth");
        return None;
    }
    let value = match (bearer, basic) {
        (Some(token), _) => reader.template(&token)?.prefixed_with("Bearer "),
        (None, Some(basic)) => basic_value(basic, reader)?,
        (None, None) => return None,
    };
    Some((AUTHORIZATION, value))
}

fn basic_value(entry: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Template> {
    let form = "a table such as { user = \"me\", password = \"{{env.PASSWORD}}\" }";
    let mut fields = Fields::from_value(entry, form, reader.diagnostics)?;
    let parts = ["user", "password"].map(|name| fields.get(name));
    fields.finish(reader.diagnostics);
    let [Some(user), Some(password)] = parts else {
        reader.diagnostics.report(entry.span(), format!("expected {form}"));
        return None;
    };
    let mut part = |value: &Value<'_>| -> Option<String> {
        let written: Spanned<&str> = text(value, "a string", reader.diagnostics)?;
        let template = reader.template(&written)?;
        if template.names().next().is_some() {
            reader
                .diagnostics
                .report(written.span(), "basic_auth takes only {{env.NAME}}, and no captured value");
        }
        Some(template.render(&Values::new()))
    };
    let (user, password) = (part(user)?, part(password)?);
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    reader.secrets.push(credentials.clone());
    Some(Template::default().prefixed_with(&format!("Basic {credentials}")))
}
