//! The Test Anything Protocol, versions 12 to 14 (<https://testanything.org>), as real producers write it. Subtests count
//! only through their parent, which fails with them; its message names the first one that failed.

mod block;
mod comment;
mod parser;
mod plan;
mod point;
mod subtest;

pub(crate) use parser::parse;

/// The most bytes of a message that are kept.
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests;
