//! Reads the SQL: a file, a folder of migrations, or stdin.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::fs::bounded;

use super::migration_file::{self, Transaction};

/// The largest file, in bytes.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// The largest number of files in a folder.
const MAX_FILES: usize = 20_000;

/// How deep folders are nested: Prisma and Diesel have one for each migration.
const MAX_DEPTH: usize = 3;

/// The name of stdin on the command line, and its path.
const STDIN: (&str, &str) = ("-", "/dev/stdin");

/// A script to judge.
#[derive(Debug)]
pub(crate) struct Script {
    /// The name in the report.
    pub(crate) name: String,
    /// The names under which a migration tool may know it; empty for a script that is not in a folder.
    pub(crate) ids: Vec<String>,
    /// The SQL that is applied.
    pub(crate) sql: String,
    pub(crate) transaction: Transaction,
}

/// Reads what `source` names.
pub(crate) fn read(source: &Path) -> Result<Vec<Script>> {
    if source == Path::new(STDIN.0) {
        let text = read_text(Path::new(STDIN.1)).context("cannot read stdin")?;
        return Ok(vec![script("stdin".to_owned(), Vec::new(), &text)]);
    }
    let metadata = fs::metadata(source).with_context(|| format!("cannot read {}", source.display()))?;
    if !metadata.is_dir() {
        return Ok(vec![Script { ids: Vec::new(), ..read_file(source)? }]);
    }
    let mut files = Vec::new();
    collect(source, MAX_DEPTH, &mut files)?;
    if files.is_empty() {
        bail!(
            "{} contains no .sql file; migrations in another language have to be printed as SQL",
            source.display()
        );
    }
    files.sort();
    files.iter().map(|file| read_file(file)).collect()
}

fn read_file(file: &Path) -> Result<Script> {
    let text = read_text(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut script = script(file.display().to_string(), ids(file), &text);
    if has_no_transaction(file) {
        script.transaction = Transaction::No;
    }
    Ok(script)
}

/// Whether a file next to this one says that it is not in a transaction.
fn has_no_transaction(file: &Path) -> bool {
    migration_file::OPTIONS.iter().any(|(name, line)| {
        let options = match name.strip_prefix('.') {
            Some(_) => PathBuf::from(format!("{}{name}", file.display())),
            None => file.with_file_name(name),
        };
        read_text(&options).is_ok_and(|text| migration_file::has_option(&text, line))
    })
}

fn read_text(file: &Path) -> std::io::Result<String> {
    bounded::read_text(file, MAX_FILE)
}

fn script(name: String, ids: Vec<String>, text: &str) -> Script {
    // Some editors begin a file with a byte order mark.
    let (sql, transaction) = migration_file::applied(text.strip_prefix('\u{feff}').unwrap_or(text));
    Script { name, ids, sql, transaction }
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

/// Adds the files of a folder that apply something.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let (path, kind) =
            (entry.path(), entry.file_type().with_context(|| format!("cannot read {}", folder.display()))?);
        let name = entry.file_name().to_string_lossy().to_lowercase();
        // Sqitch has folders of scripts that undo and that verify others.
        let is_other = matches!(&*name, "revert" | "verify") && folder.join("deploy").is_dir();
        if kind.is_dir() && depth > 0 && !name.starts_with('.') && !is_other {
            collect(&path, depth - 1, files)?;
        } else if !kind.is_dir() && is_sql(&path) && !migration_file::is_undo(&name) {
            files.push(path);
        }
        if files.len() > MAX_FILES {
            bail!("{} contains more than {MAX_FILES} files", folder.display());
        }
    }
    Ok(())
}

/// How migration tools name the migration in this file: by its name, its folder, or the number at its beginning.
fn ids(file: &Path) -> Vec<String> {
    let name = |path: Option<&std::ffi::OsStr>| path.map(|name| name.to_string_lossy().into_owned());
    let stem = name(file.file_stem()).unwrap_or_default();
    let stem = stem.strip_suffix(".up").unwrap_or(&stem).to_owned();
    // Prisma and Diesel name the folder.
    let stem = match &*stem {
        "migration" | "up" => name(file.parent().and_then(Path::file_name)).unwrap_or(stem),
        _ => stem,
    };
    let digits: String = stem
        .trim_start_matches(['V', 'v'])
        .chars()
        .take_while(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
        .filter(|c| *c != '-')
        .collect();
    let digits = digits.trim_end_matches('.').to_owned();
    let number = digits.trim_start_matches('0').to_owned();
    let mut ids = vec![stem, digits, number];
    ids.retain(|id| !id.is_empty());
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_next_to_a_migration_turn_its_transaction_off() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            common::fs::atomic::write(&file, text.as_bytes()).unwrap();
        };
        for (name, text) in [
            ("flyway/V1__a.sql", "select 1"),
            ("flyway/V1__a.sql.conf", "executeInTransaction = false\n"),
            ("flyway/V2__b.sql", "select 2"),
            ("diesel/1_a/up.sql", "select 3"),
            ("diesel/1_a/metadata.toml", "run_in_transaction = false\n"),
            ("sqitch/deploy/a.sql", "select 4"),
            ("sqitch/revert/a.sql", "select 5"),
            ("sqitch/verify/a.sql", "select 6"),
        ] {
            write(name, text);
        }
        let found: Vec<_> =
            read(folder.path()).unwrap().into_iter().map(|script| (script.sql, script.transaction)).collect();
        let expected = [
            ("select 3", Transaction::No),
            ("select 1", Transaction::No),
            ("select 2", Transaction::Assumed),
            ("select 4", Transaction::Assumed),
        ];
        assert_eq!(found, expected.map(|(sql, transaction)| (sql.to_owned(), transaction)));
    }

    #[test]
    fn a_file_has_the_names_that_migration_tools_give_it() {
        for (file, id) in [
            ("db/migrations/20240101000001_one.sql", "20240101000001"),
            ("migrations/0003_note.up.sql", "3"),
            ("prisma/migrations/20240101_init/migration.sql", "20240101_init"),
            ("migrations/2024-01-01-000001_one/up.sql", "20240101000001"),
            ("sql/V1.2__note.sql", "1.2"),
            ("migrations/1700000000_note.sql", "1700000000_note"),
        ] {
            assert!(ids(Path::new(file)).iter().any(|one| one == id), "{file}: {:?}", ids(Path::new(file)));
        }
    }
}
