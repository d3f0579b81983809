//! The migration's sessions, and the long transactions before it starts.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use common::duration::format_duration;

use super::MySql;
use crate::connections::Connections;
use crate::redact::{StringSyntax, one_line, redact_sql};
use crate::server::{Server, Session};

/// The age in seconds from which a transaction is reported. A change of its tables waits for it, and other sessions wait
/// behind the change.
const LONG_TRANSACTION_S: &str = "30";

/// The maximum number of reported transactions.
const MAX_REPORTED: usize = 5;

/// The sessions of the migration, including those whose client has exited.
pub(super) async fn find(database: &MySql) -> Result<Vec<Session>> {
    let sql = "select id, host, command, state, time, left(info, 1000) from information_schema.processlist \
         where id <> connection_id() order by id";
    let rows = database.text_rows(sql).await?;
    let in_row_lock = in_row_lock(database).await;
    let connections = Connections::current(&[database.port]);
    let by_process = sessions_by_process(database, &connections).await;
    let mut ids = database.migration_ids.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sessions = Vec::new();
    for row in rows {
        let [Some(id), Some(host), command, state, time, query] = columns(row) else { continue };
        let Ok(pid) = id.parse() else { continue };
        let (client_host, port) = split_host(&host);
        let is_own_port = port.is_some_and(|port| connections.ports.contains(&port))
            && is_same_host(client_host, &database.client_host);
        if is_own_port || by_process.contains(&id) {
            ids.insert(pid);
        }
        if !ids.contains(&pid) {
            continue;
        }
        let is_idle = command.as_deref() == Some("Sleep");
        sessions.push(Session {
            pid,
            backend_start: String::new(),
            state: Some(if is_idle { "idle" } else { "active" }.to_owned()),
            query: query.map(|query| redact_sql(&query, StringSyntax::MySql)),
            running_for: time.filter(|_| !is_idle).and_then(|time| seconds(&time)),
            is_waiting: !is_idle && state.is_some_and(|state| is_wait(&state)) || in_row_lock.contains(&id),
        });
    }
    Ok(sessions)
}

/// Warnings about transactions that have been open for long, or about the missing privilege to see them.
pub(super) async fn long_transactions(database: &MySql) -> Result<Vec<String>> {
    if !database.can_see_others {
        let account = one_line(&database.account);
        return Ok(vec![format!(
            "other accounts' sessions are unknown to {account}: grant process on *.* to {account}"
        )]);
    }
    let sql = format!(
        "select t.trx_mysql_thread_id, p.user, p.command, timestampdiff(second, t.trx_started, now()) \
         from information_schema.innodb_trx t join information_schema.processlist p on p.id = t.trx_mysql_thread_id \
         where t.trx_started < now() - interval {LONG_TRANSACTION_S} second order by t.trx_started limit {MAX_REPORTED}"
    );
    let rows = database.text_rows(&sql).await?;
    let warnings = rows.into_iter().map(|row| {
        let [id, user, command, age] = columns(row).map(Option::unwrap_or_default);
        let age = format_duration(seconds(&age).unwrap_or_default());
        format!("a transaction is open for {age}: session {id}, user {}, {command}", one_line(&user))
    });
    Ok(warnings.collect())
}

/// The ids of the sessions that wait for a row; empty if the account cannot see them.
async fn in_row_lock(database: &MySql) -> Vec<String> {
    if !database.can_see_others {
        return Vec::new();
    }
    let sql = "select trx_mysql_thread_id from information_schema.innodb_trx where trx_state = 'LOCK WAIT'";
    let rows = database.text_rows(sql).await.unwrap_or_default();
    rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
}

/// The ids of the sessions on this machine whose client reports a process of the migration. A session that uses a socket
/// has no port.
async fn sessions_by_process(database: &MySql, connections: &Connections) -> Vec<String> {
    if !is_same_host(&database.client_host, "localhost") {
        return Vec::new();
    }
    let sql = "select a.processlist_id, a.attr_value from performance_schema.session_connect_attrs a \
         join information_schema.processlist p on p.id = a.processlist_id \
         where a.attr_name = '_pid' and p.host = 'localhost'";
    let rows = database.text_rows(sql).await.unwrap_or_default();
    let ids = rows.into_iter().filter_map(|row| {
        let [id, pid] = columns(row);
        pid?.parse().is_ok_and(|pid| connections.pids.contains(&pid)).then_some(id?)
    });
    ids.collect()
}

/// Splits a host such as `127.0.0.1:41926` into name and port; a socket has no port.
pub(super) fn split_host(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
        _ => (host, None),
    }
}

/// Whether two names mean the same host; the server has several for its own.
fn is_same_host(one: &str, other: &str) -> bool {
    let is_local = |name: &str| matches!(name, "localhost" | "127.0.0.1" | "::1");
    one == other || is_local(one) && is_local(other)
}

/// Whether a session in this state waits for a lock.
pub(super) fn is_wait(state: &str) -> bool {
    state == "User lock"
        || state.starts_with("Waiting for") && (state.ends_with(" lock") || state.ends_with("table flush"))
}

pub(super) fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(crate::server::seconds)
}

/// The first `N` columns of a row; missing ones are `None`.
pub(super) fn columns<const N: usize>(row: Vec<Option<String>>) -> [Option<String>; N] {
    let mut row = row.into_iter();
    std::array::from_fn(|_| row.next().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_split_into_name_and_port() {
        assert_eq!(split_host("10.0.0.7:41926"), ("10.0.0.7", Some(41926)));
        assert_eq!(split_host("::1:41926"), ("::1", Some(41926)));
        assert_eq!(split_host("localhost"), ("localhost", None));
        assert!(is_same_host("localhost", "127.0.0.1") && !is_same_host("10.0.0.7", "127.0.0.1"));
    }

    #[test]
    fn a_lock_wait_is_recognized_by_the_state() {
        for state in [
            "Waiting for table metadata lock",
            "Waiting for backup lock",
            "User lock",
            "Waiting for table flush",
        ] {
            assert!(is_wait(state), "{state}");
        }
        assert!(!is_wait("altering table") && !is_wait("Waiting for next activation"));
    }
}
