//! A test's `http`.

use common::http::parse_url;
use http_expect::coding;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderName};
use toml::Spanned;

use super::capture::Capture;
use super::connection::{Connection, HttpVersion};
use super::defaults::Settings;
use super::fields::{Fields, Value};
use super::model::{Body, HttpTest};
use super::reader::TestReader;
use super::template::{Template, Values};
use super::{defaults, expect, fields, payload};

/// The most redirects that a test can follow.
pub(crate) const MAX_REDIRECTS: u32 = 20;

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
    let query = payload::pairs("query", &mut fields, reader);
    let body = payload::read(&mut fields, entry, reader);
    let settings = defaults::settings(&mut fields, reader);
    let max_redirects =
        fields.number("redirects", 0..MAX_REDIRECTS + 1, reader.diagnostics).unwrap_or_default();
    fields.finish(reader.diagnostics);
    let Some(url) = url else {
        reader.diagnostics.report(entry.span(), "missing field `url`");
        return None;
    };
    let url = fields::text(url, "a string", reader.diagnostics)?;
    let settings = if is_of_deployment(&url, reader) {
        let is_set = |name| headers.iter().any(|(set, _)| set == name);
        let added: Vec<_> =
            reader.defaults.headers.iter().filter(|(name, _)| !is_set(name)).cloned().collect();
        headers.extend(added);
        settings.or(&reader.defaults.settings)
    } else {
        settings
    };
    if settings.compressed == Some(true) && !headers.iter().any(|(name, _)| name == ACCEPT_ENCODING) {
        headers.push((ACCEPT_ENCODING, Template::default().prefixed_with(coding::ACCEPT)));
    }
    let names: Vec<&HeaderName> = headers.iter().map(|(name, _)| name).collect();
    if matches!(body, Some(Body::Multipart(_))) && names.contains(&&CONTENT_TYPE) {
        reader.diagnostics.report(entry.span(), "multipart makes the header content-type itself");
    }
    let has_host = names.contains(&&HOST);
    let connection = connection(settings.clone(), has_host, entry, reader);
    let method = method.map_or(Some(Method::GET), |typed| parse_method(&typed, reader));
    let url = parse_url_template(&url, reader);
    let expected = expect::http(expect, reader);
    Some(HttpTest {
        method: method?,
        url: url?,
        headers,
        query,
        body: body?,
        max_redirects,
        connection,
        cookies: settings.cookies.unwrap_or_default(),
        expected,
        capture,
    })
}

/// HTTP/2 has no header `host` beside the authority of the URL.
fn connection(
    settings: Settings,
    has_host: bool,
    entry: &Value<'_>,
    reader: &mut TestReader<'_>,
) -> Connection {
    let connection = settings.connection;
    match connection.version {
        Some(HttpVersion::Two) if has_host => {
            let message = "HTTP/2 has no header host: use connect_to with the name in the url";
            reader.diagnostics.report(entry.span(), message);
            connection
        }
        None if has_host => Connection { version: Some(HttpVersion::OneOne), ..connection },
        _ => connection,
    }
}

/// Whether a URL leads to the deployment under test. The defaults can contain secrets, which other hosts must not see.
fn is_of_deployment(url: &Spanned<&str>, reader: &TestReader<'_>) -> bool {
    let Some(base) = reader.options.base_url else { return true };
    let same_origin = |url: &str| url::Url::parse(url).is_ok_and(|url| url.origin() == base.origin());
    url.get_ref().starts_with('/') || same_origin(url.get_ref())
}

pub(super) fn parse_method(typed: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<Method> {
    // The common ones, and those of WebDAV and of caches.
    let is_method =
        !typed.get_ref().is_empty() && typed.get_ref().bytes().all(|byte| byte.is_ascii_uppercase());
    let method = Method::from_bytes(typed.get_ref().as_bytes()).ok().filter(|_| is_method);
    if method.is_none() {
        reader.diagnostics.report(typed.span(), "the method must be in upper case, such as GET or POST");
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
