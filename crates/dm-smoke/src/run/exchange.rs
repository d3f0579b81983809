//! A request with its redirects, and the response.

use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::event::Reason;
use http_expect::{Certificate, MAX_BODY_BYTES, Measure, Measured, Origin, Response};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::tls::TlsInfo;
use reqwest::{Client, Version};
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::context::RunContext;
use super::jar::Jar;
use super::payload::Payload;
use super::redirect::{Hop, Trail};
use super::route::Route;
use super::stream::{StreamError, Watch, is_event_stream, read_events};
use super::transport::TransportError;
use super::websocket;
use crate::failure::Failure;
use crate::suite::assertion::{HttpExpected, HttpObserved, Stream};
use crate::suite::connection::HttpVersion;
use crate::suite::model::{Body, HttpTest};
use crate::suite::template::Values;

/// Why there is no response.
#[derive(Debug)]
pub(super) enum ExchangeError {
    /// The request cannot be made.
    Request(Failure),
    /// It was made in vain.
    Transport(TransportError),
}

/// What an exchange needs and changes.
pub(super) struct Exchange<'a> {
    pub(super) test: &'a HttpTest,
    pub(super) expected: &'a HttpExpected,
    pub(super) limit: Duration,
    pub(super) context: &'a RunContext,
    pub(super) values: &'a Values,
    pub(super) clock: &'a (dyn Clock + Sync),
    pub(super) jar: &'a mut Jar,
    pub(super) trail: &'a mut Trail,
    pub(super) stream: &'a mut Stream,
}

impl Exchange<'_> {
    /// Sends the request, follows redirects, and reads the response.
    pub(super) async fn run(self, url: Url) -> Result<HttpObserved, ExchangeError> {
        let Self { test, values, .. } = self;
        let body = Payload::new(&test.body, values).map_err(ExchangeError::Request)?;
        let mut headers = headers(test, values).map_err(ExchangeError::Request)?;
        let accept = test.websocket.as_ref().map(|_| websocket::ask(&mut headers));
        let mut hop = Hop { url: url.clone(), method: test.method.clone(), headers, body };
        let (mut route, mut client) = self.route(&hop.url, &url)?;
        let stopwatch = Stopwatch::start(self.clock);
        let failed = |error, url: &Url, address: &Option<String>| {
            ExchangeError::Transport(TransportError { error, url: url.clone(), address: address.clone() })
        };
        let mut response = loop {
            let response = self.send(&hop, &route, &client).await;
            let response = response.map_err(|error| failed(error, &hop.url, &route.address))?;
            if test.cookies {
                self.jar.keep(&hop.url, response.headers());
            }
            // The response beyond the limit is the one that is judged, so that the test sees its status.
            let next = hop.follow(response.status(), response.headers(), test.trust_redirects);
            let is_left =
                self.trail.followed.len() < usize::try_from(test.max_redirects).unwrap_or(usize::MAX);
            let Some(next) = next.filter(|_| is_left) else {
                break response;
            };
            hop = next;
            self.trail.followed.push(hop.url.clone());
            (route, client) = self.route(&hop.url, &url)?;
        };
        let origin = Origin {
            version: Some(response.version()),
            url: Some(hop.url.to_string()),
            redirects: self.trail.followed.iter().map(Url::to_string).collect(),
            certificate: certificate(&response, self.clock),
            measured: None,
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let is_expected = self.expected.response.status.matches(status);
        let mut watch = Watch::new(&self.expected.messages, self.stream);
        let streamed = match (&accept, &test.websocket) {
            (Some(accept), Some(send)) if is_expected => {
                let send = send.iter().map(|text| text.render(values)).collect();
                websocket::talk(response, accept, send, &mut watch).await
            }
            (None, _) if is_expected && !self.expected.messages.is_empty() && is_event_stream(&headers) => {
                read_events(&mut response, &mut watch).await
            }
            _ => {
                let body = read_body(&mut response, self.expected.measures_body, test.rate).await;
                let body = body.map_err(|error| failed(error, &hop.url, &route.address))?;
                let latency = stopwatch.elapsed(self.clock);
                let mut response = Response::new(status, headers, body.kept, body.is_truncated);
                response.origin =
                    Origin { measured: body.measured.filter(|_| !response.is_coded()), ..origin };
                return Ok(HttpObserved { response, latency, stream: None });
            }
        };
        streamed.map_err(|error| match error {
            StreamError::Transport(error) => failed(error, &hop.url, &route.address),
            StreamError::Protocol(why) => ExchangeError::Request(Failure::error(Reason::Other, why)),
        })?;
        // Other expectations, and captures, are about the last message.
        let mut response = Response::new(status, headers, watch.into_matched(), false);
        response.origin = origin;
        let latency = stopwatch.elapsed(self.clock);
        Ok(HttpObserved { response, latency, stream: Some(self.stream.clone()) })
    }

    fn route(&self, url: &Url, first: &Url) -> Result<(Route, Client), ExchangeError> {
        let other = |why: String| ExchangeError::Request(Failure::error(Reason::Other, why));
        let route = Route::new(url, first, &self.test.connection, self.limit).map_err(other)?;
        let client = self.context.clients.get(&route.client).map_err(ExchangeError::Request)?;
        Ok((route, client))
    }

    async fn send(
        &self,
        hop: &Hop,
        route: &Route,
        client: &Client,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let mut headers = hop.headers.clone();
        if self.test.cookies {
            self.jar.add_to(&mut headers, &hop.url);
        }
        if let Some(host) = &route.host {
            headers.entry(reqwest::header::HOST).or_insert_with(|| host.clone());
        }
        let mut request = client.request(hop.method.clone(), route.url.clone()).headers(headers);
        if route.client.version == Some(HttpVersion::OneZero) {
            request = request.version(Version::HTTP_10);
        }
        if let Some(body) = &hop.body {
            request = body.add_to(request)?;
        }
        request.send().await
    }
}

