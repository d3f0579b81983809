//! The name of a table or an index in SQL.

use std::fmt;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{SyntaxKind, SyntaxNode};

/// A name as the server folds it: in lower case, unless it is quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Relation {
    /// The schema; `None` if the search path decides.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Relation {
    /// The last two parts of the name that begins at `node`: a path, a field or a name.
    pub(crate) fn of(node: &SyntaxNode) -> Option<Self> {
        let tokens = node.descendants_with_tokens().filter_map(|element| element.as_token().cloned());
        let mut parts: Vec<String> = tokens
            .filter(|token| {
                !matches!(token.kind(), SyntaxKind::DOT | SyntaxKind::WHITESPACE | SyntaxKind::COMMENT)
            })
            .map(|token| folded(token.text()))
            .collect();
        let name = parts.pop()?;
        Some(Self { schema: parts.pop(), name })
    }

    /// The path of a statement.
    pub(crate) fn of_path(path: Option<ast::Path>) -> Option<Self> {
        Self::of(path?.syntax())
    }

    /// The name in quotes, for the server.
    pub(crate) fn quoted(&self) -> String {
        let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
        match &self.schema {
            Some(schema) => format!("{}.{}", quote(schema), quote(&self.name)),
            None => quote(&self.name),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// An identifier as the server folds it.
pub(crate) fn folded(identifier: &str) -> String {
    match identifier.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => identifier.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::statement::parse_one;

    #[test]
    fn names_are_folded_as_the_server_folds_them() {
        let relation = |sql: &str| {
            let ast::Stmt::AlterTable(table) = parse_one(sql).unwrap() else { panic!("{sql}") };
            Relation::of_path(table.relation_name().unwrap().path()).unwrap()
        };
        let name = relation("alter table Shop.\"Or\"\"ders\" add a int");
        assert_eq!((name.schema.as_deref(), &*name.name), (Some("shop"), "Or\"ders"));
        assert_eq!(name.quoted(), "\"shop\".\"Or\"\"ders\"");
        assert_eq!(relation("alter table only ORDERS add a int").quoted(), "\"orders\"");
    }
}
