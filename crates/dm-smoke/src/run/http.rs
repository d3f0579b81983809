//! An HTTP test: sends the request, compares the response with the expectations, and captures values.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::duration;
use common::event::Reason;
use common::http;
use common::label::redact_url;
use common::proxy::Proxies;
use common::tls;
use http_expect::{MAX_BODY_BYTES, Response, excerpt};
use percent_encoding::utf8_percent_encode;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::clients::connect_timeout;
use super::context::RunContext;
use super::redirect::{Hop, Trail};
use crate::failure::{Failure, inserted_badly};
use crate::redact::{PATH_SEGMENT, SuiteRedactor};
use crate::suite::assertion::{HttpObserved, Mismatch};
use crate::suite::model::{Body, HttpTest};
use crate::suite::template::Values;

/// Runs the test. Returns the values that it captured.
pub(super) async fn run(
    test: &HttpTest,
    limit: Duration,
    redactor: SuiteRedactor<'_>,
    context: &RunContext,
    clock: &(dyn Clock + Sync),
) -> Result<Values, Failure> {
    let url = match url(test, redactor.values) {
        Ok(url) => url,
        Err(why) => return Err(Failure::error(Reason::Other, why).with_subject(test.method.as_str())),
    };
    let redactor = SuiteRedactor { url: Some(&url), ..redactor };
    let mut trail = Trail::default();
    let result = match context.clients.get(limit) {
        Some(client) => {
            let exchange = exchange(test, url.clone(), client, redactor.values, clock, &mut trail);
            match timeout(limit, exchange).await {
                Ok(Ok(observed)) => evaluate(test, &observed, redactor),
                Ok(Err(ExchangeError::Request(why))) => Err(Failure::error(Reason::Other, why)),
                Ok(Err(ExchangeError::Transport(error))) => {
                    Err(transport_failure(error, limit, &url, &context.proxies))
                }
                Err(_) => Err(Failure::error(
                    Reason::ReadTimeout,
                    format!("no complete response within {}", duration::format_duration(limit)),
                )),
            }
        }
        None => Err(Failure::error(Reason::Other, "no HTTP client was created for this test")),
    };
    result.map_err(|failure| {
        let end = trail.url.map(|end| {
            let times =
                if trail.followed == 1 { "once".to_owned() } else { format!("{} times", trail.followed) };
            format!(", redirected {times} to {}", redact_url(&end))
        });
        let request = format!("{} {}{}", test.method, redact_url(&url), end.unwrap_or_default());
        failure.with_subject(&redactor.redact(&request))
    })
}

/// The URL with the captured values. A value cannot leave its segment of the path, unless the URL begins with it.
fn url(test: &HttpTest, values: &Values) -> Result<Url, String> {
    // These two navigate in the path even if they are percent-encoded.
    if !test.url.starts_with_value()
        && let Some(name) = test
            .url
            .names()
            .find(|name| values.get(*name).is_some_and(|value| matches!(value.as_str(), "." | "..")))
    {
        return Err(format!("the captured value {name} is . or .., which would change the path of the URL"));
    }
    let encoded = |value: &str| utf8_percent_encode(value, PATH_SEGMENT).to_string();
    let filled = if test.url.starts_with_value() {
        test.url.render(values)
    } else {
        test.url.render_with(values, encoded)
    };
    // The URL is not shown: it consists of captured values, which may be secrets.
    let mut url = http::parse_url(&filled)
        .map_err(|_| "the URL with the captured values is not a valid http or https URL".to_owned())?;
    if !test.query.is_empty() {
        url.query_pairs_mut()
            .extend_pairs(test.query.iter().map(|(name, value)| (name, value.render(values))));
    }
    Ok(url)
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("{0}")]
    Request(String),
    #[error(transparent)]
    Transport(#[from] reqwest::Error),
}

