//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), version 00: the position of a stage in a trace.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::digest::hex_digest;
use crate::env::Env;

/// A position in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The trace: 32 lower-case hexadecimal digits, not all zero.
    pub trace_id: String,
    /// The parent span: 16 lower-case hexadecimal digits; `None` at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_span_id: Option<String>,
}

impl Trace {
    /// The trace from `TRACEPARENT`, otherwise that of the GitHub Actions run, otherwise a new one. A malformed
    /// `TRACEPARENT` is ignored, as the specification requires.
    pub fn from_env(env: &Env<'_>) -> Self {
        let github_run = || Some(Self::from_github_run(&env("GITHUB_RUN_ID")?, &env("GITHUB_RUN_ATTEMPT")?));
        let new = || Self { trace_id: random_hex(16), parent_span_id: None };
        env("TRACEPARENT").as_deref().and_then(parse).or_else(github_run).unwrap_or_else(new)
    }

    /// The trace of a GitHub Actions run, below the run's own span. The ids are those that OpenTelemetry's
    /// `githubreceiver` derives, so its data and ours join without coordination.
    pub fn from_github_run(run_id: &str, attempt: &str) -> Self {
        let hashed = |what: &str| hex_digest(&format!("{run_id}{attempt}{what}"));
        let (trace, span) = (hashed("t"), hashed("s"));
        Self { trace_id: trace[..32].to_owned(), parent_span_id: Some(span[16..32].to_owned()) }
    }

    /// The `TRACEPARENT` for children of the span `span_id`. The sampled flag is set: deployments are always recorded.
    pub fn traceparent(&self, span_id: &str) -> String {
        format!("00-{}-{span_id}-01", self.trace_id)
    }
}

fn parse(text: &str) -> Option<Trace> {
    let mut parts = text.trim().split('-');
    let (version, trace_id, span_id) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    // A later version may add fields; the first four keep their meaning. Version ff is forbidden.
    (version.len() == 2 && version != "ff" && is_id(trace_id, 32) && is_id(span_id, 16))
        .then(|| Trace { trace_id: trace_id.to_owned(), parent_span_id: Some(span_id.to_owned()) })
}

/// Whether the text is an id of this many lower-case hexadecimal digits, not all zero.
pub(crate) fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && text.bytes().any(|byte| byte != b'0')
}

/// `bytes` random bytes in hexadecimal.
pub fn random_hex(bytes: usize) -> String {
    let mut buffer = [0_u8; 16];
    let random = &mut buffer[..bytes.min(16)];
    if getrandom::fill(random).is_err() {
        // Without an entropy source, an id from the process id is weak but better than no telemetry.
        random.fill(0);
        for (slot, byte) in random.iter_mut().zip(std::process::id().to_le_bytes()) {
            *slot = byte;
        }
    }
    random.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn find(variables: &[(&str, &str)]) -> Trace {
        Trace::from_env(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_github_actions_run_has_the_ids_of_githubreceiver() {
        let run = [("GITHUB_RUN_ID", "4242"), ("GITHUB_RUN_ATTEMPT", "1")];
        let trace = find(&run);
        // printf 42421t | sha256sum | head -c 32; printf 42421s | sha256sum | cut -c 17-32
        assert_eq!(trace.trace_id, "6a11f1c4957c295dafe16d781244c3ef");
        assert_eq!(trace.parent_span_id.as_deref(), Some("130c2aa62f59822e"));
        let inside = find(&[run[0], run[1], ("TRACEPARENT", PARENT)]);
        assert_eq!(inside.trace_id, "0af7651916cd43dd8448eb211c80319c");
    }

    #[test]
    fn a_valid_parent_is_continued() {
        let trace = find(&[("TRACEPARENT", PARENT)]);
        assert_eq!(trace.trace_id, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.parent_span_id.as_deref(), Some("b7ad6b7169203331"));
        assert_eq!(
            trace.traceparent("00f067aa0ba902b7"),
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
        );
    }

    #[test]
    fn anything_else_starts_a_new_trace() {
        for bad in [
            "",
            "x",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            let trace = find(&[("TRACEPARENT", bad)]);
            assert_eq!(trace.parent_span_id, None, "{bad}");
            assert_eq!(trace.trace_id.len(), 32);
        }
    }
}
