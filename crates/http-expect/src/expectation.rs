//! What a response should look like.

use crate::body::TextExpectation;
use crate::header::HeaderExpectation;
use crate::json::JsonExpectation;
use crate::mismatch::Mismatch;
use crate::response::Response;
use crate::status::StatusPatterns;

/// What is expected of a response; all of it has to be met. The default expects a 2xx status and nothing else.
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
    /// Compares the head and then the body, and returns all mismatches.
    pub fn check<'a>(&'a self, response: &'a Response) -> Vec<Mismatch<'a>> {
        let mut mismatches = self.check_head(response);
        mismatches.extend(self.check_body(response));
        mismatches
    }

    /// Whether nothing but a status of success is expected.
    pub fn is_only_success(&self) -> bool {
        let Self { status, headers, body, json } = self;
        *status == StatusPatterns::default() && headers.is_empty() && body.0.is_empty() && json.is_empty()
    }

    /// Compares the status and the headers; the status first, because it often explains the other mismatches.
    pub fn check_head<'a>(&'a self, response: &'a Response) -> Vec<Mismatch<'a>> {
        let mut mismatches = Vec::new();
        if !self.status.matches(response.status) {
            mismatches.push(Mismatch::Status { response, expected: &self.status });
        }
        let unmet = self.headers.iter().filter(|header| !header.is_met(&response.headers));
        mismatches.extend(unmet.map(|expected| Mismatch::Header { response, expected }));
        mismatches
    }

    /// Compares the body, as text and as JSON.
    pub fn check_body<'a>(&'a self, response: &'a Response) -> Vec<Mismatch<'a>> {
        let unmet = self.body.unmet(&response.body);
        let mut mismatches: Vec<_> = unmet.map(|unmet| Mismatch::Body { response, unmet }).collect();
        for expected in &self.json {
            match response.json() {
                Ok(document) => mismatches.extend(
                    expected.check(document).err().map(|mismatch| Mismatch::Json { response, mismatch }),
                ),
                Err(cause) => {
                    // The same holds for every other expectation of JSON.
                    mismatches.push(Mismatch::NotJson { response, expected, cause });
                    break;
                }
            }
        }
        mismatches
    }
}
