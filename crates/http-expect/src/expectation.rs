//! What a response should look like.

use crate::body::TextExpectation;
use crate::header::HeaderExpectation;
use crate::json::JsonExpectation;
use crate::mismatch::Mismatch;
use crate::response::Response;
use crate::status::StatusPatterns;

/// What is expected of a response. The default expects a 2xx status and nothing else.
#[derive(Debug, Clone, Default)]
pub struct ResponseExpectation {
    /// The status.
    pub status: StatusPatterns,
    /// The headers; each has to match.
    pub headers: Vec<HeaderExpectation>,
    /// The text of the body, or of the part of it that was read.
    pub body: TextExpectation,
    /// The body's JSON; each expectation has to be met.
    pub json: Vec<JsonExpectation>,
}

impl ResponseExpectation {
    /// Compares the head and then the body, and returns the first mismatch.
    pub fn check<'a>(&'a self, response: &'a Response) -> Result<(), Mismatch<'a>> {
        self.check_head(response)?;
        self.check_body(response)
    }

    /// Whether nothing but a status of success is expected.
    pub fn is_only_success(&self) -> bool {
        let Self { status, headers, body, json } = self;
        *status == StatusPatterns::default()
            && headers.is_empty()
            && body.contains.is_none()
            && body.matches.is_none()
            && json.is_empty()
    }

    /// Compares the status and the headers; the status first, because it often explains the other mismatches.
    pub fn check_head<'a>(&'a self, response: &'a Response) -> Result<(), Mismatch<'a>> {
        if !self.status.matches(response.status) {
            return Err(Mismatch::Status { response, expected: &self.status });
        }
        match self.headers.iter().find(|header| !header.is_met(&response.headers)) {
            Some(expected) => Err(Mismatch::Header { response, expected }),
            None => Ok(()),
        }
    }

    /// Compares the body, as text and as JSON.
    pub fn check_body<'a>(&'a self, response: &'a Response) -> Result<(), Mismatch<'a>> {
        self.body.check(&response.body).map_err(|mismatch| Mismatch::Body { response, mismatch })?;
        for expected in &self.json {
            let document =
                response.json().map_err(|cause| Mismatch::NotJson { response, expected, cause })?;
            expected.check(document).map_err(|mismatch| Mismatch::Json { response, mismatch })?;
        }
        Ok(())
    }
}
