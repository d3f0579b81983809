//! The four requests that a Pushgateway understands.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use reqwest::{Client, Method, Response};
use url::Url;

use super::endpoint::Endpoint;
use super::group_key::GroupKey;
use super::snapshot::Snapshot;
use crate::metrics::Exposition;
use crate::metrics::encode::encode;
use common::http;

/// A store of 4,000 groups is about 8 MB of text; what is far above that is not a gateway's answer.
const MAX_READ_BYTES: usize = 64 * 1024 * 1024;

/// So much of the gateway's own explanation is shown.
const MAX_EXPLANATION_BYTES: usize = 400;

/// The gateway is there, and does not want what it was sent: it may well want something else.
#[derive(Debug)]
pub struct Rejected(String);

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejected {}

/// A gateway that can be talked to.
#[derive(Debug, Clone)]
pub struct GatewayClient {
    base: Url,
    http: Client,
    timeout: Duration,
}

impl GatewayClient {
    /// Requests to the gateway, each of at most `timeout`.
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self> {
        Ok(Self { base: endpoint.url.clone(), http: endpoint.client()?, timeout })
    }

    /// Replaces the group.
    pub async fn put(&self, key: &GroupKey, content: &Exposition) -> Result<()> {
        self.send(Method::PUT, key, encode(content)?).await
    }

    /// Replaces, in the group, the families that `content` has. With no content it is a heartbeat: only the time of
    /// the last push moves.
    pub async fn post(&self, key: &GroupKey, content: &Exposition) -> Result<()> {
        self.send(Method::POST, key, encode(content)?).await
    }

    /// Deletes the group.
    pub async fn delete(&self, key: &GroupKey) -> Result<()> {
        self.send(Method::DELETE, key, Vec::new()).await
    }

    /// Everything the gateway holds. Of `/metrics` and the JSON API, `/metrics` is the one that is three times faster.
    pub async fn read(&self) -> Result<Snapshot> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
        }
        let request = self.http.get(url).timeout(self.timeout);
        let response = request.send().await.map_err(|error| anyhow!(http::describe_error(error)))?;
        let response = taken(response, "a read").await?;
        let text = String::from_utf8_lossy(&http::read_body(response, MAX_READ_BYTES).await?).into_owned();
        if !text.contains("pushgateway_build_info") {
            // A proxy's friendly page would read as "no such group", and every counter would begin at 0 again.
            bail!("what answered a read is not a Pushgateway");
        }
        Ok(Snapshot::new(text))
    }

    async fn send(&self, method: Method, key: &GroupKey, body: Vec<u8>) -> Result<()> {
        let request = self.http.request(method.clone(), key.url(&self.base)).timeout(self.timeout).body(body);
        let response = request.send().await.map_err(|error| anyhow!(http::describe_error(error)))?;
        // Read whole, the answer leaves the connection free for the next.
        let response = taken(response, &format!("a {method}")).await?;
        http::read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
        Ok(())
    }
}

/// The answer, if the gateway did as it was asked; else its own explanation.
async fn taken(response: Response, asked: &str) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_redirection() {
        bail!("it answered {status} to {asked}: give the URL that it redirects to");
    }
    let explanation = http::read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
    let told = format!("it answered {status} to {asked}: {explanation}");
    if status.is_client_error() { Err(Rejected(told).into()) } else { Err(anyhow!(told)) }
}
