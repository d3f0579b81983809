//! `VACUUM`, `ANALYZE`, `CLUSTER`, `LOCK`, `TRUNCATE`, `REFRESH MATERIALIZED VIEW`.

use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use crate::check::judgement::{Judgement, Work};
use crate::check::lock_mode::LockMode::{self, AccessExclusive, Exclusive, ShareUpdateExclusive};
use crate::check::rule::Rule;
use crate::check::tree;

/// Judges a statement of these kinds.
pub(super) fn judge(statement: &Stmt) -> Judgement {
    let node = statement.syntax();
    match statement {
        Stmt::Vacuum(_) => vacuum(node),
        Stmt::Analyze(_) => each(node, ShareUpdateExclusive, Work::None, None),
        Stmt::Cluster(_) => {
            let finding =
                Some((Rule::RewriteTable, "the whole table is written again, and cannot be read meanwhile"));
            each(node, AccessExclusive, Work::Rewrite, finding)
        }
        Stmt::Truncate(_) => {
            let finding = Some((
                Rule::Truncate,
                "all rows are lost, and the table cannot be read until the transaction ends",
            ));
            let mut judgement = each(node, AccessExclusive, Work::None, finding);
            if tree::has_token(node, SyntaxKind::CASCADE_KW) {
                judgement.unknown.push(
                    "it also truncates the tables whose foreign keys reference it, which are not known"
                        .to_owned(),
                );
            }
            judgement
        }
        Stmt::Refresh(_) => refresh(node),
        Stmt::Lock(_) => lock(node),
        _ => Judgement::unknown("nothing is known about this kind of statement"),
    }
}

fn each(node: &SyntaxNode, mode: LockMode, work: Work, finding: Option<(Rule, &str)>) -> Judgement {
    let mut judgement = Judgement::harmless();
    // Of CLUSTER … USING, the second name is an index without a path.
    for table in tree::paths(node) {
        if let Some((rule, because)) = finding {
            judgement.find(rule, Some(&table), because);
        }
        judgement.lock(Some(table), mode, work);
    }
    if judgement.effects.is_empty() {
        judgement.unknown.push("it concerns tables that it does not name".to_owned());
    }
    judgement
}

fn vacuum(node: &SyntaxNode) -> Judgement {
    let is_full = node.descendants_with_tokens().any(|element| element.kind() == SyntaxKind::FULL_KW);
    let mut judgement = if is_full {
        let finding =
            Some((Rule::RewriteTable, "the whole table is written again, and cannot be read meanwhile"));
        each(node, AccessExclusive, Work::Rewrite, finding)
    } else {
        each(node, ShareUpdateExclusive, Work::Scan, None)
    };
    judgement.needs_no_transaction = true;
    judgement
}

fn refresh(node: &SyntaxNode) -> Judgement {
    if tree::has_token(node, SyntaxKind::CONCURRENTLY_KW) {
        return each(node, Exclusive, Work::Scan, None);
    }
    let finding = Some((Rule::RefreshView, "the view is computed again, and cannot be read meanwhile"));
    each(node, AccessExclusive, Work::Rewrite, finding)
}

fn lock(node: &SyntaxNode) -> Judgement {
    let words = tree::keywords(node);
    let mode = match words.split_once(" in ").map(|(_, mode)| mode.trim_end_matches(" nowait")) {
        None | Some("access exclusive mode") => AccessExclusive,
        Some("access share mode") => LockMode::AccessShare,
        Some("row share mode") => LockMode::RowShare,
        Some("row exclusive mode") => LockMode::RowExclusive,
        Some("share update exclusive mode") => ShareUpdateExclusive,
        Some("share mode") => LockMode::Share,
        Some("share row exclusive mode") => LockMode::ShareRowExclusive,
        Some("exclusive mode") => Exclusive,
        Some(_) => return Judgement::unknown("the mode of its lock is unknown"),
    };
    let because = format!("it blocks {} until the transaction ends", mode.blocks());
    let finding = mode.blocks_application().then_some((Rule::LockTable, because.as_str()));
    each(node, mode, Work::None, finding)
}
