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
        let text = read_text(source).with_context(|| format!("cannot read {}", source.display()))?;
        return Ok(vec![script(source.display().to_string(), Vec::new(), &text)]);
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
    let read = |file: &PathBuf| {
        let text = read_text(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(script(file.display().to_string(), ids(file), &text))
    };
    files.iter().map(read).collect()
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
        if kind.is_dir() && depth > 0 && !name.starts_with('.') {
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
