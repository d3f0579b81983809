//! `ALTER TABLE`. The lock modes are those of `AlterTableGetLockLevel` in PostgreSQL's `tablecmds.c`, as
//! <https://www.postgresql.org/docs/current/sql-altertable.html> describes them.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{self, AlterTableAction as Action, AstNode};

use super::compatibility::{self, OLD_NAME};
use super::{alter_column, constraint, name, name_ref};
use crate::check::column_type::{self, Kind};
use crate::check::judgement::{Judgement, Work};
use crate::check::known::Known;
use crate::check::lock_mode::LockMode::{self, AccessExclusive, ShareRowExclusive, ShareUpdateExclusive};
use crate::check::relation::Relation;
use crate::check::rule::Rule;
use crate::check::tree;
use crate::check::volatility::{self, Volatility};

/// Judges the statement: all of its actions run under the strongest of their locks.
pub(super) fn judge(statement: &ast::AlterTable, known: &mut Known<'_>) -> Judgement {
    let table = Relation::of_path(statement.relation_name().and_then(|name| name.path()));
    let is_all = tree::text(statement.syntax()).to_lowercase().starts_with("alter table all in tablespace");
    let Some(table) = table.filter(|_| !is_all) else {
        return Judgement::unknown("it changes tables that it does not name");
    };
    let mut judgement = Judgement::harmless();
    let mut is_empty = true;
    for action in statement.actions() {
        is_empty = false;
        judge_action(&action, &table, known, &mut judgement);
    }
    let is_validated = statement.actions().any(|action| matches!(action, Action::ValidateConstraint(_)));
    let effect = judgement.effects.iter().find(|effect| *effect.target.named() == table);
    if is_validated && effect.is_some_and(|effect| effect.mode.blocks_application()) {
        judgement.find(
            Rule::AddCheck,
            Some(&table),
            "all rows are checked under the lock of the other changes in the same statement",
        );
    }
    if is_empty {
        judgement.unknown.push("nothing is known about this kind of change".to_owned());
    }
    judgement
}

