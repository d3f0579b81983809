//! What is known when a statement is judged: the facts of the database, and what earlier statements of the script did.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, RelationFacts};
use super::relation::Relation;

/// A column of a table.
pub(super) type Column = (Relation, String);

/// What is known so far.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) facts: &'a Facts,
    /// The relations that this script has created: nobody uses them yet, and they have no rows.
    created: BTreeSet<Relation>,
    /// Those that an earlier script has created and the database does not have yet.
    created_before: BTreeSet<Relation>,
    /// The functions, types and sequences that the script creates somewhere.
    objects: BTreeSet<Relation>,
    /// The types that a script has created, none of which is a domain.
    pub(super) plain_types: BTreeSet<String>,
    /// The columns that a constraint of this name keeps from being null.
    pub(super) not_null_checks: BTreeMap<(Relation, String), String>,
    /// The columns whose constraint is validated.
    pub(super) never_null: BTreeSet<Column>,
}

impl<'a> Known<'a> {
    /// Before the first script.
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            created: BTreeSet::new(),
            created_before: BTreeSet::new(),
            objects: BTreeSet::new(),
            plain_types: BTreeSet::new(),
            not_null_checks: BTreeMap::new(),
            never_null: BTreeSet::new(),
        }
    }

    /// Before the next script, which creates these functions, types and sequences.
    pub(super) fn begin_script(&mut self, objects: BTreeSet<Relation>) {
        self.created_before.append(&mut self.created);
        self.objects = objects;
    }

    /// Whether the script creates a function, a type or a sequence of this name, before or after this statement.
    pub(super) fn is_created_in_script(&self, object: &Relation) -> bool {
        self.objects.contains(object)
    }

    /// Records that a statement creates a relation, or with `IF NOT EXISTS` may do so. Returns whether it does.
    pub(super) fn create(&mut self, relation: Relation, may_exist: bool) -> bool {
        let is_new = if may_exist {
            self.facts.is_missing(&relation)
        } else {
            self.facts.relation(&relation).is_none()
        };
        if is_new {
            self.created.insert(relation);
        }
        is_new
    }

    /// Records that the relation is dropped: another one may have its name.
    pub(super) fn drop(&mut self, relation: &Relation) {
        self.created.remove(relation);
        self.created_before.remove(relation);
    }

    /// Records that what the script has created may be gone, or that its names now mean something else.
    pub(super) fn forget(&mut self) {
        self.created.clear();
        self.created_before.clear();
    }

    /// Whether nobody uses the relation yet, because it is new.
    pub(super) fn is_new(&self, relation: &Relation) -> bool {
        self.created.contains(relation)
            || (self.created_before.contains(relation) && self.facts.is_missing(relation))
    }

    /// Whether the column is known to have no null.
    pub(super) fn is_never_null(&self, relation: &Relation, column: &str) -> bool {
        let is_in_database = |facts: &RelationFacts| facts.not_null.contains(column);
        self.never_null.contains(&(relation.clone(), column.to_owned()))
            || self.facts.relation(relation).is_some_and(is_in_database)
    }
}
