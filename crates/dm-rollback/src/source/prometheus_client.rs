//! Requests to the API of a Prometheus server.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use common::http;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// The timeout of a query.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a response, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// A Prometheus server.
#[derive(Debug)]
pub(crate) struct Client {
    url: Url,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Response<T> {
    data: Option<T>,
    error: Option<String>,
}

impl Client {
    /// A server at this URL.
    pub(crate) fn new(url: Url, token: Option<&SecretString>) -> Result<Self> {
        let authorization = token
            .map(|token| common::secrets::header_value(&format!("Bearer {}", token.expose_secret())))
            .transpose()
            .context("the token for Prometheus")?;
        let builder = http::builder(url.scheme() == "https").timeout(TIMEOUT);
        let http = builder.build().context("cannot set up an HTTP client for Prometheus")?;
        Ok(Self { url, authorization, http })
    }

    /// The data of a response. `about` is the subject of an error message.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        about: &str,
    ) -> Result<T> {
        let mut url = self.url.clone();
        let path = format!("{}/api/v1/{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let mut request = self.http.get(url).query(parameters);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        let http_response = request.send().await.map_err(http::describe_error).map_err(anyhow::Error::msg)?;
        let status = http_response.status();
        let body = http::read_body(http_response, MAX_BYTES).await?;
        let response: Response<T> = serde_json::from_slice(&body)
            .map_err(|_| anyhow!("this is not a response from Prometheus: HTTP status {status}"))?;
        match (response.data, response.error) {
            (Some(data), None) => Ok(data),
            (_, error) => bail!("{about}: {}", error.unwrap_or_else(|| status.to_string())),
        }
    }
}
