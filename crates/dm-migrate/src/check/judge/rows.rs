//! Statements that read or change rows.

use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::reads;
use crate::check::judgement::{Judgement, Work};
use crate::check::known::Known;
use crate::check::lock_mode::LockMode::{self, AccessShare, RowExclusive, RowShare};
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::{tree, volatility};
use crate::schema;

/// Judges a statement of these kinds.
pub(super) fn judge(statement: &Stmt, known: &Known<'_>) -> Judgement {
    let node = statement.syntax();
    let is_locking = tree::has_node(node, SyntaxKind::LOCKING_CLAUSE);
    let mut judgement = reads(node, if is_locking { RowShare } else { AccessShare });
    if let Some(mode) = target_mode(statement) {
        let target = target(node);
        let is_version_table = target.as_ref().is_some_and(|table| schema::is_version_table(&table.name));
        let is_copy_to = matches!(statement, Stmt::Copy(copy) if copy.from_token().is_none());
        let mode = if is_copy_to { AccessShare } else { mode };
        let is_update = matches!(statement, Stmt::Update(_) | Stmt::Delete(_) | Stmt::Merge(_));
        let has_query = tree::has_node(node, SyntaxKind::FROM_CLAUSE);
        judgement.changes_rows = !is_version_table && (is_update || (mode == RowExclusive && has_query));
        find_all_rows(node, target.as_ref(), &mut judgement);
        judgement.lock(target, mode, Work::None);
    }
    // A statement in WITH can change another table than the statement itself.
    let inner = node.descendants().skip(1).filter(|inner| {
        matches!(
            inner.kind(),
            SyntaxKind::INSERT | SyntaxKind::UPDATE | SyntaxKind::DELETE | SyntaxKind::MERGE
        )
    });
    for inner in inner {
        judgement.changes_rows = true;
        let target = target(&inner);
        find_all_rows(&inner, target.as_ref(), &mut judgement);
        judgement.lock(target, RowExclusive, Work::None);
    }
    let unknown =
        tree::functions(node).into_iter().find(|function| !volatility::is_known(function, known.facts));
    if let Some(function) = unknown {
        judgement.unknown.push(format!("what the function {function} locks is unknown"));
    }
    judgement
}

/// An `UPDATE` or a `DELETE` without a condition on the rows.
fn find_all_rows(node: &SyntaxNode, target: Option<&Relation>, judgement: &mut Judgement) {
    let is_version_table = target.is_some_and(|table| schema::is_version_table(&table.name));
    // A condition that names nothing is the same for all rows.
    let is_condition = |child: &SyntaxNode| match child.kind() {
        SyntaxKind::WHERE_CURRENT_OF => true,
        SyntaxKind::WHERE_CLAUSE => tree::has_node(child, SyntaxKind::NAME_REF),
        _ => false,
    };
    let is_change = matches!(node.kind(), SyntaxKind::UPDATE | SyntaxKind::DELETE);
    if is_change && !is_version_table && !node.children().any(|child| is_condition(&child)) {
        judgement.find(
            Rule::AllRows,
            target,
            "every row is changed in one transaction: it holds a lock on each of them until it ends",
        );
    }
}

fn target_mode(statement: &Stmt) -> Option<LockMode> {
    matches!(statement, Stmt::Insert(_) | Stmt::Update(_) | Stmt::Delete(_) | Stmt::Merge(_) | Stmt::Copy(_))
        .then_some(RowExclusive)
}

/// The table that the statement changes: the first path that is directly in it.
fn target(node: &SyntaxNode) -> Option<Relation> {
    node.children()
        .filter(|child| matches!(child.kind(), SyntaxKind::PATH | SyntaxKind::RELATION_NAME))
        .find_map(|child| tree::paths(&child).into_iter().next().or_else(|| Relation::of(&child)))
}
