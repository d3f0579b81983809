//! Judges one statement: which locks it takes, what it does while it holds them, and what is unsafe. A statement about which
//! nothing is written here is not judged.

mod alter_column;
mod alter_table;
mod compatibility;
mod constraint;
mod create;
mod index;
mod maintenance;
mod rows;

use squawk_syntax::ast::{self, AstNode, Stmt};
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::judgement::{Judgement, Work};
use super::known::Known;
use super::lock_mode::LockMode;
use super::relation::{Relation, folded};
use super::rule::Rule;
use super::tree;

/// Judges a statement.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn judge(statement: &Stmt, known: &mut Known<'_>) -> Judgement {
    use LockMode::{AccessExclusive, AccessShare, ShareRowExclusive, ShareUpdateExclusive};
    let node = statement.syntax();
    match statement {
        Stmt::AlterTable(table) => alter_table::judge(table, known),
        Stmt::CreateTable(table) => create::table(table, known),
        Stmt::CreateTableAs(_) | Stmt::CreateMaterializedView(_) | Stmt::SelectInto(_) => {
            create::from_query(node, known)
        }
        Stmt::CreateView(view) => create::view(view),
        Stmt::CreateType(kind) => create::kind(kind, known),
        Stmt::CreateIndex(created) => index::create(created),
        Stmt::DropIndex(dropped) => index::drop(dropped),
        Stmt::Reindex(reindex) => index::reindex(reindex),
        Stmt::AlterIndex(_) => index::alter(node),
        Stmt::Vacuum(_)
        | Stmt::Analyze(_)
        | Stmt::Cluster(_)
        | Stmt::Lock(_)
        | Stmt::Truncate(_)
        | Stmt::Refresh(_) => maintenance::judge(statement),
        Stmt::Select(_)
        | Stmt::Insert(_)
        | Stmt::Update(_)
        | Stmt::Delete(_)
        | Stmt::Merge(_)
        | Stmt::Copy(_)
        | Stmt::Values(_)
        | Stmt::Table(_) => rows::judge(statement, known),
        Stmt::DropTable(_) => dropped(node),
        Stmt::DropSchema(_) | Stmt::DropDatabase(_) | Stmt::DropOwned(_) => {
            let mut judgement = Judgement::harmless();
            judgement.find(Rule::DropTable, None, "it drops everything that is in it");
            judgement.unknown.push("the tables in it are not known".to_owned());
            judgement
        }
        Stmt::AlterDomain(_) => domain(node),
        // They run nothing on a table, or change only the session.
        Stmt::CreateFunction(_)
        | Stmt::CreateProcedure(_)
        | Stmt::CreateSchema(_)
        | Stmt::CreateSequence(_)
        | Stmt::CreateRole(_)
        | Stmt::CreateUser(_)
        | Stmt::CreateGroup(_)
        | Stmt::CreateDomain(_)
        | Stmt::CreateExtension(_)
        | Stmt::CreateCollation(_)
        | Stmt::CreateAggregate(_)
        | Stmt::CreateOperator(_)
        | Stmt::AlterDefaultPrivileges(_)
        | Stmt::AlterRole(_)
        | Stmt::AlterUser(_)
        | Stmt::Grant(_)
        | Stmt::Set(_)
        | Stmt::Reset(_)
        | Stmt::Show(_)
        | Stmt::SetRole(_)
        | Stmt::SetSessionAuth(_)
        | Stmt::ResetSessionAuth(_)
        | Stmt::SetConstraints(_)
        | Stmt::SetTransaction(_)
        | Stmt::Begin(_)
        | Stmt::Commit(_)
        | Stmt::Rollback(_)
        | Stmt::Savepoint(_)
        | Stmt::ReleaseSavepoint(_)
        | Stmt::Discard(_)
        | Stmt::Deallocate(_)
        | Stmt::Listen(_)
        | Stmt::Unlisten(_)
        | Stmt::Notify(_)
        | Stmt::Checkpoint(_) => Judgement::harmless(),
        Stmt::CommentOn(_) => comment(node),
        Stmt::CreateTrigger(_) => on_table(node, ShareRowExclusive),
        Stmt::CreateStatistics(_) => {
            let from = node.children().find(|child| child.kind() == SyntaxKind::FROM_TABLE);
            Judgement::brief(
                from.and_then(|from| tree::paths(&from).into_iter().next()),
                ShareUpdateExclusive,
            )
        }
        Stmt::Revoke(_) => compatibility::revoked(),
        Stmt::AlterFunction(_) | Stmt::AlterProcedure(_) | Stmt::AlterSchema(_) => {
            compatibility::altered(node)
        }
        Stmt::CreatePolicy(_) | Stmt::AlterPolicy(_) | Stmt::DropPolicy(_) => {
            compatibility::policy(statement, known)
        }
        Stmt::DropTrigger(_) | Stmt::DropRule(_) | Stmt::AlterTrigger(_) => on_table(node, AccessExclusive),
        Stmt::DropView(_) | Stmt::DropMaterializedView(_) => {
            let mut judgement = Judgement::harmless();
            for view in tree::paths(node) {
                judgement.find(
                    Rule::DropTable,
                    Some(&view),
                    "a version that is still running fails when it reads the view",
                );
                judgement.lock(Some(view), AccessExclusive, Work::None);
            }
            judgement
        }
        Stmt::DropFunction(_) | Stmt::DropProcedure(_) | Stmt::DropSequence(_) | Stmt::DropType(_)
            if !tree::has_token(node, SyntaxKind::CASCADE_KW) =>
        {
            compatibility::dropped(node, known)
        }
        Stmt::AlterType(kind) => create::alter_kind(kind),
        Stmt::AlterSequence(_) if tree::keywords(node).starts_with("alter sequence") => Judgement::harmless(),
        Stmt::Explain(_) if !tree::text(node).to_lowercase().contains("analy") => reads(node, AccessShare),
        Stmt::Do(_) | Stmt::Call(_) | Stmt::Execute(_) => {
            Judgement::unknown("what runs in it is known only when it runs")
        }
        _ => Judgement::unknown("nothing is known about this kind of statement"),
    }
}

