//! What an HTTP response should look like, and how a mismatch is described.
//!
//! Owns the expectations of a status, headers, cookies, a body and its JSON, and of where a response came from, their evaluation and the wording of their
//! mismatches. Pure: it does no I/O. It does not own requests, time limits, the flags and suite files that name the
//! expectations, the redaction of secrets, or the class that a tool records for a failure.
#![warn(missing_docs)]

mod body;
mod certificate;
mod charset;
pub mod coding;
mod content;
mod cookie;
mod datum;
pub mod excerpt;
mod expectation;
mod filter;
mod header;
mod json;
mod message;
mod mismatch;
mod origin;
mod response;
mod source;
mod status;
mod value;

pub use ::cookie::SameSite;
pub use body::{TextCondition, TextExpectation};
pub use certificate::{Certificate, CertificateExpectation};
pub use coding::MAX_BODY_BYTES;
pub use content::ContentCondition;
pub use cookie::CookieExpectation;
pub use datum::Datum;
pub use expectation::ResponseExpectation;
pub use filter::{DateFormat, Filter};
pub use header::{HeaderExpectation, HeaderPattern};
pub use json::{JsonExpectation, JsonPath};
pub use message::{EventReader, MAX_MESSAGE_BYTES, Message, MessageExpectation, TooLong};
pub use mismatch::Mismatch;
pub use origin::{Measure, Measured, Origin};
pub use response::{NotJson, Response};
pub use source::{Part, Source};
pub use status::{StatusPattern, StatusPatterns};
pub use value::ValueExpectation;
