//! The end of somebody else's session that blocks the migration: only where the user asked for it, only of the kind
//! that they asked for, and never of a superuser, a replication or one of the server's own processes.

use anyhow::Result;
use common::duration::format_duration;

use crate::redact::one_line;
use crate::server::{Blocker, Server, TerminateRules};

/// So many in one run: whoever has to end more has another problem.
const MAX_TERMINATED: usize = 3;

/// Those of the blockers that may be ended, after so many that were.
fn candidates<'a>(
    rules: &TerminateRules,
    blockers: &'a [Blocker],
    ended: usize,
) -> impl Iterator<Item = &'a Blocker> {
    let matches_rules = move |it: &&Blocker| {
        it.is_root
            && it.is_certain
            && it.kind.as_deref() == Some("client backend")
            && it.state.as_deref() == Some(&rules.state)
            && it.in_state_for.is_some_and(|age| age >= rules.min_age)
    };
    blockers.iter().filter(matches_rules).take(MAX_TERMINATED.saturating_sub(ended))
}

/// Ends those that may be; says which it ended.
pub(super) async fn apply(
    database: &impl Server,
    rules: &TerminateRules,
    blockers: &[Blocker],
    ended: usize,
) -> Result<Vec<String>> {
    let mut terminated = Vec::new();
    for blocker in candidates(rules, blockers, ended) {
        if database.terminate(blocker, rules).await? {
            terminated.push(describe(blocker));
        }
    }
    Ok(terminated)
}

fn describe(it: &Blocker) -> String {
    let or_unknown = |value: &Option<String>| value.as_deref().map_or_else(|| "unknown".to_owned(), one_line);
    format!(
        "terminated pid {}, user {}, app \"{}\", {} for {}",
        it.pid,
        or_unknown(&it.user),
        or_unknown(&it.application),
        or_unknown(&it.state),
        it.in_state_for.map(format_duration).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_was_asked_for_is_ended() {
        let text = |text: &str| Some(text.to_owned());
        let idle = Blocker {
            pid: 7,
            is_certain: true,
            state: text("idle in transaction"),
            in_state_for: Some(Duration::from_mins(1)),
            kind: text("client backend"),
            is_root: true,
            ..Blocker::default()
        };
        let rules =
            TerminateRules { state: "idle in transaction".to_owned(), min_age: Duration::from_mins(1) };
        let all = [
            idle.clone(),
            Blocker { state: text("active"), ..idle.clone() },
            Blocker { state: None, ..idle.clone() },
            Blocker { in_state_for: Some(Duration::from_secs(59)), ..idle.clone() },
            Blocker { in_state_for: None, ..idle.clone() },
            Blocker { kind: text("autovacuum worker"), ..idle.clone() },
            Blocker { is_root: false, ..idle.clone() },
            Blocker { is_certain: false, ..idle.clone() },
        ];
        assert_eq!(candidates(&rules, &all, 0).collect::<Vec<_>>(), [&idle]);
        assert_eq!(candidates(&rules, &vec![idle.clone(); 9], 1).count(), 2);
    }
}
