//! Looks into the syntax tree where the parser has no accessor for it.

use std::collections::BTreeSet;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::relation::{Relation, folded};

/// Whether a keyword or another token is directly in the node.
pub(super) fn has_token(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.children_with_tokens().any(|element| element.kind() == kind)
}

/// Whether a node of this kind is anywhere in it.
pub(super) fn has_node(node: &SyntaxNode, kind: SyntaxKind) -> bool {
    node.descendants().any(|inner| inner.kind() == kind)
}

/// The keywords that are directly in the node, in lower case, separated by spaces.
pub(super) fn keywords(node: &SyntaxNode) -> String {
    let tokens = node.children_with_tokens().filter_map(|element| element.as_token().cloned());
    let words = tokens.filter(|token| token.text().chars().all(|c| c.is_ascii_alphabetic()));
    words.map(|token| token.text().to_lowercase()).collect::<Vec<_>>().join(" ")
}

/// The text of a node on one line.
pub(super) fn text(node: &SyntaxNode) -> String {
    node.text().to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The table of `… ON table`.
pub(super) fn table_of(node: &SyntaxNode) -> Option<Relation> {
    let on = node.children().find(|child| child.kind() == SyntaxKind::ON_TABLE)?;
    paths(&on).into_iter().next()
}

/// The outermost paths in the node, without those of types.
pub(super) fn paths(node: &SyntaxNode) -> Vec<Relation> {
    let is_inner = |path: &SyntaxNode| {
        path.parent().is_some_and(|parent| matches!(parent.kind(), SyntaxKind::PATH | SyntaxKind::PATH_TYPE))
    };
    let paths = node.descendants().filter(|inner| inner.kind() == SyntaxKind::PATH && !is_inner(inner));
    paths.filter_map(|path| Relation::of(&path)).collect()
}

/// The tables that the statement reads: those of each `FROM`, without the names of its own `WITH`.
pub(super) fn read_tables(node: &SyntaxNode) -> Vec<Relation> {
    let with = node.descendants().filter_map(ast::WithTable::cast);
    let with: BTreeSet<String> =
        with.filter_map(|table| Some(folded(&table.name()?.syntax().text().to_string()))).collect();
    let items = node.descendants().filter(|inner| inner.kind() == SyntaxKind::FROM_ITEM);
    let first = items.filter_map(|item| item.first_child());
    let names = first.filter(|child| {
        matches!(child.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR | SyntaxKind::PATH)
    });
    let tables = names.filter_map(|name| Relation::of(&name));
    tables.filter(|table| table.schema.is_some() || !with.contains(&table.name)).collect()
}

/// The name of a function that is called, without its schema; `None` for an expression of SQL that looks like one.
pub(super) fn function_name(call: &ast::CallExpr) -> Option<String> {
    let callee = call.syntax().first_child()?;
    if !matches!(callee.kind(), SyntaxKind::NAME_REF | SyntaxKind::FIELD_EXPR) {
        return None;
    }
    Some(Relation::of(&callee)?.name)
}

/// The functions that are called in the node.
pub(super) fn functions(node: &SyntaxNode) -> Vec<String> {
    node.descendants().filter_map(ast::CallExpr::cast).filter_map(|call| function_name(&call)).collect()
}

/// The name of a type, without its schema, its length and its array bounds.
pub(super) fn type_name(node: &SyntaxNode) -> String {
    let path = node.descendants().find(|inner| inner.kind() == SyntaxKind::PATH);
    match path.and_then(|path| Relation::of(&path)) {
        Some(relation) => relation.name,
        // Types of several words, such as `timestamp with time zone`.
        None => text(node).to_lowercase().split([' ', '(', '[']).next().unwrap_or_default().to_owned(),
    }
}
