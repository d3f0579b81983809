//! A test's `http` and `capture`.

use common::http::parse_url;
use reqwest::Method;
use toml::Spanned;
use toml::de::DeValue;

use crate::suite::capture::{Capture, Source};
use crate::suite::dependencies::SpannedName;
use crate::suite::expect::{header_name, regex};
use crate::suite::fields::{Fields, Value};
use crate::suite::model::{Body, HttpTest, JsonTemplate};
use crate::suite::reader::TestReader;
use crate::suite::template::{Template, Values, value_name};
use crate::suite::{defaults, expect, fields};

/// The methods that a test can use.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The most redirects that a test can follow.
const MAX_REDIRECTS: u32 = 20;

/// Reads a test's `http` and `expect`.
pub(crate) fn read<'t>(
    entry: &'t Value<'t>,
    expect: Option<&'t Value<'t>>,
    capture: Vec<Capture>,
    reader: &mut TestReader<'_>,
) -> Option<HttpTest> {
    let mut fields = Fields::from_value(entry, "a table such as { url = \"/health\" }", reader.diagnostics)?;
    let method = fields.text("method", reader.diagnostics);
    let url = fields.get("url");
    let mut headers = defaults::headers(&mut fields, reader);
    headers.extend(defaults::authorization(&mut fields, reader));
    let query = fields.entries("query", reader.diagnostics);
    let body = body(&mut fields, entry, reader);
    let max_redirects =
        fields.number("redirects", 0..MAX_REDIRECTS + 1, reader.diagnostics).unwrap_or_default();
    fields.finish(reader.diagnostics);
    let Some(url) = url else {
        reader.diagnostics.report(entry.span(), "missing field `url`");
        return None;
    };
    let url = fields::text(url, "a string", reader.diagnostics)?;
    if is_of_deployment(&url, reader) {
        let is_set = |name| headers.iter().any(|(set, _)| set == name);
        let added: Vec<_> = reader.defaults.iter().filter(|(name, _)| !is_set(name)).cloned().collect();
        headers.extend(added);
    }
    let method = method.map_or(Some(Method::GET), |typed| parse_method(&typed, reader));
    let url = parse_url_template(&url, reader);
    let query = query
        .into_iter()
        .filter_map(|(name, value)| Some((reader.literal(&name)?, reader.template_value(value)?.1)))
        .collect();
    let expected = expect::http(expect, reader);
    Some(HttpTest {
        method: method?,
        url: url?,
        headers,
        query,
        body: body?,
        max_redirects,
        expected,
        capture,
    })
}

/// Whether a URL leads to the deployment under test. The defaults can contain secrets, which other hosts must not see.
fn is_of_deployment(url: &Spanned<&str>, reader: &TestReader<'_>) -> bool {
    let Some(base) = reader.options.base_url else { return true };
    let same_origin = |url: &str| url::Url::parse(url).is_ok_and(|url| url.origin() == base.origin());
    url.get_ref().starts_with('/') || same_origin(url.get_ref())
}

