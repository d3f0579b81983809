//! `CREATE TABLE`, `CREATE VIEW`, `CREATE TYPE`: new objects, and the locks on those that they refer to.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::alter_table::GIVE;
use super::{compatibility, reads};
use crate::check::judgement::{Judgement, Work};
use crate::check::known::Known;
use crate::check::lock_mode::LockMode::{
    AccessExclusive, AccessShare, ShareRowExclusive, ShareUpdateExclusive,
};
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::tree;

/// `CREATE TABLE`.
pub(super) fn table(created: &ast::CreateTable, known: &mut Known<'_>) -> Judgement {
    let mut judgement = Judgement::harmless();
    let node = created.syntax();
    for part in node.descendants() {
        let mode = match part.kind() {
            SyntaxKind::REFERENCES_CONSTRAINT | SyntaxKind::FOREIGN_KEY_CONSTRAINT => ShareRowExclusive,
            SyntaxKind::INHERITS => ShareUpdateExclusive,
            SyntaxKind::LIKE_CLAUSE => AccessShare,
            SyntaxKind::PARTITION_OF => {
                let parent = tree::paths(&part).into_iter().next();
                judgement.find(
                    Rule::AttachPartition,
                    parent.as_ref(),
                    "the partitioned table cannot be read until the transaction ends, and a default partition is scanned",
                );
                AccessExclusive
            }
            _ => continue,
        };
        for other in tree::paths(&part) {
            judgement.lock(Some(other), mode, Work::None);
        }
    }
    if let Some(relation) = Relation::of_path(created.path()) {
        // A foreign key to the table itself locks only the new table.
        judgement.effects.retain(|effect| *effect.target.named() != relation);
        create(relation, node, known, &mut judgement);
    }
    judgement
}

/// A table or a materialized view from a query.
pub(super) fn from_query(node: &SyntaxNode, known: &mut Known<'_>) -> Judgement {
    let mut judgement = reads(node, AccessShare);
    let read = tree::read_tables(node);
    if let Some(created) = tree::paths(node).into_iter().find(|path| !read.contains(path)) {
        create(created, node, known, &mut judgement);
    }
    judgement
}

/// Records a new relation. With `IF NOT EXISTS`, only the database knows whether it is new.
fn create(relation: Relation, node: &SyntaxNode, known: &mut Known<'_>, judgement: &mut Judgement) {
    let may_exist = tree::has_node(node, SyntaxKind::IF_NOT_EXISTS);
    let is_known = known.facts.relation(&relation).is_some();
    if !known.create(relation, may_exist) && !is_known {
        judgement.notes.push(format!("whether it is there already, and in use, is unknown{GIVE}"));
    }
}

/// `CREATE VIEW`, which a running version may use if it is replaced.
pub(super) fn view(created: &ast::CreateView) -> Judgement {
    let mut judgement = reads(created.syntax(), AccessShare);
    if created.or_replace().is_some() {
        judgement.lock(Relation::of_path(created.path()), AccessExclusive, Work::None);
    }
    judgement
}

/// `CREATE TYPE`, which never makes a domain.
pub(super) fn kind(created: &ast::CreateType, known: &mut Known<'_>) -> Judgement {
    if let Some(name) = Relation::of_path(created.path()) {
        known.plain_types.insert(name.name);
    }
    Judgement::harmless()
}

/// `ALTER TYPE`: a new value of an enumeration locks no table.
pub(super) fn alter_kind(altered: &ast::AlterType) -> Judgement {
    let words = tree::keywords(altered.syntax());
    if words.starts_with("alter type add value") {
        return Judgement::harmless();
    }
    if words.starts_with("alter type rename") {
        return compatibility::renamed();
    }
    Judgement::unknown("the tables that use the type are not known")
}
