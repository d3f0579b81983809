//! The migration's sessions, and what stands in its way before it starts.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use common::duration::format_duration;

use super::MySql;
use super::connections::Connections;
use crate::redact::{StringSyntax, one_line, redact_sql};
use crate::server::{Server, Session};

/// Above this, a transaction is long: a change of its tables waits for it, and everybody else behind that.
const LONG: &str = "30";

/// So many of them are told.
const MAX_REPORTED: usize = 5;

/// The sessions of the migration, and those that were.
pub(super) async fn find(database: &MySql) -> Result<Vec<Session>> {
    let sql = "select id, host, command, state, time, left(info, 1000) from information_schema.processlist \
         where id <> connection_id() order by id";
    let rows = database.text_rows(sql).await?;
    let in_row_lock = in_row_lock(database).await;
    let connections = Connections::now(database.port);
    let by_process = sessions_by_process(database, &connections).await;
    let mut ids = database.migration_ids.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sessions = Vec::new();
    for row in rows {
        let [Some(id), Some(host), command, state, time, query] = columns(row) else { continue };
        let Ok(pid) = id.parse() else { continue };
        let (place, port) = place(&host);
        let ours = port.is_some_and(|port| connections.ports.contains(&port))
            && is_same(place, &database.client_host);
        if ours || by_process.contains(&id) {
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

/// Transactions that have been open for long, and whether they can be seen.
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
         where t.trx_started < now() - interval {LONG} second order by t.trx_started limit {MAX_REPORTED}"
    );
    let rows = database.text_rows(&sql).await?;
    let warnings = rows.into_iter().map(|row| {
        let [id, user, command, age] = columns(row).map(Option::unwrap_or_default);
        let age = format_duration(seconds(&age).unwrap_or_default());
        format!("a transaction is open for {age}: session {id}, user {}, {command}", one_line(&user))
    });
    Ok(warnings.collect())
}

/// Those that wait for a row; nobody where that is not to be seen.
async fn in_row_lock(database: &MySql) -> Vec<String> {
    if !database.can_see_others {
        return Vec::new();
    }
    let sql = "select trx_mysql_thread_id from information_schema.innodb_trx where trx_state = 'LOCK WAIT'";
    let rows = database.text_rows(sql).await.unwrap_or_default();
    rows.into_iter().filter_map(|row| row.into_iter().next()?).collect()
}

/// Those that name a process of the migration, and come from this machine: by a socket they have no port.
async fn sessions_by_process(database: &MySql, connections: &Connections) -> Vec<String> {
    if !is_same(&database.client_host, "localhost") {
        return Vec::new();
    }
    let sql = "select a.processlist_id, a.attr_value from performance_schema.session_connect_attrs a \
         join information_schema.processlist p on p.id = a.processlist_id \
         where a.attr_name = '_pid' and p.host = 'localhost'";
    let rows = database.text_rows(sql).await.unwrap_or_default();
    let ours = rows.into_iter().filter_map(|row| {
        let [id, pid] = columns(row);
        pid?.parse().is_ok_and(|pid| connections.pids.contains(&pid)).then_some(id?)
    });
    ours.collect()
}

/// `127.0.0.1:41926`: the place and the port; by a socket, there is none.
pub(super) fn place(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((place, port)) if port.parse::<u16>().is_ok() => (place, port.parse().ok()),
        _ => (host, None),
    }
}

/// Whether two places are one, as far as the server can tell.
fn is_same(one: &str, other: &str) -> bool {
    let is_here = |place: &str| matches!(place, "localhost" | "127.0.0.1" | "::1");
    one == other || is_here(one) && is_here(other)
}

/// Whether a session in this state waits for a lock of the server.
pub(super) fn is_wait(state: &str) -> bool {
    state == "User lock"
        || state.starts_with("Waiting for") && (state.ends_with(" lock") || state.ends_with("table flush"))
}

pub(super) fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(crate::server::seconds)
}

/// A row of as many columns as are wanted.
pub(super) fn columns<const N: usize>(row: Vec<Option<String>>) -> [Option<String>; N] {
    let mut row = row.into_iter();
    std::array::from_fn(|_| row.next().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_comes_from_a_place_and_perhaps_a_port() {
        assert_eq!(place("10.0.0.7:41926"), ("10.0.0.7", Some(41926)));
        assert_eq!(place("::1:41926"), ("::1", Some(41926)));
        assert_eq!(place("localhost"), ("localhost", None));
        assert!(is_same("localhost", "127.0.0.1") && !is_same("10.0.0.7", "127.0.0.1"));
    }

    #[test]
    fn a_wait_is_known_by_its_state() {
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
