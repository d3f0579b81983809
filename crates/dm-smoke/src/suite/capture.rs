//! Values that a test captures from a response for later tests.

use http_expect::{Response, Source};

/// A value to capture.
#[derive(Debug)]
pub(crate) struct Capture {
    /// Its name in templates.
    pub(crate) name: String,
    /// Where the value comes from.
    pub(crate) source: Source,
}

impl Capture {
    /// Returns the value.
    ///
    /// # Errors
    ///
    /// If the response has no such value.
    pub(crate) fn extract(&self, response: &Response) -> Result<String, String> {
        self.source.text(response).map_err(|why| format!("cannot capture {}: {why}", self.name))
    }
}
