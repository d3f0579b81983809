//! Judges the statements of a script in their order: what one does can make another one unsafe, or safe.

use squawk_syntax::SyntaxKind;
use squawk_syntax::ast::{AstNode, Stmt};

use super::input::Script;
use super::judge;
use super::judgement::{Effect, Judgement, Target, Work};
use super::known::Known;
use super::lock_mode::LockMode;
use super::migration_file::Transaction;
use super::relation::Relation;
use super::rule::Rule;
use super::statement::Statement;
use super::tree;

/// The comment that accepts findings: `-- dm-migrate: allow drop-column, drop-index`.
const ALLOW: &str = "dm-migrate: allow ";

/// A statement and what is known about it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) judgement: Judgement,
    /// The rules whose findings a comment accepts.
    pub(crate) allowed: Vec<&'static str>,
}

/// The transaction that a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    /// None: each statement is on its own.
    None,
    /// One that the script or the migration tool begins.
    Known,
    /// One that most migration tools begin.
    Assumed,
}

/// A lock that an earlier statement of the transaction holds.
#[derive(Debug, Clone)]
struct Held {
    relation: Relation,
    mode: LockMode,
    line: usize,
}

/// What earlier statements of the script have set.
#[derive(Debug)]
struct State {
    /// Outside of the script's own transactions.
    outside: Block,
    block: Block,
    held: Vec<Held>,
    /// Whether `lock_timeout` is set for the session, and for the transaction.
    has_timeout: bool,
    has_local_timeout: bool,
    is_timeout_reported: bool,
    is_alone: bool,
}

/// Judges a script. `has_timeout`: whether a lock timeout is set from outside.
pub(crate) fn judge_script(
    script: &Script,
    statements: Vec<Statement>,
    known: &mut Known<'_>,
    has_timeout: bool,
) -> Vec<Judged> {
    known.begin_script(statements.iter().filter_map(created_object).collect());
    let begins = statements.iter().any(|statement| matches!(statement.parsed, Ok(Stmt::Begin(_))));
    let outside = match script.transaction {
        Transaction::Yes => Block::Known,
        Transaction::No => Block::None,
        Transaction::Assumed if begins => Block::None,
        Transaction::Assumed => Block::Assumed,
    };
    let mut state = State {
        outside,
        block: outside,
        held: Vec::new(),
        has_timeout,
        has_local_timeout: false,
        is_timeout_reported: false,
        is_alone: statements.len() == 1,
    };
    statements.into_iter().map(|statement| state.judge(statement, known)).collect()
}

/// The function, type or sequence that a statement creates.
fn created_object(statement: &Statement) -> Option<Relation> {
    match statement.parsed.as_ref().ok()? {
        Stmt::CreateFunction(created) => Relation::of_path(created.path()),
        Stmt::CreateProcedure(created) => Relation::of_path(created.path()),
        Stmt::CreateType(created) => Relation::of_path(created.path()),
        Stmt::CreateSequence(created) => Relation::of_path(created.path()),
        _ => None,
    }
}

impl State {
    fn judge(&mut self, statement: Statement, known: &mut Known<'_>) -> Judged {
        let Statement { line, text, comments, parsed } = statement;
        let mut judgement = match &parsed {
            Ok(statement) => judge::judge(statement, known),
            Err(reason) => Judgement::unknown(reason.clone()),
        };
        forget_new(&mut judgement, known);
        if let Ok(statement) = &parsed {
            self.transact(statement);
            self.set_timeout(statement);
            forget_created(statement, known);
        }
        self.check_block(&mut judgement);
        self.check_held(&mut judgement, line);
        self.check_timeout(&mut judgement);
        let allowed = allowed(&comments, &judgement);
        judgement.findings.retain(|finding| !allowed.contains(&finding.rule.about().id));
        if self.block == Block::None {
            self.held.clear();
        }
        Judged { line, text, judgement, allowed }
    }

