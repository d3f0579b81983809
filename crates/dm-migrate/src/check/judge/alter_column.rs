//! `ALTER TABLE … ALTER COLUMN`.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AlterColumnOption as Change, AstNode};

use super::name_ref;
use crate::check::column_type;
use crate::check::judgement::{Judgement, Work};
use crate::check::known::Known;
use crate::check::lock_mode::LockMode::{AccessExclusive, ShareUpdateExclusive};
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::tree;

/// Judges a change of a column.
pub(super) fn judge(
    altered: &ast::AlterColumn,
    table: &Relation,
    known: &Known<'_>,
    judgement: &mut Judgement,
) {
    let column = name_ref(altered.name_ref()).unwrap_or_default();
    let (mode, work) = match altered.option() {
        None | Some(Change::Inherit(_) | Change::NoInherit(_)) => {
            judgement.unknown.push("nothing is known about this kind of change of a column".to_owned());
            (AccessExclusive, Work::None)
        }
        Some(Change::SetNotNull(_)) => (AccessExclusive, set_not_null(table, &column, known, judgement)),
        Some(Change::SetType(changed)) => {
            (AccessExclusive, set_type(&changed, table, &column, known, judgement))
        }
        Some(Change::SetExpression(_)) => {
            judgement.find(
                Rule::RewriteTable,
                Some(table),
                "the value of each row is computed again, so the whole table is written again, and cannot be read meanwhile",
            );
            (AccessExclusive, Work::Rewrite)
        }
        Some(
            Change::SetStatistics(_)
            | Change::SetOptions(_)
            | Change::SetOptionsList(_)
            | Change::ResetOptions(_),
        ) => (ShareUpdateExclusive, Work::None),
        // They change only the catalogue.
        Some(
            Change::AddGenerated(_)
            | Change::DropDefault(_)
            | Change::DropExpression(_)
            | Change::DropIdentity(_)
            | Change::DropNotNull(_)
            | Change::Restart(_)
            | Change::SetCompression(_)
            | Change::SetDefault(_)
            | Change::SetGenerated(_)
            | Change::SetGeneratedOptions(_)
            | Change::SetSequenceOption(_)
            | Change::SetStorage(_),
        ) => (AccessExclusive, Work::None),
    };
    judgement.lock(Some(table.clone()), mode, work);
}

fn set_not_null(table: &Relation, column: &str, known: &Known<'_>, judgement: &mut Judgement) -> Work {
    if known.is_never_null(table, column) {
        return Work::None;
    }
    judgement.find(Rule::SetNotNull, Some(table), "all rows are checked while the table cannot be read");
    Work::Scan
}

fn set_type(
    changed: &ast::SetType,
    table: &Relation,
    column: &str,
    known: &Known<'_>,
    judgement: &mut Judgement,
) -> Work {
    let node = changed.syntax();
    let new = changed.ty().map(|ty| tree::text(ty.syntax())).unwrap_or_default();
    let has_more = tree::has_token(node, SyntaxKind::USING_KW) || changed.collate().is_some();
    let old = known.facts.relation(table).and_then(|facts| facts.columns.get(column));
    let because = match old {
        Some(old) if !has_more && column_type::needs_no_rewrite(old, &new) => return Work::None,
        Some(old) => format!("the whole table is written again for the change from {old}, and cannot be read meanwhile"),
        None => "the whole table is written again, and cannot be read meanwhile, unless the old type is a shorter form of the \
                 new one; the old type is unknown"
            .to_owned(),
    };
    judgement.find(Rule::ChangeColumnType, Some(table), because);
    Work::Rewrite
}
