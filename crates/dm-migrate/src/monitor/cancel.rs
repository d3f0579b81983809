//! The end of the migration's own sessions, and only of those: known by name, pid and start, so that a pid that was
//! given to somebody else in between is not theirs.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::look::{Own, own};
use crate::database::Database;

/// A client that is gone takes its session along, which may take the server this long.
const BY_THEMSELVES: Duration = Duration::from_millis(500);

/// A statement that was cancelled may have this long to end.
const BY_CANCEL: Duration = Duration::from_millis(1500);

/// A session that was terminated may have this long.
const BY_FORCE: Duration = Duration::from_secs(1);

/// Between two looks at whether they are gone.
const POLL: Duration = Duration::from_millis(50);

/// Cancels the statements that run, and waits until none does.
pub(super) async fn cancel(database: &Database, name: &str) -> Result<Vec<i32>> {
    let sessions = at_work(database, name).await?;
    for session in &sessions {
        signal(database, "pg_cancel_backend", name, session).await?;
    }
    until_idle(database, name, BY_CANCEL).await?;
    Ok(sessions.iter().map(|session| session.pid).collect())
}

/// After the command has ended: no session of it is left at work. Says which had to be ended, and how.
pub(super) async fn leave_nobody(database: &Database, name: &str) -> Result<Vec<String>> {
    if until_idle(database, name, BY_THEMSELVES).await? {
        return Ok(Vec::new());
    }
    let mut acts = told("cancelled", &cancel(database, name).await?);
    let left = at_work(database, name).await?;
    for session in &left {
        signal(database, "pg_terminate_backend", name, session).await?;
    }
    let pids: Vec<i32> = left.iter().map(|session| session.pid).collect();
    acts.extend(told("terminated", &pids));
    if !until_idle(database, name, BY_FORCE).await? {
        acts.push(
            "a session of the migration is still at work: look at pg_stat_activity before trying again"
                .to_owned(),
        );
    }
    Ok(acts)
}

fn told(act: &str, pids: &[i32]) -> Vec<String> {
    pids.iter()
        .map(|pid| format!("{act} the migration's own session, pid {pid}: its client has ended"))
        .collect()
}

/// Those that run a statement, or may: of a session that cannot be seen it is not known.
async fn at_work(database: &Database, name: &str) -> Result<Vec<Own>> {
    let mut sessions = own(database, name).await?;
    sessions
        .retain(|session| session.waits || session.state.as_deref().is_none_or(|state| state == "active"));
    Ok(sessions)
}

async fn until_idle(database: &Database, name: &str, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if at_work(database, name).await?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}

async fn signal(database: &Database, how: &str, name: &str, session: &Own) -> Result<()> {
    let sql = format!(
        "select {how}(pid) from pg_stat_activity \
         where application_name = $1 and pid = $2 and backend_start = $3::text::timestamptz"
    );
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&name, Type::TEXT), (&session.pid, Type::INT4), (&session.backend_start, Type::TEXT)];
    database.rows(&sql, &values).await.map(drop)
}
