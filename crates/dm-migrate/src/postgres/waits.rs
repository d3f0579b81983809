//! The waits that the lock timeout may end: facts about one, and its cancellation, which checks all of them again.

use std::time::Duration;

use anyhow::Result;
use tokio_postgres::types::Type;

use super::Postgres;
use crate::server::{LockRequest, WaitFacts};

/// One wait of a session of the migration: `$1` is the pid, `$2` identifies the wait, `$3` are the tables of migration
/// tools, and `$4` the transactions that were seen between two statements.
const WAIT: &str = "from pg_locks l join pg_stat_get_activity(null) a using (pid) \
    where l.pid = $1::int8 and not l.granted \
    and coalesce(to_jsonb(l) ->> 'waitstart', a.query_start::text) = $2";

/// Whether others can wait behind this wait: not behind one for old snapshots, as an index that is built concurrently
/// has. Locks of an application have no queue that others have to pass.
const IS_HARMLESS: &str = "l.locktype in ('virtualxid', 'advisory')";

/// Whether the statement is made to wait without blocking others; unknown for a hidden statement.
const IS_CONCURRENT: &str = r"coalesce(a.state is null or a.query ~* '\mconcurrently\M', true)";

/// Whether the wait is for another migration: of dm-migrate, or of a tool that writes its version table.
const IS_FOR_MIGRATION: &str = "(l.relation = any ($3) or exists ( \
    select from unnest(pg_blocking_pids(l.pid)) b (pid) \
    where exists (select from pg_stat_get_activity(b.pid) o where o.application_name ~ 'dm-migrate:') \
    or exists (select from pg_locks h where h.pid = b.pid and h.granted and h.relation = any ($3) \
        and h.mode not in ('AccessShareLock', 'RowShareLock'))))";

/// Whether the statement is in a transaction block: the transaction is older than the statement, or was seen between two
/// statements. A driver's messages for one statement are microseconds apart, and each counts as its start.
const IN_TRANSACTION: &str = "coalesce(a.xact_start + interval '500 microseconds' < a.query_start \
    or a.pid || ' ' || a.xact_start = any ($4), false)";

/// The facts about a wait; `None` if it is over.
pub(super) async fn facts(database: &Postgres, request: &LockRequest) -> Result<Option<WaitFacts>> {
    let sql = format!(
        "select case when {IS_HARMLESS} then 1 when {IS_CONCURRENT} then 2 when {IS_FOR_MIGRATION} then 3 else 0 end, \
             {IN_TRANSACTION} {WAIT}"
    );
    let (tables, transactions) = (database.version_tables().await?, database.transactions());
    let rows = database
        .watch
        .rows(
            &sql,
            &[
                (&request.pid, Type::INT8),
                (&request.id, Type::TEXT),
                (tables, Type::OID_ARRAY),
                (&transactions, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let exemption = match row.try_get::<_, i32>(0)? {
        1 => Some("nobody waits behind a wait of this kind"),
        2 => Some("its statement is CONCURRENTLY, or hidden from the monitor"),
        3 => Some("it waits for another migration"),
        _ => None,
    };
    Ok(Some(WaitFacts { exemption, in_transaction: row.try_get(1)? }))
}

/// Cancels the statement if this wait still is there, has lasted for `limit`, and is not exempt.
pub(super) async fn cancel(
    database: &Postgres,
    request: &LockRequest,
    limit: Duration,
    must_be_in_transaction: bool,
) -> Result<bool> {
    let sql = format!(
        "select pg_cancel_backend(l.pid) {WAIT} \
         and coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start) <= clock_timestamp() - $5 * interval '1 second' \
         and not {IS_HARMLESS} and not {IS_CONCURRENT} and not {IS_FOR_MIGRATION} and (not $6 or {IN_TRANSACTION})"
    );
    let (tables, transactions) = (database.version_tables().await?, database.transactions());
    let limit = limit.as_secs_f64();
    let rows = database
        .watch
        .rows(
            &sql,
            &[
                (&request.pid, Type::INT8),
                (&request.id, Type::TEXT),
                (tables, Type::OID_ARRAY),
                (&transactions, Type::TEXT_ARRAY),
                (&limit, Type::FLOAT8),
                (&must_be_in_transaction, Type::BOOL),
            ],
        )
        .await?;
    Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
}