struct ReadBody {
    kept: Vec<u8>,
    is_truncated: bool,
    measured: Option<Measured>,
}

/// Reads a body, at most `rate` bytes in a second; the part that is not kept only if it has to be measured.
async fn read_body(
    response: &mut reqwest::Response,
    is_measured: bool,
    rate: Option<u32>,
) -> Result<ReadBody, reqwest::Error> {
    let started = Instant::now();
    let mut total: u32 = 0;
    let (mut kept, mut is_truncated) = (Vec::new(), false);
    let mut measure = is_measured.then(Measure::default);
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_BODY_BYTES - kept.len();
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        is_truncated |= chunk.len() > room;
        if let Some(rate) = rate {
            total = total.saturating_add(u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            sleep_until(started + Duration::from_secs_f64(f64::from(total) / f64::from(rate))).await;
        }
        match &mut measure {
            Some(measure) => measure.add(&chunk),
            None if is_truncated => break,
            None => {}
        }
    }
    Ok(ReadBody { kept, is_truncated, measured: measure.map(Measure::finish) })
}

fn certificate(response: &reqwest::Response, clock: &dyn Clock) -> Option<Certificate> {
    let info = response.extensions().get::<TlsInfo>()?;
    Certificate::parse(info.peer_certificate()?, clock.now().timestamp())
}

fn headers(test: &HttpTest, values: &Values) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    match &test.body {
        Body::Json(_) => headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json")),
        Body::Form(_) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        }
        Body::None | Body::Text(_) | Body::Bytes(_) | Body::File(_) | Body::Multipart(_) => None,
    };
    for (name, value) in &test.headers {
        let mut value = HeaderValue::try_from(value.render(values)).map_err(|_| {
            let why = "contains a captured value with a character that headers do not allow";
            Failure::error(Reason::Other, format!("the header {name} {why}"))
        })?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
