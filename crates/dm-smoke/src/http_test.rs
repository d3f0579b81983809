//! One request, and why it could not be made.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::time::Duration;

use anyhow::{Context as _, Result};
use common::clock::{Clock, Stopwatch};
use common::duration;
use common::event::Reason;
use common::http;
use reqwest::Client;
use tokio::time::timeout;

use crate::assertion::HttpObserved;
use crate::excerpt::{self, Secrets};
use crate::outcome::Failure;
use crate::suite::{HttpTest, Kind, Suite};

/// So much of a body is read.
const MAX_BODY: usize = 1024 * 1024;

/// A connection may take this part of a test's limit. A little less than all of it, so that it can be told whether
/// the connection was missing or the answer.
const CONNECT_SHARE: f64 = 0.9;

/// The clients that a suite needs: one a time limit, for the limit of a connection belongs to its client.
#[derive(Debug, Default)]
pub struct Clients(BTreeMap<Duration, Client>);

impl Clients {
    /// Sets them up.
    pub fn new(suite: &Suite) -> Result<Self> {
        let mut https = BTreeMap::<Duration, bool>::new();
        for test in &suite.tests {
            if let Kind::Http(http) = &test.kind {
                *https.entry(test.limit).or_default() |= http.url.scheme() == "https";
            }
        }
        let client = |(limit, https): (Duration, bool)| {
            http::builder(https)
                .connect_timeout(limit.mul_f64(CONNECT_SHARE))
                // No test depends on a connection that another one left.
                .pool_max_idle_per_host(0)
                .build()
                .map(|client| (limit, client))
                .context("cannot set up an HTTP client")
        };
        https.into_iter().map(client).collect::<Result<_>>().map(Self)
    }
}

/// Makes the request and compares.
pub async fn run(
    test: &HttpTest,
    limit: Duration,
    secrets: &Secrets,
    clients: &Clients,
    clock: &(dyn Clock + Sync),
) -> Result<(), Failure> {
    let Some(client) = clients.0.get(&limit) else {
        return Err(Failure::error(Reason::Other, "no HTTP client was set up"));
    };
    match timeout(limit, exchange(test, client, clock)).await {
        Ok(Ok(observed)) => {
            test.expected.check(&observed).map_err(|mismatch| Failure::unmet(&mismatch, secrets))
        }
        Ok(Err(error)) => Err(failure(error, limit, test.url.scheme() == "https")),
        Err(_) => Err(Failure::error(
            Reason::ReadTimeout,
            format!("no complete answer within {}", duration::show(limit)),
        )),
    }
}

async fn exchange(
    test: &HttpTest,
    client: &Client,
    clock: &(dyn Clock + Sync),
) -> reqwest::Result<HttpObserved> {
    let stopwatch = Stopwatch::start(clock);
    let mut request = client.request(test.method.clone(), test.url.clone()).headers(test.headers.clone());
    if let Some(body) = &test.body {
        request = request.body(body.clone());
    }
    let mut answer = request.send().await?;
    let mut observed = HttpObserved {
        status: answer.status().as_u16(),
        body: Vec::new(),
        cut: false,
        latency: Duration::ZERO,
    };
    while let Some(chunk) = answer.chunk().await? {
        let room = MAX_BODY - observed.body.len();
        observed.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            observed.cut = true;
            break;
        }
    }
    observed.latency = stopwatch.elapsed(clock);
    Ok(observed)
}

fn failure(error: reqwest::Error, limit: Duration, https: bool) -> Failure {
    let reason = classify(&error, https);
    let message = match reason {
        Reason::ConnectTimeout => {
            format!("no connection within {}", duration::show(limit.mul_f64(CONNECT_SHARE)))
        }
        Reason::Refused => "connection refused".to_owned(),
        _ => excerpt::bounded(&http::explain(error)),
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
