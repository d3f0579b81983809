//! What a person reads while a migration waits, or takes its time.

use std::fmt::Write as _;
use std::time::Duration;

use common::duration::format_duration;

use crate::mask::one_line;
use crate::server::{Blocker, Own, Victims, Wanted};

/// A migration that waits: for what, for whom, and who waits behind it.
pub(super) fn blocked(
    age: Duration,
    wanted: &[Wanted],
    own: &[Own],
    blockers: &[Blocker],
    victims: Victims,
) -> Vec<String> {
    let mut lines = vec![format!("waiting {} for a lock{}", format_duration(age), what(wanted, own))];
    lines.extend(blockers.iter().map(blocker));
    if blockers.is_empty() {
        lines.push("  who holds it is unknown".to_owned());
    }
    lines.push(behind(victims));
    let root = blockers.iter().find(|blocker| blocker.is_root && blocker.is_sure);
    lines.extend(root.and_then(|root| {
        root.to_end.as_ref().map(|sql| format!("  to end pid {}, if that may be: {sql}", root.pid))
    }));
    lines
}

fn what(wanted: &[Wanted], own: &[Own]) -> String {
    let Some(wanted) = wanted.first() else { return String::new() };
    let statement = own.iter().find(|own| own.pid == wanted.pid).and_then(|own| own.query.as_deref());
    let statement = statement.unwrap_or("statement unknown");
    format!(": {} (pid {}: {statement})", wanted.lock, wanted.pid)
}

fn blocker(it: &Blocker) -> String {
    if it.pid == 0 {
        return "  blocked by a prepared transaction: see pg_prepared_xacts".to_owned();
    }
    let surely = if it.is_sure { "" } else { "perhaps " };
    let mut line = format!("  {surely}blocked by pid {}, user {}", it.pid, known(it.user.as_deref()));
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
    match (&it.state, it.in_state) {
        (Some(state), Some(age)) => drop(write!(line, ", {state} for {}", format_duration(age))),
        (Some(state), None) => drop(write!(line, ", {state}")),
        (None, _) => line.push_str(", state unknown"),
    }
    if let Some(age) = it.transaction {
        let _ = write!(line, ", in a transaction for {}", format_duration(age));
    }
    let waits = if it.is_root { "" } else { ", waits itself" };
    let _ = write!(line, ", holds {}{waits}", known(it.holds.as_deref()));
    let _ = write!(line, "; its statement: {}", it.query.as_deref().unwrap_or("unknown"));
    line
}

fn behind(victims: Victims) -> String {
    let longest =
        victims.longest.map(|age| format!(", the longest for {}", format_duration(age))).unwrap_or_default();
    match victims.count {
        None => "  who waits behind it is unknown".to_owned(),
        Some(0) => "  nobody waits behind it yet".to_owned(),
        Some(1) => format!("  1 session waits behind it{longest}"),
        Some(count) => format!("  {count} sessions wait behind it{longest}"),
    }
}

/// A migration that has run for long, and does not wait.
pub(super) fn running(elapsed: Duration, own: &[Own], progress: &[String]) -> Vec<String> {
    let mut lines = vec![format!("running for {}", format_duration(elapsed))];
    for session in own {
        let statement = session.query.as_deref().unwrap_or("unknown");
        let state = known(session.state.as_deref());
        let age = session.running.map(|age| format!(" for {}", format_duration(age))).unwrap_or_default();
        lines.push(format!("  pid {}, {state}{age}: {statement}", session.pid));
    }
    if own.is_empty() {
        lines.push("  no session of it is seen in the database".to_owned());
    } else if progress.is_empty() {
        lines.push("  the server reports no progress for this kind of statement".to_owned());
    }
    lines.extend(progress.iter().map(|line| format!("  progress of pid {line}")));
    lines
}

/// The live line of one that waits, after the time.
pub(super) fn live_blocked(age: Duration, blockers: &[Blocker], victims: Victims) -> String {
    let whom = match blockers {
        [] => "somebody".to_owned(),
        [one] => format!("pid {} ({})", one.pid, known(one.user.as_deref())),
        [one, more @ ..] => {
            format!("pid {} ({}) and {} more", one.pid, known(one.user.as_deref()), more.len())
        }
    };
    let behind = victims.count.map(|count| format!(", {count} wait behind it")).unwrap_or_default();
    format!(", waits {} for {whom}{behind}", format_duration(age))
}

/// The live line of one that works, after the time.
pub(super) fn live_running(progress: &[String]) -> String {
    progress.iter().fold(String::new(), |all, line| all + ", pid " + line)
}

fn known(value: Option<&str>) -> String {
    value.map_or_else(|| "unknown".to_owned(), one_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> (Vec<Wanted>, Vec<Own>) {
        let own = Own {
            pid: 11,
            backend_start: String::new(),
            state: Some("active".to_owned()),
            query: Some("ALTER TABLE orders ADD note text DEFAULT ?".to_owned()),
            running: None,
            waits: true,
        };
        let wanted = Wanted { pid: 11, lock: "AccessExclusiveLock on orders".to_owned(), since: None };
        (vec![wanted], vec![own])
    }

    #[test]
    fn a_person_learns_who_blocks_and_who_suffers() {
        let (wanted, own) = ours();
        let text = |text: &str| Some(text.to_owned());
        let blocker = Blocker {
            pid: 7,
            is_sure: true,
            user: text("web"),
            application: text("shop"),
            client: text("10.0.0.7"),
            state: text("idle in transaction"),
            in_state: Some(Duration::from_secs(190)),
            transaction: Some(Duration::from_secs(192)),
            kind: text("client backend"),
            query: text("SELECT * FROM orders WHERE id = ?"),
            holds: text("AccessShareLock on orders"),
            is_root: true,
            to_end: text("select pg_terminate_backend(7);"),
            ..Blocker::default()
        };
        let victims = Victims { count: Some(3), longest: Some(Duration::from_millis(800)) };
        let two = [blocker.clone(), Blocker { pid: 8, ..blocker.clone() }];
        let live = live_blocked(Duration::from_millis(1200), &two, victims);
        assert_eq!(live, ", waits 1.2s for pid 7 (web) and 1 more, 3 wait behind it");
        let lines = blocked(Duration::from_millis(1200), &wanted, &own, &[blocker], victims);
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
        let (wanted, own) = ours();
        let to_end = Some("kill 7;".to_owned());
        let hidden = Blocker { pid: 7, is_root: true, to_end, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &wanted, &own, &[hidden], Victims::default());
        assert!(
            lines[1].contains("state unknown") && lines[1].contains("its statement: unknown"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("  perhaps blocked by pid 7"), "{lines:?}");
        assert!(!lines.concat().contains("to end"), "{lines:?}");
        let lines = blocked(Duration::ZERO, &wanted, &own, &[], Victims::default());
        assert_eq!(lines[1], "  who holds it is unknown");
    }

    #[test]
    fn a_prepared_transaction_has_no_process_to_end() {
        let (wanted, own) = ours();
        let prepared = Blocker { is_root: true, ..Blocker::default() };
        let lines = blocked(Duration::ZERO, &wanted, &own, &[prepared], Victims::default());
        assert!(lines[1].contains("prepared transaction"));
        assert!(!lines.concat().contains("pg_terminate_backend"));
    }
}
