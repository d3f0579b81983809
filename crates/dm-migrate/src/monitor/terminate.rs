//! The end of somebody else's session that blocks the migration: only where the user asked for it, only of the kind
//! that they asked for, and never of a superuser, a replication or one of the server's own processes.

use anyhow::Result;
use common::duration::format_duration;

use crate::mask::one_line;
use crate::server::{Blocker, Server, TerminateRules};

/// So many in one run: whoever has to end more has another problem.
const MOST: usize = 3;

/// Those of the blockers that may be ended, after so many that were.
fn those<'a>(
    rules: &TerminateRules,
    blockers: &'a [Blocker],
    ended: usize,
) -> impl Iterator<Item = &'a Blocker> {
    let may = move |it: &&Blocker| {
        it.is_root
            && it.is_sure
            && it.kind.as_deref() == Some("client backend")
            && it.state.as_deref() == Some(&rules.state)
            && it.in_state.is_some_and(|age| age >= rules.min_age)
    };
    blockers.iter().filter(may).take(MOST.saturating_sub(ended))
}

/// Ends those that may be; says which it ended.
pub(super) async fn apply(
    database: &impl Server,
    rules: &TerminateRules,
    blockers: &[Blocker],
    ended: usize,
) -> Result<Vec<String>> {
    let mut acts = Vec::new();
    for blocker in those(rules, blockers, ended) {
        if database.terminate(blocker, rules).await? {
            acts.push(told(blocker));
        }
    }
    Ok(acts)
}

fn told(it: &Blocker) -> String {
    let known = |value: &Option<String>| value.as_deref().map_or_else(|| "unknown".to_owned(), one_line);
    format!(
        "terminated pid {}, user {}, app \"{}\", {} for {}",
        it.pid,
        known(&it.user),
        known(&it.application),
        known(&it.state),
        it.in_state.map(format_duration).unwrap_or_default()
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
            is_sure: true,
            state: text("idle in transaction"),
            in_state: Some(Duration::from_mins(1)),
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
            Blocker { in_state: Some(Duration::from_secs(59)), ..idle.clone() },
            Blocker { in_state: None, ..idle.clone() },
            Blocker { kind: text("autovacuum worker"), ..idle.clone() },
            Blocker { is_root: false, ..idle.clone() },
            Blocker { is_sure: false, ..idle.clone() },
        ];
        assert_eq!(those(&rules, &all, 0).collect::<Vec<_>>(), [&idle]);
        assert_eq!(those(&rules, &vec![idle.clone(); 9], 1).count(), 2);
    }
}
