//! A request to a service, before anything sends it.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

/// What a request is for. Some services need several, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Creates a message or a deployment, whose id the answer contains.
    Create,
    /// Changes what was created before.
    Update,
    /// Opens an incident.
    Trigger,
    /// Resolves an incident.
    Resolve,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) step: Step,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// Whether it does the same once more: then it is sent again if no answer came.
    pub(crate) is_repeatable: bool,
}

impl Request {
    /// A POST of JSON.
    pub(crate) fn post(step: Step, url: Url, body: &impl ToString) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            reqwest::header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        Self { step, method: Method::POST, url, headers, body: body.to_string(), is_repeatable: false }
    }

    /// The same with another method.
    pub(crate) fn with_method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same, which may be sent again if no answer came.
    pub(crate) fn repeatable(self) -> Self {
        Self { is_repeatable: true, ..self }
    }
}

/// The URL with these segments added to its path.
pub(crate) fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}