fn parse_method(typed: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<Method> {
    let method = METHODS.into_iter().find(|method| method.as_str() == *typed.get_ref());
    if method.is_none() {
        let known = METHODS.map(|method| method.to_string()).join(", ");
        reader.diagnostics.report(typed.span(), format!("the method must be one of {known}"));
    }
    method
}

/// Reads the URL. A relative one is appended to the base, so that the base can have a path.
fn parse_url_template(written: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<Template> {
    let template = reader.template(written)?;
    let template = match (written.get_ref().starts_with('/'), reader.options.base_url) {
        (true, Some(base)) => template.prefixed_with(base.as_str().trim_end_matches('/')),
        (true, None) => {
            reader.diagnostics.report_once(written.span(), "the url is relative: give --base-url");
            return None;
        }
        (false, _) => template,
    };
    if !template.starts_with_value()
        && let Err(error) = parse_url(&template.render(&Values::new()))
    {
        let hint = "or a path that starts with /, relative to --base-url";
        reader.diagnostics.report(written.span(), format!("{error}, {hint}"));
        return None;
    }
    Some(template)
}

fn body(fields: &mut Fields<'_>, entry: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Body> {
    let text = fields.text("body", reader.diagnostics);
    let json = fields.get("json");
    let is_form = fields.get("form").is_some();
    let form = fields.entries("form", reader.diagnostics);
    if usize::from(text.is_some()) + usize::from(json.is_some()) + usize::from(is_form) > 1 {
        reader.diagnostics.report(entry.span(), "a request takes only one of body, json and form");
        return None;
    }
    if let Some(text) = text {
        return reader.template(&text).map(Body::Text);
    }
    if let Some(value) = json {
        return json_template(value, reader).map(Body::Json);
    }
    if is_form {
        let pairs = form
            .into_iter()
            .filter_map(|(name, value)| Some((reader.literal(&name)?, reader.template_value(value)?.1)))
            .collect();
        return Some(Body::Form(pairs));
    }
    Some(Body::None)
}

fn json_template(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<JsonTemplate> {
    Some(match value.get_ref() {
        DeValue::String(text) => {
            JsonTemplate::Text(reader.template(&Spanned::new(value.span(), text.as_ref()))?)
        }
        DeValue::Array(list) => {
            JsonTemplate::List(list.iter().filter_map(|value| json_template(value, reader)).collect())
        }
        DeValue::Table(table) => JsonTemplate::Object(
            table
                .iter()
                .filter_map(|(key, value)| {
                    let key = Spanned::new(key.span(), key.get_ref().as_ref());
                    Some((reader.literal(&key)?, json_template(value, reader)?))
                })
                .collect(),
        ),
        DeValue::Integer(_) => JsonTemplate::Other(fields::integer(value)?.into()),
        DeValue::Float(float) => {
            JsonTemplate::Other(float.as_str().replace('_', "").parse::<f64>().ok()?.into())
        }
        DeValue::Boolean(boolean) => JsonTemplate::Other((*boolean).into()),
        DeValue::Datetime(time) => JsonTemplate::Other(time.to_string().into()),
    })
}

/// Reads a test's `capture`; returns the captures and the positions of their names.
pub(crate) fn captures(
    test: &mut Fields<'_>,
    reader: &mut TestReader<'_>,
) -> (Vec<Capture>, Vec<SpannedName>) {
    let mut captures = Vec::new();
    let mut names = Vec::new();
    for (name, value) in test.entries("capture", reader.diagnostics) {
        let Some(valid_name) = reader.diagnostics.unwrap_or_report(name.span(), value_name(name.get_ref()))
        else {
            continue;
        };
        names.push((valid_name.clone(), name.span()));
        captures.extend(source(value, reader).map(|source| Capture { name: valid_name, source }));
    }
    (captures, names)
}

fn source(value: &Value<'_>, reader: &mut TestReader<'_>) -> Option<Source> {
    if let Some(path) = value.get_ref().as_str() {
        let path = reader.literal(&Spanned::new(value.span(), path))?;
        return reader.diagnostics.unwrap_or_report(value.span(), path.parse()).map(Source::Json);
    }
    let expected_form = "a JSONPath such as \"$.token\", or a table such as { header = \"location\" } or { regex = \"id=(.*)\" }";
    let mut fields = Fields::from_value(value, expected_form, reader.diagnostics)?;
    let header = fields.text("header", reader.diagnostics);
    let regex = regex("regex", &mut fields, reader);
    fields.finish(reader.diagnostics);
    match (header, regex) {
        (Some(header), regex) => {
            let name = reader.diagnostics.unwrap_or_report(header.span(), header_name(header.get_ref()))?;
            Some(Source::Header(name, regex))
        }
        (None, Some(regex)) => Some(Source::Body(regex)),
        (None, None) => {
            reader.diagnostics.report(value.span(), format!("expected {expected_form}"));
            None
        }
    }
}
