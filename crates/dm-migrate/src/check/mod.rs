//! `--check`: says before a migration runs which statement takes which lock on which table, what it does while it holds it,
//! what is unsafe, and what to do instead. Nothing runs, and nothing is recorded.
//!
//! The SQL is parsed by the parser of squawk, a linter for migrations:
//!
//! | parser | why, why not |
//! | --- | --- |
//! | `squawk-syntax` | the grammar of PostgreSQL alone, in Rust, with a tree that has every keyword; it is tested against `pg_query`. It read all of 99 kinds of statements of migrations |
//! | `sqlparser` | many dialects, in Rust; of the same 99 it did not read 19, among them `REINDEX`, `CLUSTER`, `DROP INDEX CONCURRENTLY`, `SET TABLESPACE`, and `DO` |
//! | `pg_query`, `pg_parse` | the server's own parser, but they need libclang at build time, which neither a plain Rust installation nor the builds for musl have |
//!
//! It is more lenient than the server: what it reads may still be wrong SQL, which the server rejects without damage. What
//! it does not read, and every kind of statement about which `judge` says nothing, is reported as not judged.
//!
//! The locks and the work are claims about PostgreSQL 14 and later. A test measures them on a real server.

mod args;
mod column_type;
pub(crate) mod facts;
mod input;
mod judge;
mod judgement;
mod known;
mod lock_mode;
mod migration_file;
mod names;
mod relation;
mod report;
mod rule;
mod script;
mod statement;
mod token;
mod tree;
mod volatility;

use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use common::cli::warn;
use common::exit::Exit;
use common::output;

use crate::args::TOOL;
use crate::postgres;
use crate::schema::{SchemaVersions, VersionTable};
pub(crate) use args::{CheckArgs, Format};
use facts::{Facts, Names};
use input::Script;
use known::Known;
use migration_file::Transaction;
pub(crate) use relation::Relation;
use report::{Report, StatementReport};
use statement::Statement;

/// The stack of the thread that parses: the parser is recursive.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// The oldest major version of PostgreSQL for which the claims hold.
const OLDEST_MAJOR: u32 = 14;

/// What to check, and with which knowledge.
#[derive(Debug)]
pub struct Check {
    pub(crate) source: PathBuf,
    /// The database, or why its address cannot be used.
    pub(crate) database: Option<Result<postgres::address::Address>>,
    /// Whether a database that cannot be asked is an error.
    pub(crate) is_database_required: bool,
    pub(crate) version_table: Option<VersionTable>,
    pub(crate) autocommit: bool,
    /// Whether the migration will run with a lock timeout.
    pub(crate) has_lock_timeout: bool,
    pub(crate) format: Format,
}

/// What the database says.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    pub(crate) facts: Facts,
    pub(crate) versions: SchemaVersions,
    /// The major version of the server.
    pub(crate) major: u32,
}

/// Checks and prints the report.
///
/// # Errors
/// The SQL cannot be read, or a required database cannot be asked.
pub(crate) fn run(check: Check) -> Result<Exit> {
    let work = move || check_all(check);
    let thread = thread::Builder::new().name("check".to_owned()).stack_size(STACK_BYTES).spawn(work);
    let report =
        thread.context("cannot start a thread")?.join().map_err(|_| anyhow!("the check did not end"))??;
    Ok(report)
}

fn check_all(check: Check) -> Result<Exit> {
    let mut scripts = input::read(&check.source)?;
    if check.autocommit {
        for script in &mut scripts {
            script.transaction = Transaction::No;
        }
    }
    let mut parsed: Vec<(Script, Vec<Statement>)> = Vec::new();
    let mut names = Names::default();
    for script in scripts {
        let statements = statement::split(&script.sql);
        names::collect(&statements, &mut names);
        parsed.push((script, statements));
    }
    let mut notes = Vec::new();
    let knowledge = match check.database {
        None => {
            notes.push("sizes and types are unknown: no database is given".to_owned());
            None
        }
        Some(address) => match address
            .and_then(|address| postgres::knowledge(&address, &names, check.version_table.as_ref()))
        {
            Ok(knowledge) => Some(knowledge),
            Err(error) if check.is_database_required => {
                return Err(error.context("the database cannot be asked"));
            }
            Err(error) => {
                warn(TOOL.name, &[format!("the database cannot be asked: {error:#}")]);
                notes.push("sizes and types are unknown: the database cannot be asked".to_owned());
                None
            }
        },
    };
    let is_too_old = knowledge.as_ref().is_some_and(|knowledge| knowledge.major < OLDEST_MAJOR);
    let Knowledge { facts, versions, .. } = knowledge.unwrap_or_default();
    let all = parsed.len();
    parsed.retain(|(script, _)| script.ids.is_empty() || versions.contains(&script.ids) != Some(true));
    let skipped = all - parsed.len();
    let mut known = Known::new(&facts);
    let mut statements = Vec::new();
    for (script, parsed) in parsed {
        let name = script.name.clone();
        for mut judged in script::judge_script(&script, parsed, &mut known, check.has_lock_timeout) {
            if is_too_old {
                let reason =
                    format!("the server is older than PostgreSQL {OLDEST_MAJOR}, for which the rules are");
                judged.judgement.unknown.push(reason);
            }
            statements.push(StatementReport::new(&name, judged, &facts));
        }
    }
    let report = Report::new(statements, skipped, notes);
    let text = match check.format {
        Format::Human => report.human(),
        Format::Json => serde_json::to_string_pretty(&report).context("cannot write the report")? + "\n",
    };
    output::print(&text).context("cannot write the report")?;
    Ok(report.exit())
}
