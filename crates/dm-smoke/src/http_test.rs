//! One request: made, compared, captured from, and why it could not be made.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::clock::{Clock, Stopwatch};
use common::duration;
use common::event::Reason;
use common::http;
use common::label::redact_url;
use http_expect::{MAX_BODY_BYTES, Response};
use percent_encoding::utf8_percent_encode;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use crate::excerpt;
use crate::outcome::Failure;
use crate::secret::{Hidden, IN_A_PATH};
use crate::suite::assertion::{HttpObserved, Mismatch};
use crate::suite::model::{Body, HttpTest, Suite, TestKind};
use crate::suite::template::Values;

/// A connection may take this part of a test's limit. A little less than all of it, so that it can be told whether
/// the connection was missing or the answer.
const CONNECT_SHARE: f64 = 0.9;

/// What belongs to a client and not to a request: the limit of a connection, and how many redirects are followed.
type Key = (Duration, u32);

/// The clients that a suite needs.
#[derive(Debug, Default)]
pub struct Clients(BTreeMap<Key, Client>);

impl Clients {
    /// Sets them up. With `reuse` a connection is kept for the next test; without, no test depends on one that another
    /// left.
    pub fn new(suite: &Suite, reuse: bool) -> Result<Self> {
        let most_idle = if reuse { usize::MAX } else { 0 };
        let mut https = BTreeMap::<Key, bool>::new();
        for test in &suite.tests {
            if let TestKind::Http(http) = &test.kind {
                *https.entry((test.timeout, http.max_redirects)).or_default() |= may_be_https(http);
            }
        }
        let client = |(key, https): (Key, bool)| {
            let (limit, redirects) = key;
            http::builder(https)
                .connect_timeout(limit.mul_f64(CONNECT_SHARE))
                .pool_max_idle_per_host(most_idle)
                .redirect(no_more_than(redirects))
                .build()
                .map(|client| (key, client))
                .context("cannot set up an HTTP client")
        };
        https.into_iter().map(client).collect::<Result<_>>().map(Self)
    }
}

/// A redirect, or a captured URL, can lead anywhere.
fn may_be_https(test: &HttpTest) -> bool {
    test.max_redirects > 0
        || test.url.starts_with_value()
        || test.url.render(&Values::new()).starts_with("https:")
}

/// The redirect after the last that is allowed is the answer, and its status says so.
fn no_more_than(redirects: u32) -> Policy {
    Policy::custom(move |attempt| {
        if attempt.previous().len() > redirects as usize { attempt.stop() } else { attempt.follow() }
    })
}

/// Makes the request, compares, and captures.
pub async fn run(
    test: &HttpTest,
    limit: Duration,
    hidden: Hidden<'_>,
    clients: &Clients,
    clock: &(dyn Clock + Sync),
) -> Result<Values, Failure> {
    let url = match url(test, hidden.values) {
        Ok(url) => url,
        Err(why) => return Err(Failure::error(Reason::Other, why).of(test.method.as_str())),
    };
    let hidden = Hidden { url: Some(&url), ..hidden };
    let told = match clients.0.get(&(limit, test.max_redirects)) {
        Some(client) => {
            match timeout(limit, exchange(test, url.clone(), client, hidden.values, clock)).await {
                Ok(Ok(observed)) => judge(test, &observed, hidden),
                Ok(Err(Trouble::Local(why))) => Err(Failure::error(Reason::Other, why)),
                Ok(Err(Trouble::Remote(error))) => Err(failure(error, limit, url.scheme() == "https")),
                Err(_) => Err(Failure::error(
                    Reason::ReadTimeout,
                    format!("no complete answer within {}", duration::format_duration(limit)),
                )),
            }
        }
        None => Err(Failure::error(Reason::Other, "no HTTP client was set up")),
    };
    told.map_err(|failure| failure.of(&format!("{} {}", test.method, hidden.masked(&redact_url(&url)))))
}

/// A captured value stays within its place in the path, unless it is where the URL begins.
fn url(test: &HttpTest, values: &Values) -> Result<Url, String> {
    // No encoding keeps these two from being steps in the path.
    if !test.url.starts_with_value()
        && let Some(name) = test
            .url
            .names()
            .find(|name| values.get(*name).is_some_and(|value| matches!(value.as_str(), "." | "..")))
    {
        return Err(format!("the captured value {name} is a step to another path"));
    }
    let encoded = |value: &str| utf8_percent_encode(value, IN_A_PATH).to_string();
    let filled = if test.url.starts_with_value() {
        test.url.render(values)
    } else {
        test.url.render_with(values, encoded)
    };
    // Not shown: it is made of what was captured.
    let mut url = http::parse_url(&filled).map_err(|_| "the captured values make no http URL".to_owned())?;
    if !test.query.is_empty() {
        url.query_pairs_mut()
            .extend_pairs(test.query.iter().map(|(name, value)| (name, value.render(values))));
    }
    Ok(url)
}

