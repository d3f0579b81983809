//! Terminates sessions that block the migration (`--terminate-blockers`): only those that match the user's rules, and
//! never those of a superuser, a replication or a process of the server.

use anyhow::Result;
use common::duration::format_duration;

use crate::redact::one_line;
use crate::server::{Blocker, Server, TerminateRules};

/// The limit per run. If more sessions have to be terminated, the problem is a different one.
const MAX_TERMINATED: usize = 3;

/// The blockers that may be terminated; `terminated` is the number of earlier ones in this run.
fn candidates<'a>(
    rules: &TerminateRules,
    blockers: &'a [Blocker],
    terminated: usize,
) -> impl Iterator<Item = &'a Blocker> {
    let matches_rules = move |blocker: &&Blocker| {
        blocker.is_root
            && blocker.is_certain
            && blocker.kind.as_deref() == Some("client backend")
            && blocker.state.as_deref() == Some(&rules.state)
            && blocker.in_state_for.is_some_and(|age| age >= rules.min_age)
    };
    blockers.iter().filter(matches_rules).take(MAX_TERMINATED.saturating_sub(terminated))
}

/// Terminates the blockers that match the rules. Returns a description of each.
pub(super) async fn apply(
    database: &impl Server,
    rules: &TerminateRules,
    blockers: &[Blocker],
    terminated: usize,
) -> Result<Vec<String>> {
    let mut actions = Vec::new();
    for blocker in candidates(rules, blockers, terminated) {
        if database.terminate(blocker, rules).await? {
            actions.push(describe(blocker));
        }
    }
    Ok(actions)
}

fn describe(blocker: &Blocker) -> String {
    let or_unknown = |value: &Option<String>| value.as_deref().map_or_else(|| "unknown".to_owned(), one_line);
    format!(
        "terminated pid {}, user {}, app \"{}\", {} for {}",
        blocker.pid,
        or_unknown(&blocker.user),
        or_unknown(&blocker.application),
        or_unknown(&blocker.state),
        blocker.in_state_for.map(format_duration).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_blockers_that_match_the_rules_are_terminated() {
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
