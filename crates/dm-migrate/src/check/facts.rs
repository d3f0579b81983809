//! What the database knows about the names in the SQL; nothing if there is none.

use std::collections::{BTreeMap, BTreeSet};

use super::relation::Relation;

/// The names to look up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) relations: BTreeSet<Relation>,
    /// Functions, by their name without a schema.
    pub(crate) functions: BTreeSet<String>,
    /// Types, by their name without a schema.
    pub(crate) types: BTreeSet<String>,
}

/// What is known about them. What is missing is unknown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// By the name in the SQL; `None` for one that the database does not have.
    pub(crate) relations: BTreeMap<Relation, Option<RelationFacts>>,
    /// Whether a function with the name is volatile.
    pub(crate) is_volatile: BTreeMap<String, bool>,
    /// Whether every function with the name belongs to the server itself.
    pub(crate) is_built_in: BTreeMap<String, bool>,
    /// Whether a type with the name is a domain with a constraint.
    pub(crate) is_constrained: BTreeMap<String, bool>,
}

/// What is known about a relation.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RelationFacts {
    /// The size with its indexes and partitions, in bytes.
    pub(crate) bytes: Option<u64>,
    /// The estimated number of rows; `None` if the table was never analyzed.
    pub(crate) rows: Option<u64>,
    /// The type of each column, as `format_type` writes it.
    pub(crate) columns: BTreeMap<String, String>,
    /// The columns that are `NOT NULL`, or that a validated `CHECK` keeps from being null.
    pub(crate) not_null: BTreeSet<String>,
    /// The table, if the relation is an index.
    pub(crate) table: Option<Relation>,
}

impl Facts {
    /// What is known about a relation.
    pub(crate) fn relation(&self, relation: &Relation) -> Option<&RelationFacts> {
        self.relations.get(relation)?.as_ref()
    }

    /// Whether the database is known not to have it.
    pub(crate) fn is_missing(&self, relation: &Relation) -> bool {
        matches!(self.relations.get(relation), Some(None))
    }
}