fn judge_action(action: &Action, table: &Relation, known: &mut Known<'_>, judgement: &mut Judgement) {
    let mut lock = |mode: LockMode, work: Work| judgement.lock(Some(table.clone()), mode, work);
    match action {
        Action::AddColumn(column) => add_column(column, table, known, judgement),
        Action::AlterColumn(column) => alter_column::judge(column, table, known, judgement),
        Action::AddConstraint(added) => constraint::add(added.syntax(), table, known, judgement),
        Action::ValidateConstraint(validated) => {
            // It scans, and blocks neither reads nor writes.
            lock(ShareUpdateExclusive, Work::Scan);
            constraint::validate(name_ref(validated.name_ref()), table, known);
        }
        Action::DropColumn(_) => {
            lock(AccessExclusive, Work::None);
            judgement.find(
                Rule::DropColumn,
                Some(table),
                "a version that is still running fails when it uses the column",
            );
        }
        Action::DropConstraint(_) => {
            lock(AccessExclusive, Work::None);
            judgement.notes.push(
                "if it is a foreign key, the table that it references is locked in the same mode".to_owned(),
            );
        }
        Action::RenameColumn(_) => {
            lock(AccessExclusive, Work::None);
            judgement.find(Rule::RenameColumn, Some(table), OLD_NAME);
        }
        Action::RenameTo(renamed) => {
            lock(AccessExclusive, Work::None);
            judgement.find(Rule::RenameTable, Some(table), OLD_NAME);
            if known.is_new(table)
                && let Some(name) = name(renamed.name())
            {
                known.create(Relation { schema: table.schema.clone(), name }, false);
            }
        }
        Action::SetSchema(_) => {
            lock(AccessExclusive, Work::None);
            judgement.find(
                Rule::RenameTable,
                Some(table),
                "a version that is still running may not find it in the new schema",
            );
        }
        Action::SetTablespace(_) => {
            lock(AccessExclusive, Work::Rewrite);
            judgement.find(
                Rule::RewriteTable,
                Some(table),
                "the whole table is copied, and cannot be read meanwhile",
            );
        }
        Action::SetLogged(_) | Action::SetUnlogged(_) | Action::SetAccessMethod(_) => {
            lock(AccessExclusive, Work::Rewrite);
            judgement.find(
                Rule::RewriteTable,
                Some(table),
                "the whole table is written again, and cannot be read meanwhile",
            );
        }
        Action::AttachPartition(attached) => attach(attached, table, judgement),
        Action::DetachPartition(detached) => detach(detached, table, judgement),
        Action::EnableTrigger(_)
        | Action::DisableTrigger(_)
        | Action::EnableAlwaysTrigger(_)
        | Action::EnableReplicaTrigger(_) => {
            lock(ShareRowExclusive, Work::None);
        }
        Action::ClusterOn(_) | Action::SetWithoutCluster(_) => lock(ShareUpdateExclusive, Work::None),
        Action::SetOptions(options) => lock(options_lock(options.syntax()), Work::None),
        Action::ResetOptions(options) => lock(options_lock(options.syntax()), Work::None),
        Action::InheritTable(parent) => {
            lock(AccessExclusive, Work::None);
            judgement.lock(Relation::of_path(parent.path()), ShareUpdateExclusive, Work::None);
        }
        Action::EnableRls(_) | Action::ForceRls(_) => {
            lock(AccessExclusive, Work::None);
            compatibility::row_security(judgement, table, known);
        }
        Action::NoInheritTable(_)
        | Action::RenameConstraint(_)
        | Action::OwnerTo(_)
        | Action::ReplicaIdentity(_)
        | Action::DisableRls(_)
        | Action::NoForceRls(_)
        | Action::EnableRule(_)
        | Action::DisableRule(_)
        | Action::EnableAlwaysRule(_)
        | Action::EnableReplicaRule(_)
        | Action::AlterConstraint(_)
        | Action::OfType(_)
        | Action::NotOf(_)
        | Action::SetWithoutOids(_) => lock(AccessExclusive, Work::None),
        Action::OptionItemList(_) | Action::MergePartitions(_) | Action::SplitPartition(_) => {
            lock(AccessExclusive, Work::None);
            judgement.unknown.push("nothing is known about this kind of change".to_owned());
        }
    }
}

/// Storage parameters: those of autovacuum, `fillfactor` and most others need a weak lock.
fn options_lock(options: &squawk_syntax::SyntaxNode) -> LockMode {
    let text = tree::text(options).to_lowercase();
    if text.contains("user_catalog_table") { AccessExclusive } else { ShareUpdateExclusive }
}

