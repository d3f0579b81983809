//! The end of the migration's own sessions, and only of those: known by name, pid and start, so that a pid that was
//! given to somebody else in between is not theirs.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::server::{Own, Server};

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
    let sessions = at_work(database).await?;
    for session in &sessions {
        database.cancel(session).await?;
    }
    until_idle(database, BY_CANCEL).await?;
    Ok(sessions.iter().map(|session| session.pid).collect())
}

/// After the command has ended: no session of it is left at work. Says which had to be ended, and how.
pub(super) async fn leave_nobody(database: &impl Server) -> Result<Vec<String>> {
    if until_idle(database, BY_THEMSELVES).await? {
        return Ok(Vec::new());
    }
    let mut acts = told("cancelled", &cancel(database).await?);
    let left = at_work(database).await?;
    for session in &left {
        database.end(session).await?;
    }
    let pids: Vec<i64> = left.iter().map(|session| session.pid).collect();
    acts.extend(told("terminated", &pids));
    if !until_idle(database, BY_FORCE).await? {
        acts.push(
            "a session of the migration is still at work: look at the server's sessions before trying again"
                .to_owned(),
        );
    }
    Ok(acts)
}

fn told(act: &str, pids: &[i64]) -> Vec<String> {
    pids.iter()
        .map(|pid| format!("{act} the migration's own session, pid {pid}: its client has ended"))
        .collect()
}

/// Those that run a statement, or may: of a session that cannot be seen it is not known.
async fn at_work(database: &impl Server) -> Result<Vec<Own>> {
    let mut sessions = database.own().await?;
    sessions
        .retain(|session| session.waits || session.state.as_deref().is_none_or(|state| state == "active"));
    Ok(sessions)
}

async fn until_idle(database: &impl Server, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        if at_work(database).await?.is_empty() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        sleep(POLL).await;
    }
}
