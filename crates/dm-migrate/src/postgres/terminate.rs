//! Terminates a session that blocks the migration, but never one of a superuser, a replication or a process of the server.

use anyhow::Result;
use tokio_postgres::types::Type;

use super::Postgres;
use super::connection::Values;
use crate::server::{Blocker, TerminateRules};

/// Terminates the blocker, and returns whether it did. The statement checks all conditions again, because they may have
/// changed since the poll.
pub(super) async fn terminate(
    database: &Postgres,
    blocker: &Blocker,
    rules: &TerminateRules,
) -> Result<bool> {
    let sql = "select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_roles r on r.oid = a.usesysid \
         where a.pid = $1::int8 and a.backend_start = $2::text::timestamptz and a.backend_type = 'client backend' \
         and a.state = $3 and a.state_change <= clock_timestamp() - $4 * interval '1 second' \
         and not r.rolsuper and not r.rolreplication and exists (select from unnest($5) m (pid) \
             where a.pid = any (pg_blocking_pids(m.pid))) and a.application_name !~ 'dm-migrate:'";
    let age = rules.min_age.as_secs_f64();
    let started = blocker.backend_start.as_deref().unwrap_or_default();
    let pids = database.pids();
    let values: &Values<'_> = &[
        (&blocker.pid, Type::INT8),
        (&started, Type::TEXT),
        (&rules.state, Type::TEXT),
        (&age, Type::FLOAT8),
        (&pids, Type::INT4_ARRAY),
    ];
    let rows = database.watch.rows(sql, values).await?;
    Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
}
