//! What a person reads while a migration waits, or takes its time.

use std::fmt::Write as _;
use std::time::Duration;

use common::duration::format_duration;

use crate::redact::one_line;
use crate::server::{Blocker, LockRequest, Session, Waiters};

/// A migration that waits: for what, for whom, and who waits behind it.
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
    let root = blockers.iter().find(|blocker| blocker.is_root && blocker.is_certain);
    lines.extend(root.and_then(|root| {
        root.end_statement.as_ref().map(|sql| format!("  to end pid {}, if that may be: {sql}", root.pid))
    }));
    lines
}

fn describe_request(requests: &[LockRequest], sessions: &[Session]) -> String {
    let Some(requests) = requests.first() else { return String::new() };
    let statement = sessions
        .iter()
        .find(|sessions| sessions.pid == requests.pid)
        .and_then(|sessions| sessions.query.as_deref());
    let statement = statement.unwrap_or("statement unknown");
    format!(": {} (pid {}: {statement})", requests.lock, requests.pid)
}

fn describe_blocker(it: &Blocker) -> String {
    if it.pid == 0 {
        return "  blocked by a prepared transaction: see pg_prepared_xacts".to_owned();
    }
    let surely = if it.is_certain { "" } else { "perhaps " };
    let mut line = format!("  {surely}blocked by pid {}, user {}", it.pid, or_unknown(it.user.as_deref()));
    if let Some(kind) = it.kind.as_deref().filter(|kind| *kind != "client backend") {
        // Writing into a String cannot fail.
        let _ = write!(line, ", {kind}");
    }
    if let Some(application) = &it.application {
        let _ = write!(line, ", app \"{}\"", one_line(application));
    }
    if let Some(client) = &it.client {
        let _ = write!(line, " at {client}");
    }
    match (&it.state, it.in_state_for) {
        (Some(state), Some(age)) => drop(write!(line, ", {state} for {}", format_duration(age))),
        (Some(state), None) => drop(write!(line, ", {state}")),
        (None, _) => line.push_str(", state unknown"),
    }
    if let Some(age) = it.transaction_age {
        let _ = write!(line, ", in a transaction for {}", format_duration(age));
    }
    let waits = if it.is_root { "" } else { ", waits itself" };
    let _ = write!(line, ", holds {}{waits}", or_unknown(it.holds.as_deref()));
    let _ = write!(line, "; its statement: {}", it.query.as_deref().unwrap_or("unknown"));
    line
}

fn describe_waiters(waiters: Waiters) -> String {
    let longest =
        waiters.longest.map(|age| format!(", the longest for {}", format_duration(age))).unwrap_or_default();
    match waiters.count {
        None => "  who waits behind it is unknown".to_owned(),
        Some(0) => "  nobody waits behind it yet".to_owned(),
        Some(1) => format!("  1 session waits behind it{longest}"),
        Some(count) => format!("  {count} sessions wait behind it{longest}"),
    }
}

/// A migration that has run for long, and does not wait.
pub(super) fn running(elapsed: Duration, sessions: &[Session], progress: &[String]) -> Vec<String> {
    let mut lines = vec![format!("running for {}", format_duration(elapsed))];
    for session in sessions {
        let statement = session.query.as_deref().unwrap_or("unknown");
        let state = or_unknown(session.state.as_deref());
        let age = session.running_for.map(|age| format!(" for {}", format_duration(age))).unwrap_or_default();
        lines.push(format!("  pid {}, {state}{age}: {statement}", session.pid));
    }
    if sessions.is_empty() {
        lines.push("  no session of it is seen in the database".to_owned());
    } else if progress.is_empty() {
        lines.push("  the server reports no progress for this kind of statement".to_owned());
    }
    lines.extend(progress.iter().map(|line| format!("  progress of pid {line}")));
    lines
}

/// The live line of one that waits, after the time.
pub(super) fn status_blocked(age: Duration, blockers: &[Blocker], waiters: Waiters) -> String {
    let whom = match blockers {
        [] => "somebody".to_owned(),
        [one] => format!("pid {} ({})", one.pid, or_unknown(one.user.as_deref())),
        [one, more @ ..] => {
            format!("pid {} ({}) and {} more", one.pid, or_unknown(one.user.as_deref()), more.len())
        }
    };
    let behind = waiters.count.map(|count| format!(", {count} wait behind it")).unwrap_or_default();
    format!(", waits {} for {whom}{behind}", format_duration(age))
}

/// The live line of one that works, after the time.
pub(super) fn status_running(progress: &[String]) -> String {
    progress.iter().fold(String::new(), |all, line| all + ", pid " + line)
}

fn or_unknown(value: Option<&str>) -> String {
    value.map_or_else(|| "unknown".to_owned(), one_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> (Vec<LockRequest>, Vec<Session>) {
        let sessions = Session {
            pid: 11,
            backend_start: String::new(),
            state: Some("active".to_owned()),
            query: Some("ALTER TABLE orders ADD note text DEFAULT ?".to_owned()),
            running_for: None,
            is_waiting: true,
        };
        let requests =
            LockRequest { pid: 11, lock: "AccessExclusiveLock on orders".to_owned(), waiting_for: None };
        (vec![requests], vec![sessions])
    }

    #[test]
    fn a_person_learns_who_blocks_and_who_suffers() {
        let (requests, sessions) = ours();
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
                "  to end pid 7, if that may be: select pg_terminate_backend(7);",
            ]
        );
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_and_not_nothing() {
        let (requests, sessions) = ours();
        let end_statement = Some("kill 7;".to_owned());
        let hidden = Blocker { pid: 7, is_root: true, end_statement, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[hidden], Waiters::default());
        assert!(
            lines[1].contains("state unknown") && lines[1].contains("its statement: unknown"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("  perhaps blocked by pid 7"), "{lines:?}");
        assert!(!lines.concat().contains("to end"), "{lines:?}");
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[], Waiters::default());
        assert_eq!(lines[1], "  who holds it is unknown");
    }

    #[test]
    fn a_prepared_transaction_has_no_process_to_end() {
        let (requests, sessions) = ours();
        let prepared = Blocker { is_root: true, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &requests, &sessions, &[prepared], Waiters::default());
        assert!(lines[1].contains("prepared transaction"));
        assert!(!lines.concat().contains("pg_terminate_backend"));
    }
}
