//! The HTTP API of Prometheus, and of the servers that have the same one.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http;
use crate::secrets;
use crate::server_text::ServerText;

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a response, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Remarks about a query itself, which are about no missing data, begin with this.
const ABOUT_QUERY: &str = "PromQL ";

/// A Prometheus server.
#[derive(Debug)]
pub struct PrometheusApi {
    url: Url,
    authorization: Option<HeaderValue>,
    http: reqwest::Client,
    text: ServerText,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<T> {
    data: Option<T>,
    error: Option<String>,
    /// Also set if a part of the data is missing.
    warnings: Option<Vec<String>>,
    /// Set by servers that collect data from several others.
    #[serde(default)]
    is_partial: bool,
}

impl PrometheusApi {
    /// A server at this URL. With a token, it is sent as the bearer.
    ///
    /// # Errors
    /// The token is no value of a header, or no HTTP client can be set up.
    pub fn new(url: Url, token: Option<&SecretString>) -> Result<Self> {
        let authorization = token
            .map(|token| secrets::header_value(&format!("Bearer {}", token.expose_secret())))
            .transpose()
            .context("the token for Prometheus")?;
        let builder = http::builder(url.scheme() == "https").timeout(TIMEOUT);
        let http = builder.build().context("cannot set up an HTTP client for Prometheus")?;
        let text = ServerText::new(&url, token.map(|token| token.expose_secret().to_owned()));
        Ok(Self { url, authorization, http, text })
    }

    /// The data of a response to `GET /api/v1/PATH`. `about` is the subject of an error message.
    ///
    /// # Errors
    /// The server does not respond, refuses, or returns only a part of the data.
    pub async fn get<T: DeserializeOwned>(
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
        let data = match (response.data, response.error) {
            (Some(data), None) => data,
            (_, Some(error)) => bail!("{about}: {}", self.text.clean(&error)),
            (None, None) => bail!("{about}: {status}"),
        };
        let mut warnings = response.warnings.unwrap_or_default().into_iter();
        match warnings.find(|warning| !warning.starts_with(ABOUT_QUERY)).map(|it| self.text.clean(&it)) {
            Some(warning) => bail!("{about}: Prometheus returned only a part of the data: {warning}"),
            None if response.is_partial => bail!("{about}: Prometheus returned only a part of the data"),
            None => Ok(data),
        }
    }
}
