//! The pages in `docs/reference/` against the tools.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test ends with a panic, and waits for what it started"
)]

mod pages;
mod schemas;
