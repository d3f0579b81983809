//! Secrets: reading the ones that are configured, and redacting them in text from elsewhere.

mod forms;
mod names;
mod pairs;
mod patterns;
mod redactor;

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::fs::bounded::{self, MAX_SMALL_BYTES};
pub use names::is_secret as is_secret_name;
pub use redactor::Redactor;

/// Resolves a configured secret: the value itself, or the content of the file that `file:PATH` names.
pub fn read(configured: Option<SecretString>) -> Result<Option<SecretString>> {
    let Some(secret) = configured else { return Ok(None) };
    let Some(path) = secret.expose_secret().strip_prefix("file:") else { return Ok(Some(secret)) };
    let content = bounded::read_text(Path::new(path), MAX_SMALL_BYTES)
        .with_context(|| format!("cannot read the secret in {path}"))?;
    Ok(Some(content.trim_end().into()))
}

/// A header value that holds a secret. Its `Debug` output and the error do not contain the secret.
pub fn header_value(text: &str) -> Result<HeaderValue> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| anyhow!("a secret contains a control character"))?;
    value.set_sensitive(true);
    Ok(value)
}