async fn exchange(
    test: &HttpTest,
    url: Url,
    client: &Client,
    values: &Values,
    clock: &(dyn Clock + Sync),
    trail: &mut Trail,
) -> Result<HttpObserved, ExchangeError> {
    let body = match &test.body {
        Body::None => None,
        Body::Text(body) => Some(body.render(values)),
        Body::Json(json) => Some(json.render(values).to_string()),
        Body::Form(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, value.render(values)));
            Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        }
    };
    let mut hop = Hop { url, method: test.method.clone(), headers: headers(test, values)?, body };
    let stopwatch = Stopwatch::start(clock);
    let mut response = loop {
        let request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        let request = match &hop.body {
            Some(body) => request.body(body.clone()),
            None => request,
        };
        let response = request.send().await?;
        // The response beyond the limit is the one that is judged, so that the test sees its status.
        let next = hop.follow(response.status(), response.headers());
        let Some(next) = next.filter(|_| trail.followed < test.max_redirects) else { break response };
        hop = next;
        trail.followed += 1;
        trail.url = Some(hop.url.clone());
    };
    let (mut body, mut is_truncated) = (Vec::new(), false);
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            is_truncated = true;
            break;
        }
    }
    let latency = stopwatch.elapsed(clock);
    let headers = std::mem::take(response.headers_mut());
    let response = Response::new(response.status().as_u16(), headers, body, is_truncated);
    Ok(HttpObserved { response, latency })
}

fn headers(test: &HttpTest, values: &Values) -> Result<HeaderMap, ExchangeError> {
    let mut headers = HeaderMap::new();
    match &test.body {
        Body::Json(_) => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
        Body::Form(_) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        }
        Body::None | Body::Text(_) => None,
    };
    for (name, value) in &test.headers {
        let mut value = HeaderValue::try_from(value.render(values)).map_err(|_| {
            ExchangeError::Request(format!(
                "the header {name} contains a captured value with a character that headers do not allow"
            ))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn evaluate(
    test: &HttpTest,
    observed: &HttpObserved,
    redactor: SuiteRedactor<'_>,
) -> Result<Values, Failure> {
    let results: Vec<_> = test.capture.iter().map(|capture| capture.extract(&observed.response)).collect();
    // If this test fails, its message must not show the values that it captured.
    let captured: Vec<_> = results.iter().flatten().cloned().collect();
    let redactor = SuiteRedactor { captured: &captured, ..redactor };
    let expected =
        test.expected.with(redactor.values).map_err(|why| inserted_badly(&redactor.redact(&why)))?;
    let mismatches = expected.check(observed, |text| redactor.redact(text));
    Failure::from_mismatches(&mismatches, &redactor).map_or(Ok(()), Err)?;
    let mut values = Values::new();
    let mut missing = Vec::new();
    for (capture, value) in test.capture.iter().zip(results) {
        match value {
            Ok(value) => drop(values.insert(capture.name.clone(), value)),
            Err(what) => missing.push(Mismatch {
                reason: Reason::BodyMismatch,
                what,
                evidence: &observed.response.body,
            }),
        }
    }
    Failure::from_mismatches(&missing, &redactor).map_or(Ok(values), Err)
}

fn transport_failure(error: reqwest::Error, limit: Duration, url: &Url, proxies: &Proxies) -> Failure {
    // A redirect may have led elsewhere.
    let url = error.url().unwrap_or(url);
    let proxy = match proxies.for_url(url) {
        Ok(proxy) => proxy.filter(|_| error.is_connect()),
        Err(why) => return Failure::error(Reason::Other, why),
    };
    let reason = classify(&error, url.scheme() == "https" && proxy.is_none());
    let message = match reason {
        Reason::ConnectTimeout => {
            format!("no connection within {}", duration::format_duration(connect_timeout(limit)))
        }
        Reason::Refused => "connection refused".to_owned(),
        _ => {
            let text = http::describe_error(error);
            tls::hint(&text).map_or_else(|| excerpt::bounded(&text), str::to_owned)
        }
    };
    match proxy {
        Some(proxy) => Failure::error(reason, format!("the proxy {proxy}: {message}")),
        None => Failure::error(reason, message),
    }
}

fn classify(error: &reqwest::Error, https: bool) -> Reason {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause);
        source = cause.source();
    }
    let is_os_error = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    };
    let is_refusal = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    match error {
        _ if error.is_timeout() && error.is_connect() => Reason::ConnectTimeout,
        _ if error.is_timeout() => Reason::ReadTimeout,
        _ if !error.is_connect() => Reason::Other,
        _ if causes.iter().any(is_refusal) => Reason::Refused,
        // The type of this error is private to the connector.
        _ if causes.iter().any(|cause| cause.to_string().starts_with("dns error")) => Reason::Dns,
        // The remaining errors of the operating system come from connecting, all others from the TLS handshake.
        _ if https && !causes.iter().any(is_os_error) => Reason::Tls,
        _ => Reason::Other,
    }
}
