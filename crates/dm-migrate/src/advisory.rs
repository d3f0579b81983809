//! One migration at a time: an advisory lock of the monitor's session, which the server frees when that ends, however
//! it ends.

use std::fmt;

use anyhow::Result;
use tokio_postgres::types::Type;

use crate::database::Database;
use crate::mask::one_line;

/// The lock's number, the same for all; each database has its own set. It spells "dm-migra".
const KEY: i64 = 0x646d_2d6d_6967_7261;

/// Somebody else has the lock.
#[derive(Debug)]
pub struct Held(String);

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another dm-migrate changes this database: {}; try again when it has ended", self.0)
    }
}

impl std::error::Error for Held {}

/// Takes the lock; does not wait. [`Held`] where somebody has it.
pub async fn take(database: &Database) -> Result<()> {
    let got = database.rows("select pg_try_advisory_lock($1)", &[(&KEY, Type::INT8)]).await?;
    if got.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(());
    }
    let sql = "select 'pid ' || a.pid || ', user ' || coalesce(a.usename::text, '') || ', since ' || a.backend_start \
         from pg_locks l join pg_stat_activity a using (pid) \
         where l.locktype = 'advisory' and l.granted and l.database = \
             (select oid from pg_database where datname = current_database()) \
         and (l.classid::int8 << 32) | l.objid::int8 = $1 limit 1";
    let who = database.rows(sql, &[(&KEY, Type::INT8)]).await?;
    let who = who.first().and_then(|row| row.try_get::<_, String>(0).ok());
    Err(Held(who.map_or_else(|| "who is unknown".to_owned(), |who| one_line(&who))).into())
}
