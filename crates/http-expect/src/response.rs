//! An HTTP response as it was received.

use std::sync::OnceLock;

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use serde_json::Value;

use crate::excerpt;

/// The most bytes of a body that a client should read: one MiB, as the messages say.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An HTTP response, with the part of its body that was read.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its first [`MAX_BODY_BYTES`].
    pub body: Vec<u8>,
    /// Whether the body was longer than that.
    pub truncated: bool,
    /// The body as JSON, parsed when it is first needed.
    document: OnceLock<Result<Value, NotJson>>,
}

/// Why a body is not available as JSON.
#[derive(Debug)]
pub enum NotJson {
    /// Only its beginning was read.
    Truncated,
    /// It is not a JSON document.
    Invalid(serde_json::Error),
}

impl Response {
    /// A response as it was received.
    pub fn new(status: u16, headers: HeaderMap, body: Vec<u8>, truncated: bool) -> Self {
        Self { status, headers, body, truncated, document: OnceLock::new() }
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<&Value, &NotJson> {
        let parse = || {
            if self.truncated {
                return Err(NotJson::Truncated);
            }
            // RFC 8259 lets a reader ignore a byte order mark.
            let text = self.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.body);
            serde_json::from_slice(text).map_err(NotJson::Invalid)
        };
        self.document.get_or_init(parse).as_ref()
    }

    /// Names the part of the body that was read, with its length in bytes.
    pub fn describe_body(&self) -> String {
        let body = if self.truncated {
            "the first MiB of the body".to_owned()
        } else {
            format!("the body of {} bytes", self.body.len())
        };
        body + &self.describe_encoding()
    }

    /// A note that the body is compressed, if it is: it is looked at as it was received.
    pub(crate) fn describe_encoding(&self) -> String {
        let encoding = self.headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("unknown"));
        match encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            Some(encoding) => format!(" (content-encoding: {}, not decoded)", excerpt::bounded(encoding)),
            None => String::new(),
        }
    }

    /// Why the body is not available as JSON: a sentence that quotes nothing of it.
    pub fn describe_not_json(&self, cause: &NotJson) -> String {
        match cause {
            NotJson::Truncated => NotJson::TRUNCATED.to_owned(),
            NotJson::Invalid(error) => format!("{} is not JSON: {error}", self.describe_body()),
        }
    }
}

impl NotJson {
    pub(crate) const TRUNCATED: &str = "the body is longer than a MiB, and is not read as JSON";
}
