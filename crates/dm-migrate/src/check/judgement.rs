//! What is known about one statement: its locks, its work, and what is unsafe.

use super::lock_mode::LockMode;
use super::relation::Relation;
use super::rule::Rule;

/// What a statement does with the rows of a table while it holds its lock, from the quickest to the slowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Nothing, or only with the rows that it changes.
    None,
    /// It reads all rows.
    Scan,
    /// It builds an index from all rows.
    BuildIndex,
    /// It writes the table again.
    Rewrite,
}

impl Work {
    /// The word in the report; `None` for no work.
    pub(crate) fn verb(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Scan => Some("scan"),
            Self::BuildIndex => Some("index build"),
            Self::Rewrite => Some("rewrite"),
        }
    }
}

/// What a lock is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A table, or another relation.
    Relation(Relation),
    /// The table of an index. Only the database knows it.
    TableOf(Relation),
}

impl Target {
    /// The relation that the statement names.
    pub(crate) fn named(&self) -> &Relation {
        match self {
            Self::Relation(relation) | Self::TableOf(relation) => relation,
        }
    }
}

/// A lock that a statement takes, and what it does while it holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) target: Target,
    pub(crate) mode: LockMode,
    pub(crate) work: Work,
}

/// Something unsafe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    /// The relation that it concerns; `None` for one that is not about a relation.
    pub(crate) about: Option<Relation>,
    /// Why it is unsafe.
    pub(crate) because: String,
}

/// What is known about a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) effects: Vec<Effect>,
    pub(crate) findings: Vec<Finding>,
    /// Why a part of the statement, or all of it, is not judged.
    pub(crate) unknown: Vec<String>,
    /// What else to know about it.
    pub(crate) notes: Vec<String>,
    /// Whether it changes an unknown number of rows.
    pub(crate) changes_rows: bool,
    /// Whether the server refuses it in a transaction block.
    pub(crate) needs_no_transaction: bool,
}

impl Judgement {
    /// A statement that takes no lock on a table.
    pub(crate) fn harmless() -> Self {
        Self::default()
    }

    /// A statement that is not judged.
    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self { unknown: vec![reason.into()], ..Self::default() }
    }

    /// One lock, without work.
    pub(crate) fn brief(relation: Option<Relation>, mode: LockMode) -> Self {
        let mut judgement = Self::default();
        judgement.lock(relation, mode, Work::None);
        judgement
    }

    /// Adds a lock on a relation. Of several locks on the same one, the strongest counts.
    pub(crate) fn lock(&mut self, relation: Option<Relation>, mode: LockMode, work: Work) {
        match relation {
            Some(relation) => self.add(Target::Relation(relation), mode, work),
            None => self.unknown.push("no name of a table was found in it".to_owned()),
        }
    }

    /// Adds a lock on the table of an index.
    pub(crate) fn lock_table_of(&mut self, index: Option<Relation>, mode: LockMode, work: Work) {
        match index {
            Some(index) => self.add(Target::TableOf(index), mode, work),
            None => self.unknown.push("no name of an index was found in it".to_owned()),
        }
    }

    fn add(&mut self, target: Target, mode: LockMode, work: Work) {
        match self.effects.iter_mut().find(|effect| effect.target == target) {
            Some(effect) => {
                effect.mode = effect.mode.max(mode);
                effect.work = effect.work.max(work);
            }
            None => self.effects.push(Effect { target, mode, work }),
        }
    }

    /// Adds something unsafe.
    pub(crate) fn find(&mut self, rule: Rule, about: Option<&Relation>, because: impl Into<String>) {
        self.findings.push(Finding { rule, about: about.cloned(), because: because.into() });
    }
}
