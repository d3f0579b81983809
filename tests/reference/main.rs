//! The pages in `docs/reference/` against the tools.

mod pages;
mod schemas;
