//! The SQLite database of orders, and its migrations.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::Connection;

use crate::orders::Order;

/// The migrations in order: number, name and SQL. Each runs in its own transaction.
const MIGRATIONS: [(u32, &str, &str); 2] = [
    (1, "0001_orders", include_str!("../migrations/0001_orders.sql")),
    (2, "0002_paid", include_str!("../migrations/0002_paid.sql")),
];

/// Applies the pending migrations up to number `to`, and prints their names.
pub(crate) fn migrate(path: &Path, to: Option<u32>) -> Result<()> {
    let mut connection =
        Connection::open(path).with_context(|| format!("cannot open the database {}", path.display()))?;
    connection.execute_batch("CREATE TABLE IF NOT EXISTS schema_migrations (version TEXT PRIMARY KEY)")?;
    let mut applied = 0;
    for (number, name, sql) in MIGRATIONS {
        let count_applied = "SELECT count(*) FROM schema_migrations WHERE version = ?1";
        let applied_rows: i64 = connection.query_row(count_applied, [name], |row| row.get(0))?;
        if applied_rows > 0 || to.is_some_and(|to| number > to) {
            continue;
        }
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql).with_context(|| format!("migration {name} failed"))?;
        transaction.execute("INSERT INTO schema_migrations (version) VALUES (?1)", [name])?;
        transaction.commit()?;
        println(&format!("applied {name}"));
        applied += 1;
    }
    if applied == 0 {
        println("nothing to migrate");
    }
    Ok(())
}

/// All orders; an empty list if the database has not been migrated yet.
pub(crate) fn orders(path: &Path) -> Result<Vec<Order>> {
    let connection = Connection::open(path)?;
    let is_migrated: bool = connection.query_row(
        "SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'orders'",
        [],
        |row| row.get(0),
    )?;
    if !is_migrated {
        return Ok(Vec::new());
    }
    let mut query = connection.prepare("SELECT id, item, cents FROM orders ORDER BY id")?;
    let rows =
        query.query_map([], |row| Ok(Order { id: row.get(0)?, item: row.get(1)?, cents: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[expect(clippy::print_stdout, reason = "a migration tool reports its work on stdout")]
fn println(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_applied_once_and_orders_survive_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        assert_eq!(orders(&path).unwrap().len(), 0);
        for to in [Some(1), Some(1), None, None] {
            migrate(&path, to).unwrap();
            assert_eq!(orders(&path).unwrap().len(), 3);
        }
    }
}
