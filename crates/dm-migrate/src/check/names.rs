//! The names in the SQL that the database may know something about.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AstNode};

use super::facts::Names;
use super::statement::Statement;
use super::tree;

/// Adds the names in these statements.
pub(super) fn collect(statements: &[Statement], names: &mut Names) {
    for statement in statements.iter().filter_map(|statement| statement.parsed.as_ref().ok()) {
        let node = statement.syntax();
        names.relations.extend(tree::paths(node));
        names.relations.extend(tree::read_tables(node));
        names.functions.extend(tree::functions(node));
        let columns = node.descendants().filter_map(ast::AddColumn::cast).filter_map(|column| column.ty());
        names.types.extend(columns.map(|ty| tree::type_name(ty.syntax())));
        // `COMMENT ON COLUMN` names its table in the middle of a path.
        let qualifiers = node.children().filter(|child| child.kind() == SyntaxKind::PATH);
        let qualifiers = qualifiers.filter_map(|path| ast::Path::cast(path)?.qualifier());
        names.relations.extend(qualifiers.filter_map(|path| super::relation::Relation::of(path.syntax())));
    }
}
