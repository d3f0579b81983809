//! `ALTER TABLE … ADD CONSTRAINT`.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::name;
use crate::check::judgement::{Judgement, Work};
use crate::check::known::Known;
use crate::check::lock_mode::LockMode::{AccessExclusive, ShareRowExclusive};
use crate::check::relation::{Relation, folded};
use crate::check::rule::Rule;
use crate::check::tree;

/// Judges a constraint that is added to a table.
pub(super) fn add(added: &SyntaxNode, table: &Relation, known: &mut Known<'_>, judgement: &mut Judgement) {
    // Neither scans: the rows that are there are checked later, or never.
    let is_unchecked =
        tree::has_node(added, SyntaxKind::NOT_VALID) || tree::has_node(added, SyntaxKind::NOT_ENFORCED);
    let scan = if is_unchecked { Work::None } else { Work::Scan };
    let using_index = tree::has_node(added, SyntaxKind::USING_INDEX);
    let Some(constraint) = added.children().find(|child| is_constraint(child.kind())) else {
        judgement.unknown.push("nothing is known about this kind of constraint".to_owned());
        judgement.lock(Some(table.clone()), AccessExclusive, Work::None);
        return;
    };
    match constraint.kind() {
        SyntaxKind::FOREIGN_KEY_CONSTRAINT => {
            let other = ast::ForeignKeyConstraint::cast(constraint).and_then(|it| it.path());
            judgement.lock(Some(table.clone()), ShareRowExclusive, scan);
            judgement.lock(Relation::of_path(other), ShareRowExclusive, scan);
            if !is_unchecked {
                judgement.find(
                    Rule::AddForeignKey,
                    Some(table),
                    "all rows are checked while neither table can be written",
                );
            }
        }
        SyntaxKind::CHECK_CONSTRAINT => {
            judgement.lock(Some(table.clone()), AccessExclusive, scan);
            if is_unchecked {
                remember_not_null(&constraint, table, known);
            } else {
                judgement.find(
                    Rule::AddCheck,
                    Some(table),
                    "all rows are checked while the table cannot be read",
                );
            }
        }
        SyntaxKind::NOT_NULL_CONSTRAINT => {
            judgement.lock(Some(table.clone()), AccessExclusive, scan);
            if !is_unchecked {
                judgement.find(
                    Rule::SetNotNull,
                    Some(table),
                    "all rows are checked while the table cannot be read",
                );
            }
        }
        SyntaxKind::UNIQUE_CONSTRAINT | SyntaxKind::PRIMARY_KEY_CONSTRAINT if using_index => {
            judgement.lock(Some(table.clone()), AccessExclusive, Work::None);
            if constraint.kind() == SyntaxKind::PRIMARY_KEY_CONSTRAINT {
                judgement
                    .notes
                    .push("all rows are checked too if a column of it is not NOT NULL yet".to_owned());
            }
        }
        SyntaxKind::EXCLUDE_CONSTRAINT => {
            judgement.lock(Some(table.clone()), AccessExclusive, Work::BuildIndex);
            judgement.find(
                Rule::AddExclusion,
                Some(table),
                "its index is built while the table cannot be read",
            );
        }
        _ => {
            judgement.lock(Some(table.clone()), AccessExclusive, Work::BuildIndex);
            judgement.find(Rule::AddUnique, Some(table), "its index is built while the table cannot be read");
        }
    }
}

fn is_constraint(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::FOREIGN_KEY_CONSTRAINT
            | SyntaxKind::CHECK_CONSTRAINT
            | SyntaxKind::NOT_NULL_CONSTRAINT
            | SyntaxKind::UNIQUE_CONSTRAINT
            | SyntaxKind::PRIMARY_KEY_CONSTRAINT
            | SyntaxKind::EXCLUDE_CONSTRAINT
    )
}

/// Remembers `CHECK (column IS NOT NULL)`: once it is validated, `SET NOT NULL` needs no scan.
fn remember_not_null(constraint: &SyntaxNode, table: &Relation, known: &mut Known<'_>) {
    let Some(check) = ast::CheckConstraint::cast(constraint.clone()) else { return };
    let condition = check.expr().map(|expr| tree::text(expr.syntax())).unwrap_or_default();
    let lower = condition.to_lowercase();
    let column = lower.strip_suffix(" is not null").and_then(|column| condition.get(..column.len()));
    let name = check.constraint_name().and_then(|it| name(it.name()));
    if let (Some(column), Some(name)) = (column, name) {
        known.not_null_checks.insert((table.clone(), name), folded(column.trim()));
    }
}

/// Remembers that a constraint is validated.
pub(super) fn validate(name: Option<String>, table: &Relation, known: &mut Known<'_>) {
    let key = (table.clone(), name.unwrap_or_default());
    if let Some(column) = known.not_null_checks.get(&key) {
        known.never_null.insert((table.clone(), column.clone()));
    }
}
