//! Indexes: <https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY>.

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::check::judgement::{Judgement, Work};
use crate::check::lock_mode::LockMode::{AccessExclusive, Share, ShareUpdateExclusive};
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::tree;

/// `CREATE INDEX`.
pub(super) fn create(created: &ast::CreateIndex) -> Judgement {
    let mut judgement = Judgement::harmless();
    let table = Relation::of_path(created.relation_name().and_then(|name| name.path()));
    if created.concurrently_token().is_some() {
        judgement.needs_no_transaction = true;
        judgement.lock(table, ShareUpdateExclusive, Work::BuildIndex);
    } else {
        judgement.find(
            Rule::CreateIndex,
            table.as_ref(),
            "the index is built while the table cannot be written",
        );
        judgement.lock(table, Share, Work::BuildIndex);
    }
    judgement
}

/// `DROP INDEX`, also of several.
pub(super) fn drop(dropped: &ast::DropIndex) -> Judgement {
    let mut judgement = Judgement::harmless();
    for index in dropped.paths().filter_map(|path| Relation::of(path.syntax())) {
        if dropped.concurrently_token().is_some() {
            judgement.needs_no_transaction = true;
            judgement.lock_table_of(Some(index), ShareUpdateExclusive, Work::None);
        } else {
            judgement.find(
                Rule::DropIndex,
                Some(&index),
                "its table cannot be read until the transaction ends, nor while the statement waits for its lock",
            );
            judgement.lock_table_of(Some(index), AccessExclusive, Work::None);
        }
    }
    judgement
}

/// `REINDEX` of an index or a table.
pub(super) fn reindex(statement: &ast::Reindex) -> Judgement {
    let mut judgement = Judgement::harmless();
    let node = statement.syntax();
    let is_concurrent = tree::has_node(node, SyntaxKind::CONCURRENTLY_KW)
        || node.descendants_with_tokens().any(|element| element.kind() == SyntaxKind::CONCURRENTLY_KW);
    let relation = Relation::of_path(statement.path());
    let mode = if is_concurrent { ShareUpdateExclusive } else { Share };
    if is_concurrent {
        judgement.needs_no_transaction = true;
    } else {
        judgement.find(
            Rule::Reindex,
            relation.as_ref(),
            "the table cannot be written meanwhile, and not be read by a query that would use the index",
        );
    }
    if statement.index_token().is_some() {
        judgement.lock_table_of(relation, mode, Work::BuildIndex);
    } else if statement.table_token().is_some() {
        judgement.lock(relation, mode, Work::BuildIndex);
    } else {
        judgement.unknown.push("it concerns tables that it does not name".to_owned());
    }
    judgement
}

/// `ALTER INDEX`.
pub(super) fn alter(node: &SyntaxNode) -> Judgement {
    let index = tree::paths(node).into_iter().next();
    let is_renamed = node.children().any(|child| child.kind() == SyntaxKind::RENAME_TO);
    if is_renamed {
        return Judgement::brief(index, ShareUpdateExclusive);
    }
    Judgement::unknown("nothing is known about this kind of change of an index")
}
