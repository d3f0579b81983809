//! What the migration waits for, who is in its way, and who waits behind it.
//!
//! Who has a metadata lock is told by `performance_schema`, which MariaDB leaves off by default. Then the holder is one
//! of those with a transaction that is open, and said to be so perhaps.

use anyhow::Result;

use super::MySql;
use super::look::{columns, is_wait, seconds};
use crate::mask::{Strings, masked};
use crate::server::{Blocker, Server, Victims, Wanted};

/// The metadata locks that ours wait for.
const WANTED: &str = "select t.processlist_id as pid, m.lock_type, m.object_type, m.object_schema, m.object_name, \
        m.owner_thread_id \
    from performance_schema.metadata_locks m join performance_schema.threads t on t.thread_id = m.owner_thread_id \
    where m.lock_status = 'PENDING' and t.processlist_id in ({ours})";

/// What they wait for. Since when, the server does not tell.
pub(super) async fn wanted(database: &MySql) -> Result<Vec<Wanted>> {
    let sql = format!(
        "select id, coalesce(state, '') from information_schema.processlist where id in ({})",
        database.ours()
    );
    let states = database.texts(&sql).await?;
    let mut wanted: Vec<Wanted> = Vec::new();
    if database.tells_holders {
        for row in database.texts(&WANTED.replace("{ours}", &database.ours())).await? {
            let [pid, mode, _, schema, table] = columns(row).map(Option::unwrap_or_default);
            let lock = format!("{mode} lock on {schema}.{table}");
            wanted.extend(pid.parse().ok().map(|pid| Wanted { pid, lock, since: None }));
        }
    }
    for row in states {
        let [id, state] = columns(row).map(Option::unwrap_or_default);
        let Ok(pid) = id.parse() else { continue };
        if is_wait(&state) && !wanted.iter().any(|it| it.pid == pid) {
            let lock = state.trim_start_matches("Waiting for ").to_owned();
            wanted.push(Wanted { pid, lock, since: None });
        }
    }
    if database.sees_others {
        let sql = format!(
            "select trx_mysql_thread_id from information_schema.innodb_trx \
             where trx_state = 'LOCK WAIT' and trx_mysql_thread_id in ({})",
            database.ours()
        );
        for row in database.texts(&sql).await? {
            let [id] = columns(row);
            let pid = id.and_then(|id| id.parse().ok());
            wanted.extend(pid.map(|pid| Wanted { pid, lock: "a row lock".to_owned(), since: None }));
        }
    }
    Ok(wanted)
}

/// Whom they wait for.
pub(super) async fn blockers(database: &MySql) -> Result<Vec<Blocker>> {
    if !database.sees_others {
        return Ok(Vec::new());
    }
    let ours = database.ours();
    let mut holders = row_holders(database, &ours).await;
    if database.tells_holders {
        let sql = format!(
            "select t.processlist_id, group_concat(distinct concat(g.lock_type, ' on ', g.object_schema, '.', \
                 g.object_name) order by 1 separator ', ') \
             from ({}) w join performance_schema.metadata_locks g on g.object_type = w.object_type \
                 and g.object_schema <=> w.object_schema and g.object_name <=> w.object_name \
                 and g.owner_thread_id <> w.owner_thread_id and g.lock_status = 'GRANTED' \
             join performance_schema.threads t on t.thread_id = g.owner_thread_id \
             where t.processlist_id is not null group by t.processlist_id",
            WANTED.replace("{ours}", &ours)
        );
        holders.extend(database.texts(&sql).await?);
    }
    let is_sure = !holders.is_empty();
    if !is_sure {
        let open = format!(
            "select trx_mysql_thread_id, null from information_schema.innodb_trx \
             where trx_mysql_thread_id not in ({ours}) order by trx_started limit 5"
        );
        holders = database.texts(&open).await?;
    }
    let mut blockers = Vec::new();
    for holder in holders {
        let [Some(id), holds] = columns(holder) else { continue };
        blockers.extend(blocker(database, &id, holds, is_sure).await?);
    }
    blockers.sort_by_key(|blocker| !blocker.is_root);
    Ok(blockers)
}

/// Who has a row that ours wait for, with what they hold.
async fn row_holders(database: &MySql, ours: &str) -> Vec<Vec<Option<String>>> {
    let mariadb = format!(
        "select b.trx_mysql_thread_id, 'a row' from information_schema.innodb_lock_waits w \
         join information_schema.innodb_trx r on r.trx_id = w.requesting_trx_id \
         join information_schema.innodb_trx b on b.trx_id = w.blocking_trx_id \
         where r.trx_mysql_thread_id in ({ours})"
    );
    if let Ok(rows) = database.texts(&mariadb).await {
        return rows;
    }
    // MySQL 8 tells it there, to those who may read it.
    let mysql =
        format!("select blocking_pid, 'a row' from sys.innodb_lock_waits where waiting_pid in ({ours})");
    database.texts(&mysql).await.unwrap_or_default()
}

async fn blocker(
    database: &MySql,
    id: &str,
    holds: Option<String>,
    is_sure: bool,
) -> Result<Option<Blocker>> {
    let sql = format!(
        "select p.user, p.host, p.command, p.time, p.state, left(p.info, 1000), \
             timestampdiff(second, t.trx_started, now()) \
         from information_schema.processlist p \
         left join information_schema.innodb_trx t on t.trx_mysql_thread_id = p.id where p.id = {id}"
    );
    let Some(row) = database.texts(&sql).await?.into_iter().next() else { return Ok(None) };
    let [user, client, command, in_state, state, query, transaction] = columns(row);
    let is_idle = command.as_deref() == Some("Sleep");
    Ok(Some(Blocker {
        pid: id.parse()?,
        is_sure,
        user,
        client,
        // Who has a lock and does nothing is in a transaction.
        state: Some(if is_idle { "idle in transaction" } else { "active" }.to_owned()),
        in_state: in_state.and_then(|time| seconds(&time)),
        transaction: transaction.and_then(|time| seconds(&time)),
        // The last statement of an idle session is not told.
        query: query.map(|query| masked(&query, Strings::MySql)),
        holds,
        is_root: !state.is_some_and(|state| is_wait(&state)),
        to_end: Some(format!("kill {id};")),
        ..Blocker::default()
    }))
}

/// Who waits behind them: where the server does not tell for what, all that wait for a table.
pub(super) async fn victims(database: &MySql) -> Result<Victims> {
    if !database.sees_others {
        return Ok(Victims::default());
    }
    let ours = database.ours();
    let sql = if database.tells_holders {
        format!(
            "select count(distinct t.processlist_id), max(t.processlist_time) from ({}) w \
             join performance_schema.metadata_locks v on v.object_type = w.object_type \
                 and v.object_schema <=> w.object_schema and v.object_name <=> w.object_name \
                 and v.lock_status = 'PENDING' \
             join performance_schema.threads t on t.thread_id = v.owner_thread_id \
             where t.processlist_id not in ({ours})",
            WANTED.replace("{ours}", &ours)
        )
    } else {
        format!(
            "select count(*), max(time) from information_schema.processlist \
             where state = 'Waiting for table metadata lock' and id not in ({ours})"
        )
    };
    let row = database.texts(&sql).await?.into_iter().next().unwrap_or_default();
    let [count, longest] = columns(row);
    Ok(Victims {
        count: count.and_then(|count| count.parse().ok()),
        longest: longest.and_then(|time| seconds(&time)),
    })
}
