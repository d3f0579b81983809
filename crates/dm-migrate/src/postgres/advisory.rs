//! One migration at a time: an advisory lock of the monitor's session, which the server frees when that ends, however
//! it ends.

use anyhow::Result;
use tokio_postgres::types::Type;

use super::Postgres;
use crate::lock_held::LockHeld;

/// The lock's number, the same for all; each database has its own set. It spells "dm-migra".
const KEY: i64 = 0x646d_2d6d_6967_7261;

/// Takes the lock; does not wait.
pub(super) async fn try_take(database: &Postgres) -> Result<Option<LockHeld>> {
    let got = database.rows("select pg_try_advisory_lock($1)", &[(&KEY, Type::INT8)]).await?;
    if got.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(None);
    }
    let sql = "select 'pid ' || a.pid || ', user ' || coalesce(a.usename::text, '') || ', since ' || a.backend_start \
         from pg_locks l join pg_stat_activity a using (pid) \
         where l.locktype = 'advisory' and l.granted and l.database = \
             (select oid from pg_database where datname = current_database()) \
         and (l.classid::int8 << 32) | l.objid::int8 = $1 limit 1";
    let who = database.rows(sql, &[(&KEY, Type::INT8)]).await?;
    Ok(Some(LockHeld { holder: who.first().and_then(|row| row.try_get(0).ok()) }))
}
