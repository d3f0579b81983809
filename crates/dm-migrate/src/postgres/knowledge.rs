//! What the database knows about the names in SQL that is checked before it runs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use tokio_postgres::types::Type;

use super::Postgres;
use super::address::Address;
use super::connection::Connection;
use crate::check::facts::{Facts, Names, RelationFacts};
use crate::check::{Knowledge, Relation};
use crate::schema::{SchemaVersions, VersionTable};
use crate::server::Server as _;

/// Reads it. The connection changes nothing, and waits for no lock.
pub(crate) fn knowledge(
    address: &Address,
    names: &Names,
    version_table: Option<&VersionTable>,
) -> Result<Knowledge> {
    let read = async {
        let database = Postgres::connect(address, "dm-migrate --check").await?;
        let versions = SchemaVersions::read(&database, version_table).await.unwrap_or_default();
        let found = database.in_database(async |connection| {
            let version = connection.rows("select current_setting('server_version_num')::int4", &[]).await?;
            let version: i32 =
                version.first().context("the server did not report its version")?.try_get(0)?;
            let facts = Facts {
                relations: relations(connection, names).await?,
                is_volatile: functions(connection, names, "bool_or(provolatile = 'v')").await?,
                is_built_in: functions(
                    connection,
                    names,
                    "bool_and(pronamespace = 'pg_catalog'::regnamespace)",
                )
                .await?,
                is_constrained: types(connection, names).await?,
            };
            Ok((facts, u32::try_from(version / 10_000).unwrap_or_default()))
        });
        let (facts, major) = found.await?.context("the database does not exist")?;
        anyhow::Ok(Knowledge { facts, versions, major })
    };
    common::runtime::block_on(read).context("cannot start a runtime")?
}

/// The size of a relation in SQL: of its partitions, if it has some.
const SIZES: &str = "select n.name, c.oid is not null, c.relkind = 'i' or c.relkind = 'I', t.relname::text, s.nspname::text, \
        case when c.relkind in ('r', 'm', 't') then pg_total_relation_size(c.oid) \
            when c.relkind = 'p' then (select sum(pg_total_relation_size(p.relid))::int8 from pg_partition_tree(c.oid) p) end, \
        case when c.relkind in ('r', 'm', 't') then nullif(c.reltuples, -1)::int8 \
            when c.relkind = 'p' then (select sum(nullif(l.reltuples, -1))::int8 from pg_partition_tree(c.oid) p \
                join pg_class l on l.oid = p.relid where p.isleaf) end \
     from unnest($1::text[]) n (name) left join pg_class c on c.oid = to_regclass(n.name) \
     left join pg_index i on i.indexrelid = c.oid left join pg_class t on t.oid = i.indrelid \
     left join pg_namespace s on s.oid = t.relnamespace and not pg_table_is_visible(t.oid)";

async fn relations(
    database: &Connection,
    names: &Names,
) -> Result<BTreeMap<Relation, Option<RelationFacts>>> {
    let mut found = read_relations(database, names.relations.iter()).await?;
    // The tables of the indexes, which the SQL does not name.
    let tables = found.values().flatten().filter_map(|facts| facts.table.clone());
    let tables: BTreeSet<Relation> = tables.filter(|table| !found.contains_key(table)).collect();
    found.extend(read_relations(database, tables.iter()).await?);
    Ok(found)
}

async fn read_relations(
    database: &Connection,
    relations: impl Iterator<Item = &Relation>,
) -> Result<BTreeMap<Relation, Option<RelationFacts>>> {
    let by_name: BTreeMap<String, &Relation> =
        relations.map(|relation| (relation.quoted(), relation)).collect();
    let quoted: Vec<&String> = by_name.keys().collect();
    let mut found = BTreeMap::new();
    for row in database.rows(SIZES, &[(&quoted, Type::TEXT_ARRAY)]).await.context("cannot read the sizes")? {
        let Some(relation) = by_name.get(row.try_get::<_, &str>(0)?) else { continue };
        let facts = row.try_get::<_, bool>(1)?.then(|| -> Result<RelationFacts> {
            let is_index: Option<bool> = row.try_get(2)?;
            let table: Option<String> = row.try_get(3)?;
            let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
            Ok(RelationFacts {
                bytes: unsigned(row.try_get(5)?),
                rows: unsigned(row.try_get(6)?),
                table: match (is_index, table) {
                    (Some(true), Some(name)) => Some(Relation { schema: row.try_get(4)?, name }),
                    _ => None,
                },
                ..RelationFacts::default()
            })
        });
        found.insert((*relation).clone(), facts.transpose()?);
    }
    let columns = "select n.name, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull or exists \
            (select from pg_constraint c where c.conrelid = a.attrelid and c.contype = 'c' and c.convalidated \
             and pg_get_constraintdef(c.oid) = format('CHECK ((%I IS NOT NULL))', a.attname)) \
         from unnest($1::text[]) n (name) join pg_attribute a on a.attrelid = to_regclass(n.name) \
         where a.attnum > 0 and not a.attisdropped";
    for row in
        database.rows(columns, &[(&quoted, Type::TEXT_ARRAY)]).await.context("cannot read the columns")?
    {
        let relation = by_name.get(row.try_get::<_, &str>(0)?);
        let Some(Some(facts)) = relation.and_then(|relation| found.get_mut(*relation)) else { continue };
        let column: String = row.try_get(1)?;
        if row.try_get(3)? {
            facts.not_null.insert(column.clone());
        }
        facts.columns.insert(column, row.try_get(2)?);
    }
    Ok(found)
}

/// A fact about all functions of each name.
async fn functions(database: &Connection, names: &Names, fact: &str) -> Result<BTreeMap<String, bool>> {
    let sql = format!("select proname::text, {fact} from pg_proc where proname = any($1::text[]) group by 1");
    by_name(database, &sql, &names.functions).await.context("cannot read the functions")
}

/// Whether each type is a domain with a constraint.
async fn types(database: &Connection, names: &Names) -> Result<BTreeMap<String, bool>> {
    let sql = "select t.typname::text, bool_or(t.typtype = 'd' and (t.typnotnull or t.typbasetype in \
            (select oid from pg_type where typtype = 'd') or exists (select from pg_constraint c where c.contypid = t.oid))) \
         from pg_type t where t.typname = any($1::text[]) group by 1";
    by_name(database, sql, &names.types).await.context("cannot read the types")
}

async fn by_name(
    database: &Connection,
    sql: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, bool>> {
    let names: Vec<&String> = names.iter().collect();
    let rows = database.rows(sql, &[(&names, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}
