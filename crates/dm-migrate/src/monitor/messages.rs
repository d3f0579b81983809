//! The messages about a migration that waits for a lock or runs for long.

use std::fmt::Write as _;
use std::time::Duration;

use common::duration::format_duration;

use crate::redact::one_line;
use crate::server::{ADVISORY_LOCK, Blocker, LockRequest, Session, Waiters};

/// Describes a lock wait: the lock, the blockers, and the sessions that wait behind the migration.
pub(super) fn blocked(
    age: Duration,
    requests: &[LockRequest],
    sessions: &[Session],
    blockers: &[Blocker],
    waiters: Waiters,
) -> Vec<String> {
    let mut lines =
        vec![format!("waiting {} for a lock{}", format_duration(age), describe_request(requests, sessions))];
    lines.extend(blockers.iter().map(describe_blocker));
    if blockers.is_empty() {
        lines.push("  who holds it is unknown".to_owned());
    }
    lines.push(describe_waiters(waiters));
    let is_queue = requests.first().is_some_and(|request| request.lock == ADVISORY_LOCK);
    if is_queue || blockers.iter().any(is_migration) {
        lines.push("  it probably waits for another migration, which has to end first".to_owned());
        return lines;
    }
    let root = blockers.iter().find(|blocker| blocker.is_root && blocker.is_certain);
    lines.extend(root.and_then(|root| {
        root.end_statement.as_ref().map(|sql| format!("  if it is safe to end that session: {sql}"))
    }));
    lines
}

/// Whether the blocker is a migration of dm-migrate, which is never in the way by mistake.
fn is_migration(blocker: &Blocker) -> bool {
    blocker.application.as_deref().is_some_and(|name| name.contains("dm-migrate:"))
}

fn describe_request(requests: &[LockRequest], sessions: &[Session]) -> String {
    let Some(request) = requests.first() else { return String::new() };
    let session = sessions.iter().find(|session| session.pid == request.pid);
    let statement = session.and_then(|session| session.query.as_deref()).unwrap_or("statement unknown");
    format!(": {} (pid {}: {statement})", request.lock, request.pid)
}

/// Who blocks the migration, in short: the session at the root, and how many others there are.
pub(super) fn blocked_by(blockers: &[Blocker]) -> Option<String> {
    let root = blockers.iter().find(|blocker| blocker.is_root).or(blockers.first())?;
    let others = match blockers.len() - 1 {
        0 => String::new(),
        others => format!(", and {others} more"),
    };
    Some(format!("{}{others}", name_blocker(root)))
}

fn describe_blocker(blocker: &Blocker) -> String {
    let mut line = format!("  {}", name_blocker(blocker));
    if blocker.pid == 0 {
        return line;
    }
    if let Some(age) = blocker.transaction_age {
        // Writing into a String cannot fail.
        let _ = write!(line, ", in a transaction for {}", format_duration(age));
    }
    let own_wait = if blocker.is_root { "" } else { ", waits itself" };
    let _ = write!(line, ", holds {}{own_wait}", or_unknown(blocker.holds.as_deref()));
    let _ = write!(line, "; its statement: {}", blocker.query.as_deref().unwrap_or("unknown"));
    line
}

/// Which session a blocker is, and what it does.
fn name_blocker(blocker: &Blocker) -> String {
    if blocker.pid == 0 {
        return "blocked by a prepared transaction: see pg_prepared_xacts".to_owned();
    }
    let certainty = if blocker.is_certain { "" } else { "possibly " };
    let mut text =
        format!("{certainty}blocked by pid {}, user {}", blocker.pid, or_unknown(blocker.user.as_deref()));
    if let Some(kind) = blocker.kind.as_deref().filter(|kind| *kind != "client backend") {
        let _ = write!(text, ", {kind}");
    }
    if let Some(application) = &blocker.application {
        let _ = write!(text, ", app \"{}\"", one_line(application));
    }
    if let Some(client) = &blocker.client {
        let _ = write!(text, " at {client}");
    }
    match (&blocker.state, blocker.in_state_for) {
        (Some(state), Some(age)) => drop(write!(text, ", {state} for {}", format_duration(age))),
        (Some(state), None) => drop(write!(text, ", {state}")),
        (None, _) => text.push_str(", state unknown"),
    }
    text
}

fn describe_waiters(waiters: Waiters) -> String {
    let longest =
        waiters.longest.map(|age| format!(", the longest for {}", format_duration(age))).unwrap_or_default();
    match waiters.count {
        None => "  who waits behind it is unknown".to_owned(),
        Some(0) => "  no session waits behind it yet".to_owned(),
        Some(1) => format!("  1 session waits behind it{longest}"),
        Some(count) => format!("  {count} sessions wait behind it{longest}"),
    }
}

/// Describes a migration that has run for long and does not wait for a lock.
pub(super) fn running(elapsed: Duration, sessions: &[Session], progress: &[String]) -> Vec<String> {
    let mut lines = vec![format!("the command has run for {}", format_duration(elapsed))];
    for session in sessions {
        let statement = match session.query.as_deref() {
            query if session.is_active() => query.unwrap_or("unknown").to_owned(),
            query => format!("no statement; the last one was: {}", query.unwrap_or("unknown")),
        };
        let state = or_unknown(session.state.as_deref());
        let running_for = session.running_for.filter(|_| session.is_active());
        let age = running_for.map(|age| format!(" for {}", format_duration(age))).unwrap_or_default();
        lines.push(format!("  pid {}, {state}{age}: {statement}", session.pid));
    }
    if sessions.is_empty() {
        lines.push("  no database session of the command was found".to_owned());
    } else if progress.is_empty() && sessions.iter().any(Session::is_active) {
        lines.push("  the server reports no progress for this kind of statement".to_owned());
    }
    lines.extend(progress.iter().map(|line| format!("  progress of pid {line}")));
    lines
}

