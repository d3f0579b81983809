//! One request to a collector, and what its answer means: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

use std::io::Write as _;

use common::event::Event;
use common::http::{builder, describe_error, read_body, read_body_prefix};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Identity, Response, StatusCode};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;

use crate::metric::MetricSet;
use crate::request;
use crate::resource::ResourceSettings;
use crate::target::{Encoding, Signal, Target};

/// The longest answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How much of an explanation a message contains.
const MAX_EXPLANATION_BYTES: usize = 400;

/// What became of the content of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has them. A part that it refused is described.
    Accepted(Option<String>),
    /// It will never accept them, for this reason.
    Rejected(String),
    /// It may accept them later.
    Unavailable(String),
}

/// A client for one target.
#[derive(Debug, Clone)]
pub struct Client {
    target: Target,
    resource: ResourceSettings,
    http: reqwest::Client,
}

impl Client {
    /// A client for this target.
    ///
    /// # Errors
    /// A certificate or a key cannot be used.
    pub fn new(target: &Target, resource: &ResourceSettings) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &target.headers {
            let name: HeaderName = name.parse().map_err(|_| "a header has an invalid name".to_owned())?;
            let mut value = HeaderValue::from_str(value.expose_secret())
                .map_err(|_| format!("the header {name} has an invalid value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut http =
            builder(target.url.scheme() == "https").timeout(target.timeout).default_headers(headers);
        if let Some(pem) = &target.certificates {
            let certificates =
                Certificate::from_pem_bundle(pem).map_err(|_| "the certificate is not in PEM".to_owned())?;
            http = http.tls_certs_only(certificates);
        }
        if let Some(pem) = &target.identity {
            let identity = Identity::from_pem(pem.expose_secret().as_bytes());
            http = http
                .identity(identity.map_err(|_| "the client's certificate or key cannot be used".to_owned())?);
        }
        let http = http.build().map_err(describe_error)?;
        Ok(Self { target: target.clone(), resource: resource.clone(), http })
    }

    /// Sends these events.
    pub async fn send_events(&self, events: &[Event]) -> Outcome {
        self.post(request::events(self.target.signal, self.target.encoding, events, &self.resource)).await
    }

    /// Sends these metrics.
    pub async fn send_metrics(&self, sets: &[MetricSet]) -> Outcome {
        self.post(request::metrics(self.target.encoding, sets, &self.resource)).await
    }

    async fn post(&self, body: Vec<u8>) -> Outcome {
        let Target { signal, encoding, .. } = self.target;
        let mut post = self.http.post(self.target.url.clone()).header(CONTENT_TYPE, encoding.content_type());
        let body = match self.target.is_compressed.then(|| gzip(&body)) {
            Some(Ok(compressed)) => {
                post = post.header(CONTENT_ENCODING, "gzip");
                compressed
            }
            _ => body,
        };
        match post.body(body).send().await {
            Ok(response) => answer(response, signal, encoding).await,
            Err(error) => Outcome::Unavailable(describe_error(error)),
        }
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// What the answer means. Only some statuses may be followed by another attempt.
async fn answer(response: Response, signal: Signal, encoding: Encoding) -> Outcome {
    let status = response.status();
    if status.is_success() {
        let body = read_body(response, MAX_ANSWER_BYTES).await.unwrap_or_default();
        return Outcome::Accepted(refused(&body, signal, encoding));
    }
    let explanation = read_body_prefix(response, MAX_EXPLANATION_BYTES).await;
    let message = format!("status {status}: {explanation}").trim_end_matches([':', ' ']).to_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Outcome::Unavailable(message),
        // Whoever sets the right key or URL wants the events; they are bounded.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
            Outcome::Unavailable(message)
        }
        _ => Outcome::Rejected(message),
    }
}

/// What the collector says about a part that it refused.
fn refused(body: &[u8], signal: Signal, encoding: Encoding) -> Option<String> {
    let (count, message) = match signal {
        Signal::Traces => {
            let partial = decode::<ExportTraceServiceResponse>(body, encoding)?.partial_success?;
            (partial.rejected_spans, partial.error_message)
        }
        Signal::Logs => {
            let partial = decode::<ExportLogsServiceResponse>(body, encoding)?.partial_success?;
            (partial.rejected_log_records, partial.error_message)
        }
        Signal::Metrics => {
            let partial = decode::<ExportMetricsServiceResponse>(body, encoding)?.partial_success?;
            (partial.rejected_data_points, partial.error_message)
        }
    };
    let message = common::term::text::short_line(&message, MAX_EXPLANATION_BYTES);
    (count > 0 || !message.is_empty()).then(|| format!("{count} {} refused: {message}", signal.as_str()))
}

fn decode<M: Message + Default + DeserializeOwned>(body: &[u8], encoding: Encoding) -> Option<M> {
    match encoding {
        Encoding::Protobuf => M::decode(body).ok(),
        Encoding::Json => serde_json::from_slice(body).ok(),
    }
}
