//! What a test leaves for others.

use super::jar::SetCookie;
use crate::suite::template::Values;

/// What a test that passes leaves for the tests that depend on it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The values that it captured.
    pub(super) values: Values,
    /// The cookies that it got.
    pub(super) cookies: Vec<SetCookie>,
}