fn add_column(column: &ast::AddColumn, table: &Relation, known: &Known<'_>, judgement: &mut Judgement) {
    let kind = column.ty().map(|ty| tree::type_name(ty.syntax())).unwrap_or_default();
    let (mut rewrite, mut is_filled, mut is_required) = (None, false, false);
    let mut work = Work::None;
    let has_default = column.constraints().any(|part| matches!(part, ast::Constraint::DefaultConstraint(_)));
    for part in column.constraints() {
        match &part {
            ast::Constraint::DefaultConstraint(default) => {
                let expression = default.expr();
                let text = expression.as_ref().map(|it| tree::text(it.syntax())).unwrap_or_default();
                is_filled |= !text.eq_ignore_ascii_case("null");
                match expression.map(|it| volatility::of(it.syntax(), known.facts)) {
                    None | Some(Volatility::Stable) => {}
                    Some(Volatility::Volatile) => rewrite = Some("its default is computed for each row"),
                    Some(Volatility::Unknown(function)) => {
                        judgement.unknown.push(unknown_function(&function));
                    }
                }
            }
            ast::Constraint::GeneratedConstraint(generated) => {
                is_filled = true;
                if generated.identity_token().is_some() {
                    rewrite = Some("each row gets a number");
                } else if generated.stored_token().is_some() {
                    rewrite = Some("its value is computed for each row");
                }
            }
            ast::Constraint::NotNullConstraint(_) => is_required = true,
            ast::Constraint::ReferencesConstraint(references) => {
                // Without a default every row has a null, which meets it.
                let scan = if has_default { Work::Scan } else { Work::None };
                judgement.lock(Relation::of_path(references.table()), ShareRowExclusive, scan);
                work = work.max(scan);
                if has_default {
                    judgement.find(
                        Rule::AddForeignKey,
                        Some(table),
                        "all rows are checked while neither table can be written",
                    );
                }
            }
            ast::Constraint::CheckConstraint(_) => {
                work = work.max(Work::Scan);
                judgement.find(
                    Rule::AddCheck,
                    Some(table),
                    "all rows are checked while the table cannot be read",
                );
            }
            ast::Constraint::UniqueConstraint(_) | ast::Constraint::PrimaryKeyConstraint(_) => {
                is_required |= matches!(part, ast::Constraint::PrimaryKeyConstraint(_));
                work = work.max(Work::BuildIndex);
                judgement.find(
                    Rule::AddUnique,
                    Some(table),
                    "its index is built while the table cannot be read",
                );
            }
            ast::Constraint::ForeignKeyConstraint(_) | ast::Constraint::NullConstraint(_) => {}
        }
    }
    match column_type::kind(&kind) {
        Kind::Plain => {}
        Kind::Serial => {
            rewrite = Some("each row gets a number");
            is_filled = true;
        }
        Kind::Other => match known.facts.is_constrained.get(&kind) {
            Some(true) => rewrite = Some("its type is a domain, whose constraint is checked for each row"),
            Some(false) => {}
            None if known.plain_types.contains(&kind) => {}
            None => judgement
                .unknown
                .push(format!("whether the type {kind} is a domain with a constraint is unknown{GIVE}")),
        },
    }
    if let Some(why) = rewrite {
        work = Work::Rewrite;
        judgement.find(
            Rule::AddColumnRewrite,
            Some(table),
            format!("{why}, so the whole table is written again, and cannot be read meanwhile"),
        );
    }
    if is_required && !is_filled {
        work = work.max(Work::Scan);
        judgement.find(
            Rule::AddColumnNotNull,
            Some(table),
            "it fails if the table has a row, because that has no value",
        );
    }
    judgement.lock(Some(table.clone()), AccessExclusive, work);
}

/// The end of a message about something that only the database knows.
pub(super) const GIVE: &str = ": give the database with --database-url";

/// The message about a function whose volatility is not known.
pub(super) fn unknown_function(function: &str) -> String {
    format!("whether the function {function} is volatile is unknown{GIVE}")
}

/// `ATTACH PARTITION` scans the table that becomes a partition, unless a constraint shows that its rows fit.
fn attach(attached: &ast::AttachPartition, table: &Relation, judgement: &mut Judgement) {
    judgement.lock(Some(table.clone()), ShareUpdateExclusive, Work::None);
    let partition = Relation::of_path(attached.path());
    judgement.find(
        Rule::AttachPartition,
        partition.as_ref(),
        "all rows are checked while the partition cannot be read, unless a CHECK constraint implies its bounds",
    );
    judgement.lock(partition, AccessExclusive, Work::Scan);
    judgement.notes.push("a default partition is locked and scanned too".to_owned());
}

fn detach(detached: &ast::DetachPartition, table: &Relation, judgement: &mut Judgement) {
    let node = detached.syntax();
    let partition = tree::paths(node).into_iter().next();
    if tree::has_token(node, SyntaxKind::CONCURRENTLY_KW) {
        judgement.needs_no_transaction = true;
        judgement.lock(Some(table.clone()), ShareUpdateExclusive, Work::None);
        judgement.lock(partition, AccessExclusive, Work::None);
    } else if tree::has_token(node, SyntaxKind::FINALIZE_KW) {
        judgement.lock(Some(table.clone()), ShareUpdateExclusive, Work::None);
        judgement.lock(partition, AccessExclusive, Work::None);
    } else {
        judgement.find(
            Rule::DetachPartition,
            Some(table),
            "the whole partitioned table cannot be read meanwhile",
        );
        judgement.lock(Some(table.clone()), AccessExclusive, Work::None);
        judgement.lock(partition, AccessExclusive, Work::None);
    }
}
