//! SQLite. It has no sessions and does not report waits: the monitor only reads the schema's version.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::lock_held::LockHeld;
use crate::server::{Dialect, Preflight, Server};

/// How long to wait for a writer.
const BUSY_LIMIT: Duration = Duration::from_secs(1);

/// The first bytes of a database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// A database file, which may not exist yet.
#[derive(Debug)]
pub(crate) struct Sqlite {
    candidates: Vec<PathBuf>,
}

/// The candidate paths, from the part of a URL after its scheme: for SQLAlchemy, `sqlite:///shop.db` means `shop.db`, for
/// all other tools `/shop.db`.
pub(crate) fn candidate_paths(rest: &str) -> Vec<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = percent_decode_str(path).decode_utf8_lossy();
    let relative = rest.starts_with("///").then(|| path.strip_prefix('/')).flatten();
    [Some(&*path), relative].into_iter().flatten().map(PathBuf::from).collect()
}

/// Whether the path after `file:` is that of a database, and not of a file that contains a URL: it has the content of one, or
/// a name as only a database has.
pub(crate) fn is_database(path: &Path) -> bool {
    let mut start = Vec::new();
    let opened = File::open(path).map(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start));
    let has_name =
        path.extension().is_some_and(|name| ["db", "db3", "sqlite", "sqlite3"].iter().any(|it| name == *it));
    start == MAGIC || (opened.is_err() || start.is_empty()) && has_name
}

/// The candidate paths of Prisma's `file:PATH`, which is relative to the folder of its schema.
pub(crate) fn file_paths(rest: &str) -> Vec<PathBuf> {
    let path = PathBuf::from(rest.split_once('?').map_or(rest, |(path, _)| path));
    vec![path.clone(), Path::new("prisma").join(path)]
}

impl Server for Sqlite {
    type Address = Vec<PathBuf>;

    const DIALECT: Dialect = Dialect {
        columns: "select 'main', t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c \
                  where t.type = 'table' and lower(t.name) in ({tables})",
        quote: '"',
    };

    const HAS_SESSIONS: bool = false;

    async fn connect(candidates: &Vec<PathBuf>, _name: &str) -> Result<Self> {
        Ok(Self { candidates: candidates.clone() })
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        bail!("--advisory-lock needs a database server, which SQLite is not")
    }

    async fn preflight(&self) -> Result<Preflight> {
        Ok(Preflight::default())
    }

    async fn catalogue(&self) -> Result<Option<String>> {
        // A file that does not exist has no tables either.
        let rows = self.text_rows("pragma schema_version").await?;
        Ok(Some(rows.into_iter().flatten().next().flatten().unwrap_or_else(|| "0".to_owned())))
    }

    /// Opens the file for each statement, because it may be replaced in between. Never creates it.
    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let Some(file) = self.candidates.iter().find(|file| file.exists()) else { return Ok(Vec::new()) };
        let describe_error = || format!("cannot read {}", file.display());
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(describe_error)?;
        connection.busy_timeout(BUSY_LIMIT)?;
        let mut statement = connection.prepare(sql).with_context(describe_error)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| Ok(text(row.get_ref(at)?))).collect());
        rows.and_then(Iterator::collect).with_context(describe_error)
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_formats_of_all_tools_are_accepted() {
        for (rest, paths) in [
            ("shop.db", &["shop.db"][..]),
            ("//data/shop.db?mode=rwc", &["data/shop.db"]),
            ("///shop%20a.db", &["/shop a.db", "shop a.db"]),
            ("////srv/shop.db", &["//srv/shop.db", "/srv/shop.db"]),
            ("/srv/shop.db", &["/srv/shop.db"]),
        ] {
            assert_eq!(candidate_paths(rest), paths.iter().map(PathBuf::from).collect::<Vec<_>>(), "{rest}");
        }
    }
}
