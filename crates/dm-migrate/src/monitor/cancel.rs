//! The end of the migration's own sessions, and only of those: known by name, pid and start, so that a pid that was
//! given to somebody else in between is not theirs.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::server::{Server, Session};

/// A client that is gone takes its session along, which may take the server this long.
const BY_THEMSELVES: Duration = Duration::from_millis(500);

/// A statement that was cancelled may have this long to end.
const BY_CANCEL: Duration = Duration::from_millis(1500);

/// A session that was terminated may have this long.
const BY_FORCE: Duration = Duration::from_secs(1);

/// Between two looks at whether they are gone.
const POLL: Duration = Duration::from_millis(50);

/// Cancels the statements that run, and waits until none does.
pub(super) async fn cancel(database: &impl Server) -> Result<Vec<i64>> {
    let sessions = active_sessions(database).await?;
    for session in &sessions {
        database.cancel(session).await?;
    }
    wait_until_idle(database, BY_CANCEL).await?;
    Ok(sessions.iter().map(|session| session.pid).collect())
}

/// After the command has ended: no session of it is remaining at work. Says which had to be ended, and how.
pub(super) async fn end_remaining(database: &impl Server) -> Result<Vec<String>> {
    if wait_until_idle(database, BY_THEMSELVES).await? {
        return Ok(Vec::new());
    }
    let mut actions = describe("cancelled", &cancel(database).await?);
    let remaining = active_sessions(database).await?;
    for session in &remaining {
        database.end_session(session).await?;
    }
    let pids: Vec<i64> = remaining.iter().map(|session| session.pid).collect();
    actions.extend(describe("terminated", &pids));
    if !wait_until_idle(database, BY_FORCE).await? {
        actions.push(
            "a session of the migration is still at work: look at the server's sessions before trying again"
                .to_owned(),
        );
    }
    Ok(actions)
}

fn describe(act: &str, pids: &[i64]) -> Vec<String> {
    pids.iter()
        .map(|pid| format!("{act} the migration's own session, pid {pid}: its client has ended"))
        .collect()
}

/// Those that run a statement, or may: of a session that cannot be seen it is not known.
async fn active_sessions(database: &impl Server) -> Result<Vec<Session>> {
    let mut sessions = database.sessions().await?;
    sessions.retain(|session| {
        session.is_waiting || session.state.as_deref().is_none_or(|state| state == "active")
    });
    Ok(sessions)
}

async fn wait_until_idle(database: &impl Server, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if active_sessions(database).await?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}