/// A statement about something that belongs to a table, as in `CREATE TRIGGER … ON orders`.
fn on_table(node: &SyntaxNode, mode: LockMode) -> Judgement {
    Judgement::brief(tree::table_of(node), mode)
}

/// A statement that reads tables, and locks them in this mode.
fn reads(node: &SyntaxNode, mode: LockMode) -> Judgement {
    let mut judgement = Judgement::harmless();
    for table in tree::read_tables(node) {
        judgement.lock(Some(table), mode, Work::None);
    }
    judgement
}

/// `DROP TABLE`, also of several.
fn dropped(node: &SyntaxNode) -> Judgement {
    let mut judgement = Judgement::harmless();
    for table in tree::paths(node) {
        judgement.find(
            Rule::DropTable,
            Some(&table),
            "a version that is still running fails, and the rows are lost",
        );
        judgement.lock(Some(table), LockMode::AccessExclusive, Work::None);
    }
    judgement.notes.push("tables that its foreign keys reference are locked in the same mode".to_owned());
    judgement
}

/// `COMMENT ON`: only a comment on a relation or its column locks one.
fn comment(node: &SyntaxNode) -> Judgement {
    let words = tree::keywords(node);
    let path = node.children().find_map(ast::Path::cast);
    let kinds = ["table", "view", "index", "materialized view", "foreign table"];
    if words.contains("on column") {
        // The last part is the column.
        let table = Relation::of_path(path.and_then(|path| path.qualifier()));
        Judgement::brief(table, LockMode::ShareUpdateExclusive)
    } else if kinds.iter().any(|kind| words.contains(&format!("on {kind}"))) {
        Judgement::brief(Relation::of_path(path), LockMode::ShareUpdateExclusive)
    } else {
        Judgement::harmless()
    }
}

/// `ALTER DOMAIN`: adding or validating a constraint scans every table with a column of the domain.
fn domain(node: &SyntaxNode) -> Judgement {
    let mut judgement = Judgement::harmless();
    let words = tree::text(node).to_lowercase();
    if words.contains(" set not null") || (words.contains(" add ") && !words.contains("not valid")) {
        judgement.find(
            Rule::DomainConstraint,
            None,
            "every table with a column of this domain is scanned, and cannot be written meanwhile",
        );
    }
    if words.contains(" add ") || words.contains(" validate ") || words.contains("set not null") {
        judgement.unknown.push("the tables with a column of this domain are not known".to_owned());
    }
    judgement
}

/// The text of the name after which the statement's own nodes begin.
pub(super) fn name(node: Option<ast::Name>) -> Option<String> {
    Some(folded(&node?.syntax().text().to_string()))
}

/// The text of a reference to a name.
pub(super) fn name_ref(node: Option<ast::NameRef>) -> Option<String> {
    Some(folded(&node?.syntax().text().to_string()))
}
