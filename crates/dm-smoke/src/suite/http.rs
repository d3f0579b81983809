//! A test's `http`.

use std::borrow::Cow;

use common::http::parse_url;
use http_expect::{StatusPattern, StatusPatterns, coding};
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderName};
use toml::Spanned;

use super::capture::Capture;
use super::connection::{Connection, HttpVersion, MAX_REDIRECTS};
use super::fields::{Fields, Value};
use super::model::{Body, HttpTest};
use super::reader::TestReader;
use super::settings::Settings;
use super::template::{Template, Values};
use super::{defaults, expect, fields, payload};

/// The status that opens a WebSocket.
const SWITCHING_PROTOCOLS: u16 = 101;

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
    let websocket = websocket(&mut fields, reader);
    let rate = fields.number("rate", 1..u32::MAX, reader.diagnostics);
    let trust_redirects = fields.boolean("trust_redirects", reader.diagnostics).unwrap_or_default();
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
    let needs_1_1 = has_host || websocket.is_some();
    let connection = connection(settings.clone(), needs_1_1, entry, reader);
    let method = method.map_or(Some(Method::GET), |typed| parse_method(&typed, reader));
    let url = parse_url_template(&url, reader);
    let mut expected = expect::http(expect, reader);
    if websocket.is_some() && !expect::has_status(expect) {
        expected.fixed.response.status = StatusPatterns(vec![StatusPattern::Exact(SWITCHING_PROTOCOLS)]);
    }
    Some(HttpTest {
        method: method?,
        url: url?,
        headers,
        query,
        body: body?,
        max_redirects,
        websocket,
        rate,
        trust_redirects,
        connection,
        cookies: settings.cookies.unwrap_or_default(),
        expected,
        capture,
    })
}

/// HTTP/2 has no header `host` beside the authority of the URL, and another way to WebSocket.
fn connection(
    settings: Settings,
    needs_1_1: bool,
    entry: &Value<'_>,
    reader: &mut TestReader<'_>,
) -> Connection {
    let connection = settings.connection;
    match connection.version {
        Some(HttpVersion::Two) if needs_1_1 => {
            let message = "HTTP/2 has no header host, for which there is connect_to, and no WebSocket here";
            reader.diagnostics.report(entry.span(), message);
            connection
        }
        None if needs_1_1 => Connection { version: Some(HttpVersion::OneOne), ..connection },
        _ => connection,
    }
}

/// Whether a URL leads to the deployment under test. The defaults can contain secrets, which other hosts must not see.
fn is_of_deployment(url: &Spanned<&str>, reader: &TestReader<'_>) -> bool {
    let Some(base) = reader.options.base_url else { return true };
    let same_origin = |url: &str| url::Url::parse(url).is_ok_and(|url| url.origin() == base.origin());
    url.get_ref().starts_with('/') || same_origin(url.get_ref())
}

/// Reads `websocket`: the messages to send.
fn websocket(fields: &mut Fields<'_>, reader: &mut TestReader<'_>) -> Option<Vec<Template>> {
    let form = "a table such as { send = [\"hello\"] }, or { }";
    let mut fields = Fields::from_value(fields.get("websocket")?, form, reader.diagnostics)?;
    let texts = fields.texts("send", reader.diagnostics);
    fields.finish(reader.diagnostics);
    Some(texts.iter().filter_map(|text| reader.template(text)).collect())
}

/// A URL of a WebSocket as that of the HTTP request that opens it.
fn as_http(url: &str) -> Cow<'_, str> {
    match url.strip_prefix("ws") {
        Some(rest) if rest.starts_with("://") || rest.starts_with("s://") => {
            Cow::Owned(format!("http{rest}"))
        }
        _ => Cow::Borrowed(url),
    }
}

pub(super) fn parse_method(typed: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<Method> {
    let written = reader.literal(typed)?;
    // The common ones, and those of WebDAV and of caches.
    let is_method = !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_uppercase());
    let method = Method::from_bytes(written.as_bytes()).ok().filter(|_| is_method);
    if method.is_none() {
        reader.diagnostics.report(typed.span(), "the method must be in upper case, such as GET or POST");
    }
    method
}

/// Reads the URL. A relative one is appended to the base, so that the base can have a path.
fn parse_url_template(written: &Spanned<&str>, reader: &mut TestReader<'_>) -> Option<Template> {
    let http = as_http(written.get_ref());
    let template = reader.template(&Spanned::new(written.span(), http.as_ref()))?;
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
