//! The queries of a poll: the migration's sessions, their blockers, and the sessions that wait behind them.
//!
//! Every role may read `pg_locks` and `pg_blocking_pids`. States, statements and ages are NULL for a role that may not see
//! them, and become `None`.

use anyhow::{Context, Result};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::connection::{NAME as MONITOR_NAME, Values};
use super::{Postgres, lock, relation_names};
use crate::connections::Connections;
use crate::redact::{StringSyntax, redact_sql};
use crate::server::{ADVISORY_LOCK, Blocker, GiveWay, LockRequest, Session, Waiters, seconds};

/// Whether a session is that of a process of the migration, by its port.
const HAS_OWN_PORT: &str = "a.client_port = any ($4) and a.application_name <> $5 and a.client_addr = \
    (select m.client_addr from pg_stat_get_activity(pg_backend_pid()) m)";

/// The sessions of the migration, by their `application_name`, or by the ports of its processes.
pub(super) async fn find(database: &Postgres) -> Result<Vec<Session>> {
    let known: Vec<String> = lock(&database.known).sessions.iter().cloned().collect();
    // Once it has sessions, its processes need not be searched for their connections.
    let connections = if known.is_empty() && !database.ports.is_empty() {
        Connections::current(&database.ports)
    } else {
        Connections::default()
    };
    let ports: Vec<i32> = connections.ports.into_iter().map(i32::from).collect();
    let known_pids: Vec<i32> =
        known.iter().filter_map(|session| session.split_once(' ')?.0.parse().ok()).collect();
    let by_port = if ports.is_empty() { "false" } else { HAS_OWN_PORT };
    // The function behind pg_stat_activity: without the joins of the view, planning takes half the time, and this query is
    // frequent.
    let sql = format!(
        "select a.pid, a.backend_start::text, a.state, \
             case when a.state is not null then left(a.query, 1000) end, \
             extract(epoch from clock_timestamp() - a.query_start)::float8, \
             coalesce(a.wait_event_type = 'Lock', false), a.xact_start::text, \
             case when a.state = 'active' and a.query ~* '\\mdatabase\\M' then a.datid end \
         from pg_stat_get_activity(null) a \
         where a.pid <> pg_backend_pid() and (a.application_name = $1 or a.pid = any ($2) \
             and a.pid || ' ' || a.backend_start = any ($3) or {by_port}) order by a.pid"
    );
    let values: &Values<'_> = &[
        (&database.name, Type::TEXT),
        (&known_pids, Type::INT4_ARRAY),
        (&known, Type::TEXT_ARRAY),
        (&ports, Type::INT4_ARRAY),
        (&MONITOR_NAME, Type::TEXT),
    ];
    let rows = database.watch.rows(&sql, values).await?;
    let mut sessions = Vec::new();
    let mut works_in: Vec<u32> = Vec::new();
    for row in rows {
        works_in.extend(row.try_get::<_, Option<u32>>(7)?);
        lock(&database.known).add(&row)?;
        sessions.push(Session {
            pid: row.try_get::<_, i32>(0)?.into(),
            backend_start: row.try_get::<_, Option<String>>(1)?.unwrap_or_default(),
            state: row.try_get(2)?,
            query: redacted(row.try_get(3)?),
            running_for: row.try_get::<_, Option<f64>>(4)?.map(seconds),
            is_waiting: row.try_get(5)?,
        });
    }
    // For sessions whose state is hidden, pg_locks still shows whether they wait.
    if sessions.iter().any(|session| session.state.is_none()) {
        let waiting = database.watch.rows("select distinct pid from pg_locks where not granted", &[]).await?;
        let waiting: Vec<i32> = waiting.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_>>()?;
        for hidden in sessions.iter_mut().filter(|session| session.state.is_none()) {
            hidden.is_waiting = waiting.iter().any(|pid| i64::from(*pid) == hidden.pid);
        }
    }
    lock(&database.known).pids = sessions.iter().filter_map(|session| session.pid.try_into().ok()).collect();
    if !works_in.is_empty() && database.holds_connections().await {
        let sql =
            "select from pg_database where datname = $1 and exists (select from unnest($2) d where d <> oid)";
        let values: &Values<'_> = &[(&database.database, Type::TEXT), (&works_in, Type::OID_ARRAY)];
        if !database.watch.rows(sql, values).await?.is_empty() {
            return Err(GiveWay.into());
        }
    }
    Ok(sessions)
}

/// The locks that the migration's sessions wait for; the longest wait first.
pub(super) async fn lock_requests(database: &Postgres) -> Result<Vec<LockRequest>> {
    // The column `waitstart` is new in version 14. Read through JSON, its absence is no error.
    let sql = "select l.pid, l.mode, l.locktype, l.relation, \
             extract(epoch from clock_timestamp() - (to_jsonb(l) ->> 'waitstart')::timestamptz)::float8, \
             coalesce(to_jsonb(l) ->> 'waitstart', a.query_start::text, '') \
         from pg_locks l join pg_stat_get_activity(null) a using (pid) \
         where l.pid = any ($1) and not l.granted order by 5 desc nulls last";
    let rows = database.rows_for_migration(sql).await?;
    let relations: Vec<Option<u32>> = rows.iter().map(|row| Ok(row.try_get(3)?)).collect::<Result<_>>()?;
    relation_names::look_up(database, relations.iter().flatten().copied()).await;
    rows.iter()
        .zip(relations)
        .map(|(row, relation)| {
            let [mode, kind]: [String; 2] = [row.try_get(1)?, row.try_get(2)?];
            let lock = match relation {
                Some(relation) => format!("{mode} on {}", relation_names::name(database, relation)),
                None if kind == "advisory" => ADVISORY_LOCK.to_owned(),
                None => format!("{mode} on a {kind}"),
            };
            Ok(LockRequest {
                pid: row.try_get::<_, i32>(0)?.into(),
                lock,
                waiting_for: row.try_get::<_, Option<f64>>(4)?.map(seconds),
                id: row.try_get(5)?,
            })
        })
        .collect()
}