    /// Follows the transactions of the script.
    fn transact(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Begin(_) => self.block = Block::Known,
            Stmt::Commit(_) | Stmt::PrepareTransaction(_) => self.end(),
            Stmt::Rollback(back) if !tree::has_token(back.syntax(), SyntaxKind::TO_KW) => self.end(),
            _ => {}
        }
    }

    fn end(&mut self) {
        self.block = self.outside;
        self.held.clear();
        self.has_local_timeout = false;
    }

    /// Follows the settings of the script.
    fn set_timeout(&mut self, statement: &Stmt) {
        let text = tree::text(statement.syntax()).to_lowercase();
        let is_off = || {
            let value = text.rsplit(['=', ' ', ',']).find(|word| !word.is_empty()).unwrap_or_default();
            let value = value.trim_matches(['\'', ')']);
            value == "default" || value.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse() == Ok(0)
        };
        match statement {
            Stmt::Set(set) if text.contains("lock_timeout") => {
                let is_set = !is_off();
                if set.local_token().is_none() {
                    self.has_timeout = is_set;
                    self.has_local_timeout = false;
                } else if self.block != Block::None {
                    self.has_local_timeout = is_set;
                }
            }
            Stmt::Select(_) if text.starts_with("select set_config('lock_timeout'") => {
                self.has_timeout = true;
            }
            Stmt::Reset(_) | Stmt::Discard(_) if text.contains("lock_timeout") || text.ends_with(" all") => {
                self.has_timeout = false;
            }
            _ => {}
        }
    }

    /// A statement that the server refuses in a transaction.
    fn check_block(&self, judgement: &mut Judgement) {
        if !judgement.needs_no_transaction {
            return;
        }
        match self.block {
            Block::Known => judgement.find(Rule::Concurrently, None, "it is in a transaction, so the server refuses it"),
            Block::Assumed if !self.is_alone => judgement.find(
                Rule::Concurrently,
                None,
                "most migration tools run a file with several statements in one transaction, in which the server refuses \
                 it; if yours does not, as psql without -1, check it with --autocommit",
            ),
            Block::Assumed | Block::None => {}
        }
    }

    /// Locks of earlier statements in the same transaction.
    fn check_held(&mut self, judgement: &mut Judgement, line: usize) {
        let blocking: Vec<&Effect> =
            judgement.effects.iter().filter(|effect| effect.mode.blocks_application()).collect();
        if let Some(held) = self.held.first() {
            let works = judgement.effects.iter().find(|effect| effect.work != Work::None);
            let other = blocking
                .iter()
                .find(|effect| self.held.iter().all(|held| held.relation != *effect.target.named()));
            let what = match (works, other) {
                (Some(effect), _) => Some(format!("this one works through {}", effect.target.named())),
                (None, Some(effect)) => {
                    Some(format!("this one waits for a lock on {}", effect.target.named()))
                }
                (None, None) if judgement.changes_rows => Some("this one changes rows".to_owned()),
                (None, None) => None,
            };
            if let Some(what) = what {
                let assumed = if self.block == Block::Assumed {
                    ", if the tool runs the file in one transaction, as most do (if not: --autocommit)"
                } else {
                    ""
                };
                let because = format!(
                    "the statement in line {} keeps its {} on {}, which blocks {}, while {what}{assumed}",
                    held.line,
                    held.mode.name(),
                    held.relation,
                    held.mode.blocks()
                );
                judgement.find(Rule::SeveralInTransaction, None, because);
            }
        }
        if self.block != Block::None {
            let new = judgement.effects.iter().filter(|effect| effect.mode.blocks_application());
            let new =
                new.map(|effect| Held { relation: effect.target.named().clone(), mode: effect.mode, line });
            self.held.extend(new);
        }
    }

    /// The first lock for which others wait, without a limit.
    fn check_timeout(&mut self, judgement: &mut Judgement) {
        if self.has_timeout || self.has_local_timeout || self.is_timeout_reported {
            return;
        }
        let first = judgement.effects.iter().find(|effect| effect.mode.blocks_application());
        if let Some(Effect { target, mode, .. }) = first {
            self.is_timeout_reported = true;
            let table = match target {
                Target::Relation(table) => table.to_string(),
                Target::TableOf(index) => format!("the table of {index}"),
            };
            let because = format!(
                "while it waits for its lock on {table}, {} wait behind it, without a limit",
                if *mode == LockMode::AccessExclusive { "all reads and writes" } else { "all writes" }
            );
            judgement.find(Rule::NoLockTimeout, None, because);
        }
    }
}

/// What the script has created may be dropped or rolled back, or be found under another name.
fn forget_created(statement: &Stmt, known: &mut Known<'_>) {
    let node = statement.syntax();
    match statement {
        Stmt::DropTable(_) | Stmt::DropMaterializedView(_) => {
            for relation in tree::paths(node) {
                known.drop(&relation);
            }
        }
        Stmt::Rollback(_) | Stmt::DropSchema(_) | Stmt::Discard(_) => known.forget(),
        Stmt::Set(_) | Stmt::Reset(_) | Stmt::Select(_)
            if tree::text(node).to_lowercase().contains("search_path") =>
        {
            known.forget();
        }
        _ => {}
    }
}

/// Nobody waits for a lock on a table that is new, and it has no rows.
fn forget_new(judgement: &mut Judgement, known: &Known<'_>) {
    judgement.effects.retain(|effect| !known.is_new(effect.target.named()));
    judgement.findings.retain(|finding| !finding.about.as_ref().is_some_and(|about| known.is_new(about)));
}

/// The rules among the findings that a comment accepts.
fn allowed(comments: &[String], judgement: &Judgement) -> Vec<&'static str> {
    let named = comments.iter().filter_map(|comment| comment.split_once(ALLOW));
    let named: Vec<&str> = named.flat_map(|(_, names)| names.split([',', ' ', '\n', '*'])).collect();
    let ids = judgement.findings.iter().map(|finding| finding.rule.about().id);
    ids.filter(|id| named.contains(id)).collect()
}

#[cfg(test)]
mod tests;
