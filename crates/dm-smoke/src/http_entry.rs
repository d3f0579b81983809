//! A test's `http` and `capture`.

use common::http::parse_url;
use reqwest::Method;
use reqwest::header::HeaderValue;
use toml::Spanned;
use toml::de::DeValue;

use crate::capture::{Capture, Source};
use crate::dependency::Named;
use crate::expect_entry::{header_name, regex};
use crate::fields::{Fields, Value};
use crate::suite::{Body, HttpTest, JsonTemplate};
use crate::suite_file::Reading;
use crate::template::{Template, Values, checked_name};
use crate::{expect_entry, fields};

/// The methods that a test can use.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// The most redirects that a test can follow.
const MAX_REDIRECTS: u32 = 20;

/// The request and what it should bring.
pub(crate) fn read<'t>(
    entry: &'t Value<'t>,
    expect: Option<&'t Value<'t>>,
    capture: Vec<Capture>,
    reading: &mut Reading<'_>,
) -> Option<HttpTest> {
    let mut fields = Fields::of(entry, "a table such as { url = \"/health\" }", reading.faults)?;
    let method = fields.text("method", reading.faults);
    let url = fields.get("url");
    let headers = fields.entries("headers", reading.faults);
    let query = fields.entries("query", reading.faults);
    let body = body(&mut fields, entry, reading);
    let redirects = fields.number("redirects", 0..MAX_REDIRECTS + 1, reading.faults).unwrap_or_default();
    fields.finish(reading.faults);
    let Some(url) = url else {
        reading.faults.note(entry.span(), "missing field `url`");
        return None;
    };
    let url = fields::text(url, "a text", reading.faults)?;
    let method = method.map_or(Some(Method::GET), |typed| method_of(&typed, reading));
    let url = url_of(&url, reading);
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| {
            let name = reading.faults.sift(name.span(), header_name(name.get_ref()))?;
            let value = reading.text(value)?;
            // The value may be a secret and is not shown.
            if HeaderValue::try_from(value.1.plain(&Values::new())).is_err() {
                let message = "a header's value is one line, without control characters";
                reading.faults.note(value.0, message);
            }
            Some((name, value.1))
        })
        .collect();
    let query = query
        .into_iter()
        .filter_map(|(name, value)| Some(((*name.get_ref()).to_owned(), reading.text(value)?.1)))
        .collect();
    let expected = expect_entry::http(expect, reading.faults);
    Some(HttpTest { method: method?, url: url?, headers, query, body: body?, redirects, expected, capture })
}

fn method_of(typed: &Spanned<&str>, reading: &mut Reading<'_>) -> Option<Method> {
    let found = METHODS.into_iter().find(|method| method.as_str() == *typed.get_ref());
    if found.is_none() {
        let known = METHODS.map(|method| method.to_string()).join(", ");
        reading.faults.note(typed.span(), format!("the method is one of {known}"));
    }
    found
}

/// The whole URL. A relative one is put behind the base as it is, so that a base can have a path of its own.
fn url_of(written: &Spanned<&str>, reading: &mut Reading<'_>) -> Option<Template> {
    let template = reading.template(written)?;
    let template = match (written.get_ref().starts_with('/'), reading.given.base_url) {
        (true, Some(base)) => template.behind(base.as_str().trim_end_matches('/')),
        (true, None) => {
            reading.faults.note(written.span(), "the url is relative: give --base-url");
            return None;
        }
        (false, _) => template,
    };
    if !template.begins_with_value()
        && let Err(error) = parse_url(&template.plain(&Values::new()))
    {
        let hint = "or a path that begins with / and is put behind --base-url";
        reading.faults.note(written.span(), format!("{error}, {hint}"));
        return None;
    }
    Some(template)
}

fn body(fields: &mut Fields<'_>, entry: &Value<'_>, reading: &mut Reading<'_>) -> Option<Body> {
    let text = fields.text("body", reading.faults);
    let json = fields.get("json");
    let is_form = fields.get("form").is_some();
    let form = fields.entries("form", reading.faults);
    if usize::from(text.is_some()) + usize::from(json.is_some()) + usize::from(is_form) > 1 {
        reading.faults.note(entry.span(), "a request has one of body, json and form");
        return None;
    }
    if let Some(text) = text {
        return reading.template(&text).map(Body::Text);
    }
    if let Some(value) = json {
        return json_of(value, reading).map(Body::Json);
    }
    if is_form {
        let pairs = form
            .into_iter()
            .filter_map(|(name, value)| Some(((*name.get_ref()).to_owned(), reading.text(value)?.1)))
            .collect();
        return Some(Body::Form(pairs));
    }
    Some(Body::None)
}

fn json_of(value: &Value<'_>, reading: &mut Reading<'_>) -> Option<JsonTemplate> {
    Some(match value.get_ref() {
        DeValue::String(text) => {
            JsonTemplate::Text(reading.template(&Spanned::new(value.span(), text.as_ref()))?)
        }
        DeValue::Array(list) => {
            JsonTemplate::List(list.iter().filter_map(|value| json_of(value, reading)).collect())
        }
        DeValue::Table(table) => JsonTemplate::Object(
            table
                .iter()
                .filter_map(|(key, value)| Some((key.get_ref().to_string(), json_of(value, reading)?)))
                .collect(),
        ),
        DeValue::Integer(_) => JsonTemplate::Other(fields::integer(value)?.into()),
        DeValue::Float(float) => {
            JsonTemplate::Other(float.as_str().replace('_', "").parse::<f64>().ok()?.into())
        }
        DeValue::Boolean(yes) => JsonTemplate::Other((*yes).into()),
        DeValue::Datetime(time) => JsonTemplate::Other(time.to_string().into()),
    })
}

/// A test's `capture`, and the names in it.
pub(crate) fn captures(test: &mut Fields<'_>, reading: &mut Reading<'_>) -> (Vec<Capture>, Vec<Named>) {
    let mut captures = Vec::new();
    let mut names = Vec::new();
    for (name, value) in test.entries("capture", reading.faults) {
        let Some(checked) = reading.faults.sift(name.span(), checked_name(name.get_ref())) else { continue };
        names.push((checked.clone(), name.span()));
        captures.extend(source(value, reading).map(|source| Capture { name: checked, source }));
    }
    (captures, names)
}

fn source(value: &Value<'_>, reading: &mut Reading<'_>) -> Option<Source> {
    if let Some(path) = value.get_ref().as_str() {
        return reading.faults.sift(value.span(), path.parse()).map(Source::Json);
    }
    let such_as = "a JSONPath such as \"$.token\", or a table such as { header = \"location\" } or { regex = \"id=(.*)\" }";
    let mut fields = Fields::of(value, such_as, reading.faults)?;
    let header = fields.text("header", reading.faults);
    let regex = regex("regex", &mut fields, reading.faults);
    fields.finish(reading.faults);
    match (header, regex) {
        (Some(header), regex) => {
            let name = reading.faults.sift(header.span(), header_name(header.get_ref()))?;
            Some(Source::Header(name, regex))
        }
        (None, Some(regex)) => Some(Source::Body(regex)),
        (None, None) => {
            reading.faults.note(value.span(), format!("expected {such_as}"));
            None
        }
    }
}
