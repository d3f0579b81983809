//! How many connections the server still accepts: the monitor never takes one that the migration may need.

use anyhow::Result;

use super::connection::Connection;

/// The connections that stay free beside those of the monitor.
const SPARE: i64 = 2;

/// The server has too few free connections.
#[derive(Debug, thiserror::Error)]
#[error(
    "only {free} more {} can be opened, and they are left to the migration: raise max_connections, or the \
     limit of the role or the database",
    if *.free == 1 { "connection" } else { "connections" }
)]
pub(super) struct TooFew {
    free: i64,
}

/// Checks that enough connections to `database` are free.
pub(super) async fn check(connection: &Connection, database: &str) -> Result<()> {
    // Every role may see the number of sessions, their roles and their databases.
    let sql = "select least( \
            current_setting('max_connections')::int8 - (select count(*) from s) - case when r.rolsuper then 0 else \
                current_setting('superuser_reserved_connections')::int8 \
                + coalesce(current_setting('reserved_connections', true), '0')::int8 end, \
            case when r.rolsuper or r.rolconnlimit < 0 then null \
                else r.rolconnlimit - (select count(*) from s where usesysid = r.oid) end, \
            (select case when r.rolsuper or d.datconnlimit < 0 then null \
                else d.datconnlimit - (select count(*) from s where datid = d.oid) end from d)) \
         from pg_roles r where r.rolname = current_user";
    let sql = format!(
        "with s as materialized (select usesysid, datid from pg_stat_get_activity(null) where usesysid is not null \
             and datid is not null), \
         d as (select oid, datconnlimit from pg_database where datname = $1) {sql}"
    );
    let rows = connection.rows(&sql, &[(&database, tokio_postgres::types::Type::TEXT)]).await?;
    let free: i64 = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(SPARE);
    if free < SPARE { Err(TooFew { free: free.max(0) }.into()) } else { Ok(()) }
}
