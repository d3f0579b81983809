//! The limit of what a filter makes.

use crate::coding::MAX_BODY_BYTES;
use crate::datum::Datum;

pub(super) const TOO_LONG: &str = "the result is longer than a MiB";

/// A text that a filter made.
pub(super) fn bounded(text: String) -> Result<Datum, String> {
    if text.len() > MAX_BODY_BYTES { Err(TOO_LONG.to_owned()) } else { Ok(text.into()) }
}
