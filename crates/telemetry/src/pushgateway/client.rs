//! A client for the four requests that a Pushgateway understands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Client, Method, Response};
use url::Url;

use super::endpoint::Endpoint;
use super::error::PushError;
use super::group_key::GroupKey;
use super::snapshot::Snapshot;
use crate::metrics::Exposition;
use crate::metrics::encode::encode;
use common::http;

/// The limit for a response to a read. 4,000 groups are about 8 MB of text; anything far larger is not from a
/// Pushgateway.
const MAX_READ_BYTES: usize = 64 * 1024 * 1024;

/// How much of the Pushgateway's own explanation an error message contains.
const MAX_EXPLANATION_BYTES: usize = 400;

/// A client of one Pushgateway.
#[derive(Debug, Clone)]
pub struct GatewayClient {
    base: Url,
    http: Client,
    timeout: Duration,
    answered: Answered,
}

/// Whether a Pushgateway has answered anything: one that has is not down, even if not everything could be sent in time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Whether it has.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl GatewayClient {
    /// A client whose requests take at most `timeout` each.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(endpoint: &Endpoint, timeout: Duration) -> Result<Self, PushError> {
        let answered = Answered::default();
        Ok(Self { base: endpoint.url.clone(), http: endpoint.client()?, timeout, answered })
    }

    /// The same client; it notes its first answer in `answered`.
    #[must_use]
    pub(crate) fn noting(self, answered: &Answered) -> Self {
        Self { answered: answered.clone(), ..self }
    }

    /// Replaces the group.
    pub(crate) async fn put(&self, key: &GroupKey, content: &Exposition) -> Result<(), PushError> {
        self.send(Method::PUT, key, encode(content)?).await
    }

    /// Replaces those families of the group that are in `content`. Without content it is a heartbeat: only the time of the
    /// last push changes.
    pub(crate) async fn post(&self, key: &GroupKey, content: &Exposition) -> Result<(), PushError> {
        self.send(Method::POST, key, encode(content)?).await
    }

    /// Deletes the group.
    pub(crate) async fn delete(&self, key: &GroupKey) -> Result<(), PushError> {
        self.send(Method::DELETE, key, Vec::new()).await
    }

    /// Reads all metrics of the Pushgateway. `/metrics` is three times faster than the JSON API.
    pub(crate) async fn read(&self) -> Result<Snapshot, PushError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("metrics");
        }
        let request = self.http.get(url).timeout(self.timeout);
        let response = request.send().await.map_err(unavailable)?;
        let response = check_status(response, "a read").await?;
        let body = http::read_body(response, MAX_READ_BYTES).await;
        let body = body.map_err(|error| PushError::Unavailable(format!("{error:#}")))?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if !text.contains("pushgateway_build_info") {
            // A proxy's error page would look as if no group existed, and every counter would restart at 0.
            return Err(PushError::Unavailable(
                "the server that responded to a read is not a Pushgateway".to_owned(),
            ));
        }
        self.answered.0.store(true, Ordering::Relaxed);
        Ok(Snapshot::new(text))
    }

    async fn send(&self, method: Method, key: &GroupKey, body: Vec<u8>) -> Result<(), PushError> {
        let request = self.http.request(method.clone(), key.url(&self.base)).timeout(self.timeout).body(body);
        let response = request.send().await.map_err(unavailable)?;
        // Reading the whole response makes the connection reusable.
        let response = check_status(response, &format!("a {method}")).await?;
        http::read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
        Ok(())
    }
}

fn unavailable(error: reqwest::Error) -> PushError {
    PushError::Unavailable(http::describe_error(error))
}

/// Returns the response if its status is a success. Otherwise the error has the Pushgateway's own explanation.
async fn check_status(response: Response, request: &str) -> Result<Response, PushError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_redirection() {
        let advice = "configure the URL that it redirects to";
        return Err(PushError::Unavailable(format!("it answered {status} to {request}: {advice}")));
    }
    let explanation = http::read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
    let message = format!("it answered {status} to {request}: {explanation}");
    Err(if status.is_client_error() { PushError::Rejected(message) } else { PushError::Unavailable(message) })
}
