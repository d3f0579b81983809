//! Hurl files: <https://hurl.dev/docs/grammar.html>. Its own parser needs libxml2, so this one reads the lines itself. What
//! it does not know is a problem, and is not ignored.

mod assert;
mod body;
mod capture;
mod entry;
mod file;
mod filter;
mod options;
mod predicate;
mod query;
mod request;
mod token;

pub(super) use entry::translate;
