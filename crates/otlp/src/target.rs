//! Where the data of one signal are sent, and how.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

/// A kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Each event is a span.
    Traces,
    /// Each event is a log record, and so is the output that was kept.
    Logs,
    /// What was counted.
    Metrics,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// `traces`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// The encoding of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `http/protobuf`, the default.
    #[default]
    Protobuf,
    /// `http/json`
    Json,
}

impl Encoding {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Where the data of one signal are sent, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// The kind of data.
    pub signal: Signal,
    /// Where they are sent.
    pub url: Url,
    /// The headers of each request. Their values are secrets.
    pub(crate) headers: Vec<(String, SecretString)>,
    /// How long one request may take.
    pub timeout: Duration,
    pub(crate) is_compressed: bool,
    pub(crate) encoding: Encoding,
    /// The certificates that the server is trusted by, in PEM, instead of the machine's.
    pub(crate) certificates: Option<Vec<u8>>,
    /// The client's certificate and key, in PEM.
    pub(crate) identity: Option<SecretString>,
}

impl Target {
    /// The URL without a password, for messages.
    pub fn display_url(&self) -> String {
        let mut url = self.url.clone();
        if url.password().is_some() || !url.username().is_empty() {
            let _ = url.set_username("***");
            let _ = url.set_password(None);
        }
        // A query may contain a key.
        if url.query().is_some() {
            url.set_query(Some("***"));
        }
        url.into()
    }
}
