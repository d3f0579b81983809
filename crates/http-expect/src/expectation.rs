//! What a response should look like.

use http::Version;

use crate::body::{TextCondition, TextExpectation};
use crate::certificate::CertificateExpectation;
use crate::content::ContentCondition;
use crate::cookie::CookieExpectation;
use crate::excerpt::quoted;
use crate::header::HeaderExpectation;
use crate::json::JsonExpectation;
use crate::mismatch::Mismatch;
use crate::origin::Origin;
use crate::response::Response;
use crate::status::StatusPatterns;
use crate::value::ValueExpectation;

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
    /// Parts of it, after filters; each expectation has to be met.
    pub values: Vec<ValueExpectation>,
    /// The cookies that it sets; each has to match.
    pub cookies: Vec<CookieExpectation>,
    /// The whole body; each condition has to hold.
    pub content: Vec<ContentCondition>,
    /// The version of HTTP.
    pub version: Option<Version>,
    /// The number of redirects that were followed.
    pub redirects: Option<usize>,
    /// The URLs of the redirects that were followed, in this order.
    pub redirect_urls: Option<Vec<String>>,
    /// The URL that answered, after all redirects.
    pub url: Vec<TextCondition>,
    /// The server's certificate.
    pub certificate: CertificateExpectation,
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
        let Self {
            status,
            headers,
            body,
            json,
            values,
            cookies,
            content,
            version,
            redirects,
            redirect_urls,
            url,
            certificate,
        } = self;
        *status == StatusPatterns::default()
            && headers.is_empty()
            && body.0.is_empty()
            && json.is_empty()
            && values.is_empty()
            && cookies.is_empty()
            && content.is_empty()
            && version.is_none()
            && redirects.is_none()
            && redirect_urls.is_none()
            && url.is_empty()
            && certificate.is_empty()
    }

    /// Compares everything but the body; the status first, because it often explains the other mismatches.
    pub fn check_head<'a>(&'a self, response: &'a Response) -> Vec<Mismatch<'a>> {
        let mut mismatches = Vec::new();
        if !self.status.matches(response.status) {
            mismatches.push(Mismatch::Status { response, expected: &self.status });
        }
        let unmet = self.headers.iter().filter(|header| !header.is_met(&response.headers));
        mismatches.extend(unmet.map(|expected| Mismatch::Header { response, expected }));
        let cookies = self.cookies.iter().flat_map(|cookie| cookie.unmet(&response.headers));
        let facts = cookies.chain(self.unmet_origin(&response.origin));
        mismatches.extend(facts.map(|what| Mismatch::Fact { response, what, is_of_body: false }));
        mismatches
    }

    fn unmet_origin(&self, origin: &Origin) -> Vec<String> {
        let mut unmet = Vec::new();
        if let Some(expected) = self.version.filter(|expected| origin.version != Some(*expected)) {
            let actual =
                origin.version.map_or_else(|| "unknown".to_owned(), |version| format!("{version:?}"));
            unmet.push(format!("the response came by {actual}, expected {expected:?}"));
        }
        if let Some(expected) = self.redirects.filter(|expected| origin.redirects.len() != *expected) {
            unmet.push(format!("{} redirects were followed, expected {expected}", origin.redirects.len()));
        }
        if let Some(expected) = self.redirect_urls.as_ref().filter(|expected| origin.redirects != **expected)
        {
            let list = |urls: &[String]| if urls.is_empty() { "nowhere".to_owned() } else { urls.join(", ") };
            unmet.push(format!("redirects led to {}, expected {}", list(&origin.redirects), list(expected)));
        }
        let url = origin.url.as_deref().unwrap_or_default();
        let conditions = self.url.iter().filter(|condition| !condition.is_met(url.as_bytes()));
        unmet.extend(conditions.map(|condition| {
            format!("the url that answered {}: {}", condition.describe_unmet(quoted), quoted(url))
        }));
        unmet.extend(self.certificate.unmet(origin.certificate.as_ref()));
        unmet
    }

    /// Compares the body, as text and as JSON, and what filters make of parts of the response.
    pub fn check_body<'a>(&'a self, response: &'a Response) -> Vec<Mismatch<'a>> {
        let unmet = self.body.unmet(response.text());
        let mut mismatches: Vec<_> = unmet.map(|unmet| Mismatch::Body { response, unmet }).collect();
        let content = self.content.iter().filter_map(|condition| condition.unmet(response));
        mismatches.extend(content.map(|what| Mismatch::Fact { response, what, is_of_body: true }));
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
        let values = self.values.iter().flat_map(|expected| expected.unmet(response));
        mismatches.extend(values.map(|mismatch| Mismatch::Value { response, mismatch }));
        mismatches
    }
}
