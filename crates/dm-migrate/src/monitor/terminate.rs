//! The end of somebody else's session that blocks the migration: only where the user asked for it, only of the kind
//! that they asked for, and never of a superuser, a replication or one of the server's own processes.

use std::time::Duration;

use anyhow::Result;
use common::duration::show;
use tokio_postgres::types::Type;

use super::look::Blocker;
use crate::database::Database;
use crate::mask::one_line;

/// So many in one run: whoever has to end more has another problem.
const MOST: usize = 3;

/// Whose session may be ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Its state, such as `idle in transaction`.
    pub state: String,
    /// For how long it has been in it.
    pub min_age: Duration,
}

impl Rules {
    /// Those of the blockers that may be ended, after so many that were.
    fn of<'a>(&self, blockers: &'a [Blocker], ended: usize) -> impl Iterator<Item = &'a Blocker> {
        let may = move |it: &&Blocker| {
            it.is_root
                && it.kind.as_deref() == Some("client backend")
                && it.state.as_deref() == Some(&self.state)
                && it.in_state.is_some_and(|age| age >= self.min_age)
        };
        blockers.iter().filter(may).take(MOST.saturating_sub(ended))
    }

    /// Ends those that may be; says which it ended. All is asked again in the statement that does it, for much may have
    /// happened since they were seen.
    pub(super) async fn apply(
        &self,
        database: &Database,
        name: &str,
        blockers: &[Blocker],
        ended: usize,
    ) -> Result<Vec<String>> {
        let sql = "select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_roles r on r.oid = a.usesysid \
             where a.pid = $1 and a.backend_start = $2::text::timestamptz and a.backend_type = 'client backend' \
             and a.state = $3 and a.state_change <= clock_timestamp() - $4 * interval '1 second' \
             and not r.rolsuper and not r.rolreplication and exists (select from pg_stat_activity m \
                 where m.application_name = $5 and a.pid = any (pg_blocking_pids(m.pid)))";
        let mut acts = Vec::new();
        for blocker in self.of(blockers, ended) {
            let age = self.min_age.as_secs_f64();
            let started = blocker.backend_start.as_deref().unwrap_or_default();
            let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
                (&blocker.pid, Type::INT4),
                (&started, Type::TEXT),
                (&self.state, Type::TEXT),
                (&age, Type::FLOAT8),
                (&name, Type::TEXT),
            ];
            let rows = database.rows(sql, &values).await?;
            if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
                acts.push(told(blocker));
            }
        }
        Ok(acts)
    }
}

fn told(it: &Blocker) -> String {
    let known = |value: &Option<String>| value.as_deref().map_or_else(|| "unknown".to_owned(), one_line);
    format!(
        "terminated pid {}, user {}, app \"{}\", {} for {}",
        it.pid,
        known(&it.user),
        known(&it.application),
        known(&it.state),
        it.in_state.map(show).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_ended() {
        let text = |text: &str| Some(text.to_owned());
        let idle = Blocker {
            pid: 7,
            state: text("idle in transaction"),
            in_state: Some(Duration::from_mins(1)),
            kind: text("client backend"),
            is_root: true,
            ..Blocker::default()
        };
        let rules = Rules { state: "idle in transaction".to_owned(), min_age: Duration::from_mins(1) };
        let all = [
            idle.clone(),
            Blocker { state: text("active"), ..idle.clone() },
            Blocker { state: None, ..idle.clone() },
            Blocker { in_state: Some(Duration::from_secs(59)), ..idle.clone() },
            Blocker { in_state: None, ..idle.clone() },
            Blocker { kind: text("autovacuum worker"), ..idle.clone() },
            Blocker { is_root: false, ..idle.clone() },
        ];
        assert_eq!(rules.of(&all, 0).collect::<Vec<_>>(), [&idle]);
        assert_eq!(rules.of(&vec![idle.clone(); 9], 1).count(), 2);
    }
}
