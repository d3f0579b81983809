//! JUnit XML. There is no standard, so the parser requires only suites, test cases and names.

mod attribute;
mod open_test;
mod parser;
mod suite;
mod word;

pub(crate) use parser::parse;

/// The most bytes of a message that are kept.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests;
