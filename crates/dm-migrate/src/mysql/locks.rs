//! The locks that the migration waits for, its blockers, and the sessions that wait behind it.
//!
//! `performance_schema` reports the holders of metadata locks, but MariaDB disables it by default. Then every session with
//! an open transaction is a possible blocker.

use anyhow::Result;

use super::MySql;
use super::sessions::{columns, is_wait, seconds};
use crate::redact::{StringSyntax, redact_sql};
use crate::server::{Blocker, LockRequest, Server, Waiters};

/// Selects the metadata locks that the migration's sessions wait for.
const PENDING_LOCKS: &str = "select t.processlist_id as pid, m.lock_type, m.object_type, m.object_schema, m.object_name, \
        m.owner_thread_id \
    from performance_schema.metadata_locks m join performance_schema.threads t on t.thread_id = m.owner_thread_id \
    where m.lock_status = 'PENDING' and t.processlist_id in ({ids})";

/// The locks that the migration's sessions wait for. The server does not report since when.
pub(super) async fn lock_requests(database: &MySql) -> Result<Vec<LockRequest>> {
    let sql = format!(
        "select id, coalesce(state, '') from information_schema.processlist where id in ({})",
        database.migration_id_list()
    );
    let states = database.text_rows(&sql).await?;
    let mut requests: Vec<LockRequest> = Vec::new();
    if database.reports_lock_holders {
        for row in database.text_rows(&PENDING_LOCKS.replace("{ids}", &database.migration_id_list())).await? {
            let [pid, mode, _, schema, table] = columns(row).map(Option::unwrap_or_default);
            let lock = format!("{mode} lock on {schema}.{table}");
            requests.extend(pid.parse().ok().map(|pid| LockRequest {
                pid,
                lock,
                waiting_for: None,
                id: String::new(),
            }));
        }
    }
    for row in states {
        let [id, state] = columns(row).map(Option::unwrap_or_default);
        let Ok(pid) = id.parse() else { continue };
        if is_wait(&state) && !requests.iter().any(|request| request.pid == pid) {
            let lock = state.trim_start_matches("Waiting for ").to_owned();
            requests.push(LockRequest { pid, lock, waiting_for: None, id: String::new() });
        }
    }
    if database.can_see_others {
        let sql = format!(
            "select trx_mysql_thread_id from information_schema.innodb_trx \
             where trx_state = 'LOCK WAIT' and trx_mysql_thread_id in ({})",
            database.migration_id_list()
        );
        for row in database.text_rows(&sql).await? {
            let [id] = columns(row);
            let pid = id.and_then(|id| id.parse().ok());
            requests.extend(pid.map(|pid| LockRequest {
                pid,
                lock: "a row lock".to_owned(),
                waiting_for: None,
                id: String::new(),
            }));
        }
    }
    Ok(requests)
}

/// The sessions that the migration waits for.
pub(super) async fn blockers(database: &MySql) -> Result<Vec<Blocker>> {
    if !database.can_see_others {
        return Ok(Vec::new());
    }
    let ids = database.migration_id_list();
    let mut holders = row_holders(database, &ids).await;
    if database.reports_lock_holders {
        let sql = format!(
            "select t.processlist_id, group_concat(distinct concat(g.lock_type, ' on ', g.object_schema, '.', \
                 g.object_name) order by 1 separator ', ') \
             from ({}) w join performance_schema.metadata_locks g on g.object_type = w.object_type \
                 and g.object_schema <=> w.object_schema and g.object_name <=> w.object_name \
                 and g.owner_thread_id <> w.owner_thread_id and g.lock_status = 'GRANTED' \
             join performance_schema.threads t on t.thread_id = g.owner_thread_id \
             where t.processlist_id is not null group by t.processlist_id",
            PENDING_LOCKS.replace("{ids}", &ids)
        );
        holders.extend(database.text_rows(&sql).await?);
    }
    let is_certain = !holders.is_empty();
    if !is_certain {
        let open = format!(
            "select trx_mysql_thread_id, null from information_schema.innodb_trx \
             where trx_mysql_thread_id not in ({ids}) order by trx_started limit 5"
        );
        holders = database.text_rows(&open).await?;
    }
    let mut blockers = Vec::new();
    for holder in holders {
        let [Some(id), holds] = columns(holder) else { continue };
        blockers.extend(blocker(database, &id, holds, is_certain).await?);
    }
    blockers.sort_by_key(|blocker| !blocker.is_root);
    Ok(blockers)
}

