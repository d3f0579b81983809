//! What locks nothing for long, and takes something away from a version that is still running.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{AstNode as _, Stmt};

use super::on_table;
use crate::check::judgement::Judgement;
use crate::check::known::Known;
use crate::check::lock_mode::LockMode;
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::tree;

/// Why a new name is unsafe.
pub(super) const OLD_NAME: &str = "a version that is still running fails when it uses the old name";

/// `DROP FUNCTION` and the like. What the script creates again is only replaced.
pub(super) fn dropped(node: &SyntaxNode, known: &Known<'_>) -> Judgement {
    let mut judgement = Judgement::harmless();
    for object in tree::paths(node) {
        if !known.is_created_in_script(&object) {
            judgement.find(
                Rule::DropObject,
                Some(&object),
                "a version that is still running fails when it uses it",
            );
        }
    }
    judgement
}

/// `ALTER FUNCTION` and the like: only a new name or a new schema is one that a running version does not know.
pub(super) fn altered(node: &SyntaxNode) -> Judgement {
    let words = tree::text(node).to_lowercase();
    if words.contains(" rename to ") || words.contains(" set schema ") {
        renamed()
    } else {
        Judgement::harmless()
    }
}

/// A new name.
pub(super) fn renamed() -> Judgement {
    let mut judgement = Judgement::harmless();
    judgement.find(Rule::RenameObject, None, OLD_NAME);
    judgement
}

/// `REVOKE`.
pub(super) fn revoked() -> Judgement {
    let mut judgement = Judgement::harmless();
    judgement.find(Rule::Revoke, None, "a version that is still running fails if it needs the privilege");
    judgement
}

/// A statement about a policy of a table.
pub(super) fn policy(statement: &Stmt, known: &Known<'_>) -> Judgement {
    let node = statement.syntax();
    let mut judgement = on_table(node, LockMode::AccessExclusive);
    let is_narrower = match statement {
        Stmt::CreatePolicy(_) => tree::text(node).to_lowercase().contains(" restrictive"),
        _ => true,
    };
    if let Some(table) = tree::table_of(node)
        && is_narrower
    {
        row_security(&mut judgement, &table, known);
    }
    judgement
}

/// A change of what rows a user can see.
pub(super) fn row_security(judgement: &mut Judgement, table: &Relation, known: &Known<'_>) {
    if !known.is_new(table) {
        judgement.find(
            Rule::RowSecurity,
            Some(table),
            "rows that a version that is still running reads or changes may be hidden from it",
        );
    }
}
