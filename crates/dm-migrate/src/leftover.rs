//! What a failed change of the schema leaves behind, and the statement that repairs it.

use std::collections::BTreeSet;

/// A remainder of a failed or unfinished change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leftover {
    /// What is wrong, such as `the index orders_note of orders is invalid`.
    pub(crate) problem: String,
    /// The SQL statement that repairs it.
    pub(crate) repair: String,
    /// Whether it can be intended: a constraint can be added first and validated later.
    pub(crate) can_be_intended: bool,
}

impl Leftover {
    /// The message about it.
    pub(crate) fn describe(&self) -> String {
        format!("{}; to repair it: {}", self.problem, self.repair)
    }
}

/// Those that were not there before; none if one of the two is unknown.
pub(crate) fn new_ones<'a>(
    before: Option<&'a BTreeSet<Leftover>>,
    after: Option<&'a BTreeSet<Leftover>>,
) -> impl Iterator<Item = &'a Leftover> {
    before.zip(after).into_iter().flat_map(|(before, after)| after.difference(before))
}
