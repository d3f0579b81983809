//! The advisory lock that allows one migration at a time. A session of the monitor holds it, and the server releases it
//! when that session ends for any reason.

use anyhow::Result;
use tokio_postgres::types::Type;

use super::connection::Connection;
use crate::lock_held::LockHeld;

/// The key of the lock: "dm-migra" in ASCII. Each database has its own keys.
const KEY: i64 = 0x646d_2d6d_6967_7261;

/// Tries to take the lock, without waiting. Returns its holder if another session has it.
pub(super) async fn try_take(connection: &Connection) -> Result<Option<LockHeld>> {
    let rows = connection.rows("select pg_try_advisory_lock($1)", &[(&KEY, Type::INT8)]).await?;
    if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
        return Ok(None);
    }
    let sql = "select 'pid ' || a.pid || ', user ' || coalesce(a.usename::text, '') || ', since ' || a.backend_start \
         from pg_locks l join pg_stat_activity a using (pid) \
         where l.locktype = 'advisory' and l.granted and l.database = \
             (select oid from pg_database where datname = current_database()) \
         and (l.classid::int8 << 32) | l.objid::int8 = $1 limit 1";
    let holder = connection.rows(sql, &[(&KEY, Type::INT8)]).await?;
    Ok(Some(LockHeld { holder: holder.first().and_then(|row| row.try_get(0).ok()) }))
}
