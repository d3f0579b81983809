//! Cancels and ends the migration's own sessions, and no others. Name, pid and start identify a session, because the
//! server may have given its pid to another session in the meantime.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::server::{Server, Session};

/// How long the server may take to end the sessions of a client that has exited.
const CLIENT_EXIT_LIMIT: Duration = Duration::from_millis(500);

/// How long a cancelled statement may take to end.
const CANCEL_LIMIT: Duration = Duration::from_millis(1500);

/// How long a terminated session may take to end.
const TERMINATE_LIMIT: Duration = Duration::from_secs(1);

/// The time between two checks of whether the sessions are idle.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Cancels the running statements and waits until they have ended. Returns the pids of their sessions.
pub(super) async fn cancel(database: &impl Server) -> Result<Vec<i64>> {
    let sessions = active_sessions(database).await?;
    for session in &sessions {
        database.cancel(session).await?;
    }
    wait_until_idle(database, CANCEL_LIMIT).await?;
    Ok(sessions.iter().map(|session| session.pid).collect())
}

/// Ends the sessions that are still active after the command has exited. Returns a message for each.
pub(super) async fn end_remaining(database: &impl Server) -> Result<Vec<String>> {
    if wait_until_idle(database, CLIENT_EXIT_LIMIT).await? {
        return Ok(Vec::new());
    }
    let mut actions = describe("cancelled", &cancel(database).await?);
    let remaining = active_sessions(database).await?;
    for session in &remaining {
        database.end_session(session).await?;
    }
    let pids: Vec<i64> = remaining.iter().map(|session| session.pid).collect();
    actions.extend(describe("terminated", &pids));
    if !wait_until_idle(database, TERMINATE_LIMIT).await? {
        actions.push(
            "a session of the migration is still active: check the sessions of the server before you try again"
                .to_owned(),
        );
    }
    Ok(actions)
}

fn describe(action: &str, pids: &[i64]) -> Vec<String> {
    pids.iter()
        .map(|pid| format!("{action} the migration's own session, pid {pid}: its client has exited"))
        .collect()
}

/// The sessions that run a statement, and those whose state is hidden, because they may run one.
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
        sleep(POLL_INTERVAL).await;
    }
}
