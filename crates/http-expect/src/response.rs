//! An HTTP response as it was received.

use std::sync::OnceLock;

use http::HeaderMap;
use serde_json::Value;

use crate::origin::Origin;
use crate::{charset, coding};

/// An HTTP response, with the part of its body that was read.
///
/// The codings of the body, such as gzip, are undone.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or its first [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    pub body: Vec<u8>,
    /// Whether the body was longer than that.
    pub truncated: bool,
    /// Where it came from. Empty, if nobody says it.
    pub origin: Origin,
    /// Why the body is still encoded, if it is.
    undecoded: Option<String>,
    /// The body in UTF-8, if it differs; decoded when it is first needed.
    utf8: OnceLock<Option<Vec<u8>>>,
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
    /// A response as it was received. `truncated` says that only the first [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES) of the body were read.
    pub fn new(status: u16, headers: HeaderMap, body: Vec<u8>, truncated: bool) -> Self {
        let coding::Content { body, truncated, undecoded } = coding::decode(&headers, body, truncated);
        let (utf8, document) = (OnceLock::new(), OnceLock::new());
        Self { status, headers, body, truncated, origin: Origin::default(), undecoded, utf8, document }
    }

    /// The body in UTF-8, without a byte order mark. It is the body itself if nothing says in which charset that is.
    pub fn text(&self) -> &[u8] {
        self.utf8.get_or_init(|| charset::to_utf8(&self.headers, &self.body)).as_deref().unwrap_or(&self.body)
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<&Value, &NotJson> {
        let parse = || {
            if self.truncated {
                return Err(NotJson::Truncated);
            }
            serde_json::from_slice(self.text()).map_err(NotJson::Invalid)
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

    /// Whether the body was coded, such as by gzip.
    pub fn is_coded(&self) -> bool {
        self.headers.contains_key(http::header::CONTENT_ENCODING)
    }

    /// A note that the body is still compressed, if it is.
    pub(crate) fn describe_encoding(&self) -> String {
        self.undecoded.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
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