/// Why there is no answer.
enum Trouble {
    /// The request could not be made.
    Local(String),
    /// It was sent, or should have been.
    Remote(reqwest::Error),
}

impl From<reqwest::Error> for Trouble {
    fn from(error: reqwest::Error) -> Self {
        Self::Remote(error)
    }
}

async fn exchange(
    test: &HttpTest,
    url: Url,
    client: &Client,
    values: &Values,
    clock: &(dyn Clock + Sync),
) -> Result<HttpObserved, Trouble> {
    let request = client.request(test.method.clone(), url).headers(headers(test, values)?);
    let request = match &test.body {
        Body::None => request,
        Body::Text(body) => request.body(body.render(values)),
        Body::Json(json) => request.body(json.render(values).to_string()),
        Body::Form(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, value.render(values)));
            request.body(form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        }
    };
    let stopwatch = Stopwatch::start(clock);
    let mut answer = request.send().await?;
    let (mut body, mut truncated) = (Vec::new(), false);
    while let Some(chunk) = answer.chunk().await? {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            truncated = true;
            break;
        }
    }
    let latency = stopwatch.elapsed(clock);
    let headers = std::mem::take(answer.headers_mut());
    Ok(HttpObserved { response: Response::new(answer.status().as_u16(), headers, body, truncated), latency })
}

fn headers(test: &HttpTest, values: &Values) -> Result<HeaderMap, Trouble> {
    let mut headers = HeaderMap::new();
    match &test.body {
        Body::Json(_) => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
        Body::Form(_) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        }
        Body::None | Body::Text(_) => None,
    };
    for (name, value) in &test.headers {
        let mut value = HeaderValue::try_from(value.render(values))
            .map_err(|_| Trouble::Local(format!("a captured value does not fit into the header {name}")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn judge(test: &HttpTest, observed: &HttpObserved, hidden: Hidden<'_>) -> Result<Values, Failure> {
    let captured: Vec<_> = test.capture.iter().map(|capture| capture.extract(&observed.response)).collect();
    // What other tests are given is hidden here too, should this one not pass.
    let taken: Vec<_> = captured.iter().flatten().cloned().collect();
    let hidden = Hidden { captured: &taken, ..hidden };
    let unmet = |mismatch: Mismatch<'_>| Failure::unmet(&mismatch, &hidden);
    test.expected.check(observed, |text| hidden.masked(text)).map_err(unmet)?;
    let mut values = Values::new();
    for (capture, value) in test.capture.iter().zip(captured) {
        let value = value.map_err(|what| {
            unmet(Mismatch { reason: Reason::BodyMismatch, what, evidence: &observed.response.body })
        })?;
        values.insert(capture.name.clone(), value);
    }
    Ok(values)
}

fn failure(error: reqwest::Error, limit: Duration, https: bool) -> Failure {
    let reason = classify(&error, https);
    let message = match reason {
        Reason::ConnectTimeout => {
            format!("no connection within {}", duration::format_duration(limit.mul_f64(CONNECT_SHARE)))
        }
        Reason::Refused => "connection refused".to_owned(),
        _ => excerpt::bounded(&http::describe_error(error)),
    };
    Failure::error(reason, message)
}

fn classify(error: &reqwest::Error, https: bool) -> Reason {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause);
        source = cause.source();
    }
    let from_os = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    };
    let refused = |cause: &&(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    match error {
        _ if error.is_timeout() && error.is_connect() => Reason::ConnectTimeout,
        _ if error.is_timeout() => Reason::ReadTimeout,
        _ if !error.is_connect() => Reason::Other,
        _ if causes.iter().any(refused) => Reason::Refused,
        // The type is private to the connector.
        _ if causes.iter().any(|cause| cause.to_string().starts_with("dns error")) => Reason::Dns,
        // Up to here the connection was made; what the system did not refuse, the handshake did.
        _ if https && !causes.iter().any(from_os) => Reason::Tls,
        _ => Reason::Other,
    }
}