/// The sessions that hold a row that the migration waits for: the id, and a description of the lock.
async fn row_holders(database: &MySql, ids: &str) -> Vec<Vec<Option<String>>> {
    let mariadb = format!(
        "select b.trx_mysql_thread_id, 'a row' from information_schema.innodb_lock_waits w \
         join information_schema.innodb_trx r on r.trx_id = w.requesting_trx_id \
         join information_schema.innodb_trx b on b.trx_id = w.blocking_trx_id \
         where r.trx_mysql_thread_id in ({ids})"
    );
    if let Ok(rows) = database.text_rows(&mariadb).await {
        return rows;
    }
    // MySQL 8 has this view, if the account may read it.
    let mysql =
        format!("select blocking_pid, 'a row' from sys.innodb_lock_waits where waiting_pid in ({ids})");
    database.text_rows(&mysql).await.unwrap_or_default()
}

async fn blocker(
    database: &MySql,
    id: &str,
    holds: Option<String>,
    is_certain: bool,
) -> Result<Option<Blocker>> {
    let sql = format!(
        "select p.user, p.host, p.command, p.time, p.state, left(p.info, 1000), \
             timestampdiff(second, t.trx_started, now()) \
         from information_schema.processlist p \
         left join information_schema.innodb_trx t on t.trx_mysql_thread_id = p.id where p.id = {id}"
    );
    let Some(row) = database.text_rows(&sql).await?.into_iter().next() else { return Ok(None) };
    let [user, client, command, in_state_for, state, query, transaction] = columns(row);
    let is_idle = command.as_deref() == Some("Sleep");
    Ok(Some(Blocker {
        pid: id.parse()?,
        is_certain,
        user,
        client,
        // An idle session that holds a lock is in a transaction.
        state: Some(if is_idle { "idle in transaction" } else { "active" }.to_owned()),
        in_state_for: in_state_for.and_then(|time| seconds(&time)),
        transaction_age: transaction.and_then(|time| seconds(&time)),
        // The server does not report the last statement of an idle session.
        query: query.map(|query| redact_sql(&query, StringSyntax::MySql)),
        holds,
        is_root: !state.is_some_and(|state| is_wait(&state)),
        end_statement: Some(format!("kill {id};")),
        ..Blocker::default()
    }))
}

/// The sessions that wait behind the migration. If the server does not report for which lock a session waits, all sessions
/// that wait for a table.
pub(super) async fn waiters(database: &MySql) -> Result<Waiters> {
    if !database.can_see_others {
        return Ok(Waiters::default());
    }
    let ids = database.migration_id_list();
    let sql = if database.reports_lock_holders {
        format!(
            "select count(distinct t.processlist_id), max(t.processlist_time) from ({}) w \
             join performance_schema.metadata_locks v on v.object_type = w.object_type \
                 and v.object_schema <=> w.object_schema and v.object_name <=> w.object_name \
                 and v.lock_status = 'PENDING' \
             join performance_schema.threads t on t.thread_id = v.owner_thread_id \
             where t.processlist_id not in ({ids})",
            PENDING_LOCKS.replace("{ids}", &ids)
        )
    } else {
        format!(
            "select count(*), max(time) from information_schema.processlist \
             where state = 'Waiting for table metadata lock' and id not in ({ids})"
        )
    };
    let row = database.text_rows(&sql).await?.into_iter().next().unwrap_or_default();
    let [count, longest] = columns(row);
    Ok(Waiters {
        count: count.and_then(|count| count.parse().ok()),
        longest: longest.and_then(|time| seconds(&time)),
    })
}
