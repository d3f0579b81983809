//! The catalogue of the database: a fingerprint that every committed change of the schema changes, and what a failed
//! change leaves behind.

use anyhow::{Context, Result};

use super::connection::Connection;
use crate::leftover::Leftover;
use crate::schema;

/// The tables of the catalogue: name, column with the id, and condition for rows of the user that are not temporary.
const TABLES: &[(&str, &str, &str)] = &[
    ("pg_namespace", "oid", "oid >= 16384 and nspname !~ '^pg_(toast_)?temp_'"),
    ("pg_class", "oid", "oid >= 16384 and relpersistence <> 't'"),
    ("pg_attribute", "attrelid", "attrelid >= 16384 and attrelid not in (select oid from temporary)"),
    ("pg_attrdef", "oid", "adrelid not in (select oid from temporary)"),
    ("pg_constraint", "oid", "oid >= 16384 and conrelid not in (select oid from temporary)"),
    ("pg_index", "indexrelid", "indexrelid >= 16384 and indrelid not in (select oid from temporary)"),
    ("pg_trigger", "oid", "tgrelid not in (select oid from temporary)"),
    ("pg_rewrite", "oid", "oid >= 16384 and ev_class not in (select oid from temporary)"),
    ("pg_policy", "oid", "true"),
    ("pg_proc", "oid", "oid >= 16384"),
    (
        "pg_type",
        "oid",
        "oid >= 16384 and typrelid not in (select oid from temporary) and typelem not in \
        (select t.oid from pg_type t where t.typrelid in (select oid from temporary))",
    ),
    ("pg_enum", "oid", "true"),
    ("pg_sequence", "seqrelid", "seqrelid not in (select oid from temporary)"),
    ("pg_extension", "oid", "oid >= 16384"),
];

/// The fingerprint. A row that is added, changed or removed changes the number of rows or the sum of their ids and
/// transactions.
pub(super) async fn fingerprint(connection: &Connection) -> Result<String> {
    let parts = TABLES.iter().map(|(table, id, condition)| {
        format!(
            "(select count(*) || ':' || coalesce(sum({id}::int8), 0) || ':' || coalesce(sum(xmin::text::int8), 0) \
             from {table} where {condition})"
        )
    });
    let sql = format!(
        "with temporary as materialized (select oid from pg_class where relpersistence = 't') select concat_ws(' ', {})",
        parts.collect::<Vec<_>>().join(", ")
    );
    let rows = connection.text_rows(&sql).await.context("cannot read the catalogue")?;
    rows.into_iter().flatten().next().flatten().context("the server did not report its catalogue")
}

/// What failed changes have left behind. An index that is being built is not invalid yet, and that of a partitioned
/// table is valid only when all partitions have one.
pub(super) async fn leftovers(connection: &Connection) -> Result<Vec<Leftover>> {
    let sql = "select 'the index ' || i.indexrelid::regclass || ' of ' || i.indrelid::regclass || \
             case when c.relname ~ '_cc(new|old)[0-9]*$' then ' is left from a failed REINDEX CONCURRENTLY' \
                 else ' is invalid: its CREATE INDEX CONCURRENTLY failed' end, \
             case when c.relname ~ '_cc(new|old)[0-9]*$' then 'drop index concurrently ' || i.indexrelid::regclass || ';' \
                 else 'reindex index concurrently ' || i.indexrelid::regclass || ';' end, false \
         from pg_index i join pg_class c on c.oid = i.indexrelid \
         where not i.indisvalid and c.relkind = 'i' and c.relpersistence <> 't' and not exists \
             (select from pg_stat_progress_create_index p where p.datname = current_database() \
              and (p.relid is null or p.relid = i.indrelid)) \
         union all \
         select 'the constraint ' || quote_ident(n.conname) || ' of ' || case when n.conrelid <> 0 \
                 then n.conrelid::regclass::text else 'the domain ' || n.contypid::regtype end || ' is not validated', \
             'alter ' || case when n.conrelid <> 0 then 'table ' || n.conrelid::regclass \
                 else 'domain ' || n.contypid::regtype end || ' validate constraint ' || quote_ident(n.conname) || ';', true \
         from pg_constraint n where not n.convalidated and n.conparentid = 0 order by 1 limit 100";
    let rows = connection.rows(sql, &[]).await.context("cannot look for invalid indexes")?;
    rows.iter()
        .map(|row| {
            Ok(Leftover {
                problem: row.try_get(0)?,
                repair: row.try_get(1)?,
                can_be_intended: row.try_get(2)?,
            })
        })
        .collect()
}

/// The ids of the tables in which migration tools keep their versions and their locks.
pub(super) async fn version_tables(connection: &Connection) -> Result<Vec<u32>> {
    let names = schema::table_names();
    let sql = format!("select oid from pg_class where relkind in ('r', 'p') and lower(relname) in ({names})");
    let rows = connection.rows(&sql, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