/// Common table expressions: the pids of the migration, and the edges of the wait graph.
const EDGES: &str = "mine as (select pid from unnest($1) m (pid)), \
    edge as (select w.pid as waiter, b.pid as blocker \
        from (select distinct pid from pg_locks where not granted) w \
        cross join lateral unnest(pg_blocking_pids(w.pid)) as b (pid))";

/// The sessions that the migration waits for, directly or through others; those that do not wait themselves first.
pub(super) async fn blockers(database: &Postgres) -> Result<Vec<Blocker>> {
    let sql = format!(
        "with recursive {EDGES}, up as ( \
             select waiter, blocker, 1 as depth from edge where waiter in (select pid from mine) \
             union select e.waiter, e.blocker, up.depth + 1 from edge e join up on e.waiter = up.blocker \
                 where up.depth < 10), \
         found as (select blocker as pid, min(depth) as depth, blocker not in (select waiter from edge) as is_root \
             from up where blocker not in (select pid from mine) group by blocker) \
         select f.pid, a.backend_start::text, a.usename::text, a.application_name, host(a.client_addr), a.state, \
             extract(epoch from clock_timestamp() - a.state_change)::float8, \
             extract(epoch from clock_timestamp() - a.xact_start)::float8, a.backend_type, \
             case when a.state is not null then left(a.query, 1000) end, \
             (select array_agg(distinct h.mode || ' ' || h.relation) from pg_locks h \
                 where h.pid = f.pid and h.granted and h.relation in \
                     (select l.relation from pg_locks l join up on l.pid = up.waiter where not l.granted)), \
             f.is_root \
         from found f left join pg_stat_activity a using (pid) order by f.is_root desc, f.depth, f.pid"
    );
    let rows = database.rows_for_migration(&sql).await?;
    let held: Vec<Vec<(String, u32)>> = rows.iter().map(held_locks).collect::<Result<_>>()?;
    relation_names::look_up(database, held.iter().flatten().map(|(_, relation)| *relation)).await;
    let describe =
        |(mode, relation): &(String, u32)| format!("{mode} on {}", relation_names::name(database, *relation));
    rows.iter()
        .zip(held)
        .map(|(row, held)| {
            let pid: i32 = row.try_get(0)?;
            Ok(Blocker {
                pid: pid.into(),
                is_certain: true,
                backend_start: row.try_get(1)?,
                user: row.try_get(2)?,
                application: row.try_get(3)?,
                client: row.try_get(4)?,
                state: row.try_get(5)?,
                in_state_for: row.try_get::<_, Option<f64>>(6)?.map(seconds),
                transaction_age: row.try_get::<_, Option<f64>>(7)?.map(seconds),
                kind: row.try_get(8)?,
                query: redacted(row.try_get(9)?),
                holds: (!held.is_empty()).then(|| held.iter().map(describe).collect::<Vec<_>>().join(", ")),
                is_root: row.try_get(11)?,
                // A prepared transaction has no process to end.
                end_statement: (pid > 0).then(|| format!("select pg_terminate_backend({pid});")),
            })
        })
        .collect()
}

/// The sessions that wait for the migration, directly or through others.
pub(super) async fn waiters(database: &Postgres) -> Result<Waiters> {
    let sql = format!(
        "with recursive {EDGES}, down as ( \
             select waiter from edge where blocker in (select pid from mine) \
             union select e.waiter from edge e join down d on e.blocker = d.waiter) \
         select count(distinct waiter), max(extract(epoch from clock_timestamp() \
             - (to_jsonb(l) ->> 'waitstart')::timestamptz))::float8 \
         from down left join pg_locks l on l.pid = waiter and not l.granted \
         where waiter not in (select pid from mine)"
    );
    let rows = database.rows_for_migration(&sql).await?;
    let row = rows.first().context("the server did not return the number of waiting sessions")?;
    let count: i64 = row.try_get(0)?;
    let longest = row.try_get::<_, Option<f64>>(1)?.map(seconds);
    Ok(Waiters { count: Some(count.unsigned_abs()), longest })
}

/// The locks that a blocker holds on the objects that the migration needs: mode and relation.
fn held_locks(row: &Row) -> Result<Vec<(String, u32)>> {
    let locks: Vec<String> = row.try_get::<_, Option<_>>(10)?.unwrap_or_default();
    Ok(locks
        .iter()
        .filter_map(|lock| lock.split_once(' '))
        .filter_map(|(mode, relation)| Some((mode.to_owned(), relation.parse().ok()?)))
        .collect())
}

fn redacted(query: Option<String>) -> Option<String> {
    query.map(|query| redact_sql(&query, StringSyntax::Standard))
}
