//! The progress of statements, from the views `pg_stat_progress_…`.

use anyhow::Result;

use super::Postgres;
use crate::redact::one_line;
use crate::server::Progress;

/// Of each view: what is done, of how much of it in this phase, how many rows so far, and who is waited for. Without a
/// total, the amount of work is unknown. See <https://www.postgresql.org/docs/current/progress-reporting.html>.
const VIEWS: &str = "select pid, command || ', ' || phase as what, \
        case when phase like 'waiting%' then lockers_done when phase like '%tuples%' then tuples_done else blocks_done end as done, \
        case when phase like 'waiting%' then lockers_total when phase like '%tuples%' then tuples_total else blocks_total end as total, \
        null::int8 as rows, current_locker_pid as locker from pg_stat_progress_create_index \
    union all select pid, 'VACUUM, ' || phase, \
        case phase when 'vacuuming heap' then heap_blks_vacuumed when 'scanning heap' then heap_blks_scanned end, \
        heap_blks_total, null, 0 from pg_stat_progress_vacuum \
    union all select pid, command || ', ' || phase, case phase when 'seq scanning heap' then heap_blks_scanned end, \
        heap_blks_total, heap_tuples_written, 0 from pg_stat_progress_cluster \
    union all select pid, 'ANALYZE, ' || phase, case phase when 'acquiring sample rows' then sample_blks_scanned end, \
        sample_blks_total, null, 0 from pg_stat_progress_analyze \
    union all select pid, command, case when bytes_total > 0 then bytes_processed end, bytes_total, tuples_processed, 0 \
        from pg_stat_progress_copy";

/// The progress of the migration's statements, for those that report it. What is hidden from the role is left out.
pub(super) async fn progress(database: &Postgres) -> Result<Vec<Progress>> {
    let sql = format!(
        "select pid, what, case when total > 0 then least(1.0, done::float8 / total)::float8 end, \
             case when rows > 0 then rows end::int8, nullif(locker, 0)::int8 \
         from ({VIEWS}) p where pid = any ($1) and what is not null order by 1"
    );
    let rows = database.rows_for_migration(&sql).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Progress {
            pid: row.try_get::<_, i32>(0)?.into(),
            what: one_line(row.try_get(1)?),
            share: row.try_get(2)?,
            rows: row.try_get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
            waits_for: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}
