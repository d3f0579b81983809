//! SQLite. It has no sessions and tells of no waits: there is the schema's version to be read, and no more.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use percent_encoding::percent_decode_str;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::lock_held::LockHeld;
use crate::server::{Dialect, Preflight, Server};

/// What we wait for a writer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A database, which may not be there yet.
#[derive(Debug)]
pub(crate) struct Sqlite {
    files: Vec<PathBuf>,
}

/// Where the file may be, by what follows the scheme. Of `sqlite:///shop.db` SQLAlchemy makes `shop.db`, all others
/// `/shop.db`.
pub(crate) fn files(rest: &str) -> Vec<PathBuf> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let path = percent_decode_str(path).decode_utf8_lossy();
    let below = rest.starts_with("///").then(|| path.strip_prefix('/')).flatten();
    [Some(&*path), below].into_iter().flatten().map(PathBuf::from).collect()
}

impl Server for Sqlite {
    type Address = Vec<PathBuf>;

    const DIALECT: Dialect = Dialect {
        columns: "select 'main', t.name, c.name from sqlite_schema t join pragma_table_info(t.name) c \
                  where t.type = 'table' and lower(t.name) in ({tables})",
        quote: '"',
    };

    const NO_SESSION_REASON: Option<&'static str> = None;

    const ENFORCES_LOCK_TIMEOUT: bool = true;

    async fn connect(files: &Vec<PathBuf>, _name: &str) -> Result<Self> {
        Ok(Self { files: files.clone() })
    }

    async fn try_lock(&self) -> Result<Option<LockHeld>> {
        bail!("--advisory-lock needs a server, and SQLite is none")
    }

    async fn preflight(&self, _lock_timeout: Option<Duration>) -> Result<Preflight> {
        Ok(Preflight::default())
    }

    /// Opened for each statement: between two, the file may be replaced. Never made.
    async fn text_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let Some(file) = self.files.iter().find(|file| file.exists()) else { return Ok(Vec::new()) };
        let failed = || format!("cannot read {}", file.display());
        let connection =
            Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(failed)?;
        connection.busy_timeout(PATIENCE)?;
        let mut statement = connection.prepare(sql).with_context(failed)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| Ok(text(row.get_ref(at)?))).collect());
        rows.and_then(Iterator::collect).with_context(failed)
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
    fn every_tool_s_way_to_name_a_file_is_read() {
        for (rest, paths) in [
            ("shop.db", &["shop.db"][..]),
            ("//data/shop.db?mode=rwc", &["data/shop.db"]),
            ("///shop%20a.db", &["/shop a.db", "shop a.db"]),
            ("////srv/shop.db", &["//srv/shop.db", "/srv/shop.db"]),
            ("/srv/shop.db", &["/srv/shop.db"]),
        ] {
            assert_eq!(files(rest), paths.iter().map(PathBuf::from).collect::<Vec<_>>(), "{rest}");
        }
    }
}