/// The live line during a lock wait, after the elapsed time.
pub(super) fn status_blocked(age: Duration, blockers: &[Blocker], waiters: Waiters) -> String {
    let blocker = match blockers {
        [] => "an unknown session".to_owned(),
        [blocker] => format!("pid {} ({})", blocker.pid, or_unknown(blocker.user.as_deref())),
        [first, more @ ..] => {
            format!("pid {} ({}) and {} more", first.pid, or_unknown(first.user.as_deref()), more.len())
        }
    };
    let behind = waiters.count.map(|count| format!(", {count} wait behind it")).unwrap_or_default();
    format!(", waits {} for {blocker}{behind}", format_duration(age))
}

/// The live line of a migration that makes progress, after the elapsed time.
pub(super) fn status_running(progress: &[String]) -> String {
    progress.iter().fold(String::new(), |text, line| text + ", pid " + line)
}

fn or_unknown(value: Option<&str>) -> String {
    value.map_or_else(|| "unknown".to_owned(), one_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration() -> (Vec<LockRequest>, Vec<Session>) {
        let session = Session {
            pid: 11,
            backend_start: String::new(),
            state: Some("active".to_owned()),
            query: Some("ALTER TABLE orders ADD note text DEFAULT ?".to_owned()),
            running_for: None,
            is_waiting: true,
        };
        let request = LockRequest {
            pid: 11,
            lock: "AccessExclusiveLock on orders".to_owned(),
            waiting_for: None,
            id: String::new(),
        };
        (vec![request], vec![session])
    }

    #[test]
    fn the_blocker_and_the_waiters_are_reported() {
        let (requests, sessions) = migration();
        let text = |text: &str| Some(text.to_owned());
        let blocker = Blocker {
            pid: 7,
            is_certain: true,
            user: text("web"),
            application: text("shop"),
            client: text("10.0.0.7"),
            state: text("idle in transaction"),
            in_state_for: Some(Duration::from_secs(190)),
            transaction_age: Some(Duration::from_secs(192)),
            kind: text("client backend"),
            query: text("SELECT * FROM orders WHERE id = ?"),
            holds: text("AccessShareLock on orders"),
            is_root: true,
            end_statement: text("select pg_terminate_backend(7);"),
            ..Blocker::default()
        };
        let waiters = Waiters { count: Some(3), longest: Some(Duration::from_millis(800)) };
        let two = [blocker.clone(), Blocker { pid: 8, ..blocker.clone() }];
        let short =
            "blocked by pid 7, user web, app \"shop\" at 10.0.0.7, idle in transaction for 3m10s, and 1 more";
        assert_eq!(blocked_by(&two).as_deref(), Some(short));
        let status = status_blocked(Duration::from_millis(1200), &two, waiters);
        assert_eq!(status, ", waits 1.2s for pid 7 (web) and 1 more, 3 wait behind it");
        let lines = blocked(Duration::from_millis(1200), &requests, &sessions, &[blocker], waiters);
        assert_eq!(
            lines,
            [
                "waiting 1.2s for a lock: AccessExclusiveLock on orders (pid 11: ALTER TABLE orders ADD note text DEFAULT ?)",
                "  blocked by pid 7, user web, app \"shop\" at 10.0.0.7, idle in transaction for 3m10s, in a transaction \
                 for 3m12s, holds AccessShareLock on orders; its statement: SELECT * FROM orders WHERE id = ?",
                "  3 sessions wait behind it, the longest for 800ms",
                "  if it is safe to end that session: select pg_terminate_backend(7);",
            ]
        );
    }

    #[test]
    fn details_that_cannot_be_seen_are_reported_as_unknown() {
        let (requests, sessions) = migration();
        let end_statement = Some("kill 7;".to_owned());
        let hidden = Blocker { pid: 7, is_root: true, end_statement, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[hidden], Waiters::default());
        assert!(
            lines[1].contains("state unknown") && lines[1].contains("its statement: unknown"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("  possibly blocked by pid 7"), "{lines:?}");
        assert!(!lines.concat().contains("to end that session"), "{lines:?}");
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[], Waiters::default());
        assert_eq!(lines[1], "  who holds it is unknown");
    }

    #[test]
    fn another_migration_is_not_suggested_for_termination() {
        let (requests, sessions) = migration();
        let other = Blocker {
            pid: 7,
            is_certain: true,
            is_root: true,
            application: Some("deploy dm-migrate:0123".to_owned()),
            end_statement: Some("select pg_terminate_backend(7);".to_owned()),
            ..Blocker::default()
        };
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[other], Waiters::default());
        assert!(!lines.concat().contains("pg_terminate_backend"), "{lines:?}");
        assert!(lines.concat().contains("another migration"), "{lines:?}");
    }

    #[test]
    fn an_idle_session_is_not_called_running() {
        let (_, mut sessions) = migration();
        sessions[0].state = Some("idle".to_owned());
        sessions[0].running_for = Some(Duration::from_secs(50));
        let lines = running(Duration::from_mins(1), &sessions, &[]);
        assert_eq!(
            lines,
            [
                "the command has run for 1m00s",
                "  pid 11, idle: no statement; the last one was: ALTER TABLE orders ADD note text DEFAULT ?",
            ]
        );
    }

    #[test]
    fn no_statement_to_end_a_prepared_transaction_is_offered() {
        let (requests, sessions) = migration();
        let prepared = Blocker { is_root: true, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[prepared], Waiters::default());
        assert!(lines[1].contains("prepared transaction"));
        assert!(!lines.concat().contains("pg_terminate_backend"));
    }
}
