//! The schema's version, as the migration tool's own table has it. Several tools share a name for it, so a table is
//! known by its columns, never by the command.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::database::Database;

/// A kind of version table.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// The tool.
    pub tool: &'static str,
    /// Its table.
    pub table: &'static str,
    /// A column that is there.
    has: &'static str,
    /// A column that is not, or a table beside it that is not.
    has_not: &'static str,
    /// `version, applied, dirty` of `{table}`.
    select: &'static str,
}

/// Versions of digits come in the order of numbers, however they are stored.
const NEWEST: &str = "(array_agg(version::text order by length(version::text) desc, version::text desc))[1]";

/// The tools. Of two shapes that fit one table, the first is meant.
const SHAPES: &[Shape] = &[
    shape("sqlx", "_sqlx_migrations", "success", "", "{newest}, count(*), bool_or(not success)"),
    shape("golang-migrate", "schema_migrations", "dirty", "", "{newest}, count(*), bool_or(dirty)"),
    shape("rails", "schema_migrations", "ar_internal_metadata.key", "", "{newest}, count(*), null::bool"),
    shape("dbmate", "schema_migrations", "version", "dirty", "{newest}, count(*), null::bool"),
    shape(
        "flyway",
        "flyway_schema_history",
        "installed_rank",
        "",
        "(array_agg(version::text order by installed_rank desc) filter (where success and version is not null))[1], \
         count(*) filter (where success), bool_or(not success)",
    ),
    shape(
        "liquibase",
        "databasechangelog",
        "orderexecuted",
        "",
        "(array_agg(id::text order by orderexecuted desc))[1], count(*), \
         (select bool_or(locked) from {table}lock)",
    ),
    shape(
        "alembic",
        "alembic_version",
        "version_num",
        "",
        "string_agg(version_num, ',' order by version_num), count(*), null::bool",
    ),
    shape(
        "django",
        "django_migrations",
        "applied",
        "",
        "(array_agg(app || '.' || name order by id desc))[1], count(*), null::bool",
    ),
    shape(
        "prisma",
        "_prisma_migrations",
        "migration_name",
        "",
        "(array_agg(migration_name order by started_at desc) filter \
             (where finished_at is not null and rolled_back_at is null))[1], \
         count(*) filter (where finished_at is not null and rolled_back_at is null), \
         bool_or(finished_at is null and rolled_back_at is null)",
    ),
    shape("refinery", "refinery_schema_history", "applied_on", "", "{newest}, count(*), null::bool"),
    shape("diesel", "__diesel_schema_migrations", "run_on", "", "{newest}, count(*), null::bool"),
    shape(
        "atlas",
        "atlas_schema_revisions",
        "applied",
        "",
        "max(version), count(*), bool_or(applied < total or coalesce(error, '') <> '')",
    ),
];

const fn shape(
    tool: &'static str,
    table: &'static str,
    has: &'static str,
    has_not: &'static str,
    select: &'static str,
) -> Shape {
    Shape { tool, table, has, has_not, select }
}

/// A version table, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The tool whose table has this shape.
    pub tool: &'static str,
    /// Where it is.
    pub schema: String,
    /// The newest migration; `None` where none was applied.
    pub version: Option<String>,
    /// How many were applied.
    pub applied: i64,
    /// Whether the tool marked one as half applied; `None` where it keeps no such mark.
    pub dirty: Option<bool>,
}

/// All that the version tables of a database say; none of them: the version is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions(pub Vec<Found>);

impl Versions {
    /// Asks the database.
    pub async fn find(database: &Database) -> Result<Self> {
        let tables: Vec<String> = SHAPES.iter().map(|shape| format!("'{}'", shape.table)).collect();
        let columns = format!(
            "select table_schema::text, table_name::text, column_name::text from information_schema.columns \
             where table_name in ('ar_internal_metadata', {})",
            tables.join(", ")
        );
        let rows = database.rows(&columns, &[]).await?;
        let columns: BTreeSet<(String, String, String)> = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
            .collect::<Result<_>>()?;
        let mut found = Vec::new();
        for (schema, shape) in shapes(&columns) {
            let rows = database.rows(&shape.sql(schema), &[]).await?;
            for row in rows {
                let (version, applied, dirty) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                found.push(Found { tool: shape.tool, schema: schema.to_owned(), version, applied, dirty });
            }
        }
        Ok(Self(found))
    }

    /// The version, for the record: with its place, where there are several.
    pub fn version(&self) -> Option<String> {
        match self.0.as_slice() {
            [one] => one.version.clone(),
            several => {
                let each = several.iter().filter_map(|it| {
                    it.version.as_ref().map(|version| format!("{} {}: {version}", it.schema, it.tool))
                });
                let all = each.collect::<Vec<_>>().join("; ");
                (!all.is_empty()).then_some(all)
            }
        }
    }

    /// Whether any of them is marked as half applied; `None` where no tool keeps such a mark.
    pub fn dirty(&self) -> Option<bool> {
        self.0.iter().filter_map(|found| found.dirty).reduce(|a, b| a || b)
    }

    /// Whether one of them is at `version`.
    pub fn is_at(&self, version: &str) -> bool {
        self.0.iter().any(|found| found.version.as_deref() == Some(version))
    }

    /// Whether the schema is surely still as it was `before`: the same versions, and none half applied.
    pub fn is_surely_still(&self, before: &Self) -> bool {
        !self.0.is_empty() && self == before && self.dirty() != Some(true)
    }

    /// For people: what became of it since `before`, by a command that ended well or not. Nothing where there is no
    /// version table.
    pub fn since(&self, before: &Self, well: bool) -> Option<String> {
        let shown = |versions: &Self| versions.version().unwrap_or_else(|| "nothing".to_owned());
        let tools: BTreeSet<&str> = self.0.iter().map(|found| found.tool).collect();
        let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
        if self.0.is_empty() {
            None
        } else if self.dirty() == Some(true) {
            Some(format!("the schema is marked as half migrated ({tools}), at {}", shown(self)))
        } else if self == before {
            let nothing = if well { "nothing to do: " } else { "" };
            Some(format!("{nothing}the schema stays at {} ({tools})", shown(self)))
        } else {
            Some(format!("the schema went from {} to {} ({tools})", shown(before), shown(self)))
        }
    }
}

impl Shape {
    fn fits(&self, columns: &BTreeSet<(String, String, String)>, schema: &str) -> bool {
        let has = |wanted: &str| {
            let (table, column) = wanted.split_once('.').unwrap_or((self.table, wanted));
            columns.contains(&(schema.to_owned(), table.to_owned(), column.to_owned()))
        };
        has(self.has) && !has(self.has_not)
    }

    fn sql(&self, schema: &str) -> String {
        let table = format!("\"{}\".{}", schema.replace('"', "\"\""), self.table);
        let select = self.select.replace("{newest}", NEWEST).replace("{table}", &table);
        format!("select {select} from {table}")
    }
}

/// The version tables among these columns, each as `(schema, table, column)`.
fn shapes(columns: &BTreeSet<(String, String, String)>) -> Vec<(&str, &'static Shape)> {
    let schemas: BTreeSet<&str> = columns.iter().map(|(schema, ..)| schema.as_str()).collect();
    let mut found: Vec<(&str, &'static Shape)> = Vec::new();
    for schema in schemas {
        for shape in SHAPES.iter().filter(|shape| shape.fits(columns, schema)) {
            if !found.iter().any(|(known, other)| *known == schema && other.table == shape.table) {
                found.push((schema, shape));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(tables: &[(&str, &str)]) -> BTreeSet<(String, String, String)> {
        let each =
            tables.iter().flat_map(|(table, columns)| columns.split(' ').map(move |column| (*table, column)));
        each.map(|(table, column)| ("public".to_owned(), table.to_owned(), column.to_owned())).collect()
    }

    #[test]
    fn a_table_is_known_by_its_columns() {
        for (tables, tool) in [
            (&[("schema_migrations", "version dirty")][..], "golang-migrate"),
            (&[("schema_migrations", "version"), ("ar_internal_metadata", "key value")], "rails"),
            (&[("schema_migrations", "version")], "dbmate"),
            (
                &[("_sqlx_migrations", "version description installed_on success checksum execution_time")],
                "sqlx",
            ),
            (&[("alembic_version", "version_num")], "alembic"),
        ] {
            let columns = columns(tables);
            let found: Vec<&str> = shapes(&columns).iter().map(|(_, shape)| shape.tool).collect();
            assert_eq!(found, [tool], "{tables:?}");
        }
    }

    #[test]
    fn a_table_of_one_s_own_is_none_of_them() {
        assert!(shapes(&columns(&[("schema_migrations", "id"), ("orders", "version dirty")])).is_empty());
    }

    fn found(version: Option<&str>, applied: i64, dirty: Option<bool>) -> Versions {
        let version = version.map(str::to_owned);
        Versions(vec![Found { tool: "sqlx", schema: "public".to_owned(), version, applied, dirty }])
    }

    #[test]
    fn only_a_version_that_is_known_and_clean_is_surely_the_same() {
        let (one, two) = (found(Some("1"), 1, Some(false)), found(Some("2"), 2, Some(false)));
        assert!(one.is_surely_still(&one));
        assert!(!two.is_surely_still(&one));
        assert!(!found(Some("1"), 2, Some(false)).is_surely_still(&one));
        let dirty = found(Some("1"), 1, Some(true));
        assert!(!dirty.is_surely_still(&dirty));
        assert!(!Versions::default().is_surely_still(&Versions::default()));
    }

    #[test]
    fn people_are_told_what_became_of_it() {
        let (none, one) = (found(None, 0, None), found(Some("1"), 1, None));
        assert_eq!(one.since(&none, true).unwrap(), "the schema went from nothing to 1 (sqlx)");
        assert_eq!(one.since(&one, true).unwrap(), "nothing to do: the schema stays at 1 (sqlx)");
        assert_eq!(one.since(&one, false).unwrap(), "the schema stays at 1 (sqlx)");
        let dirty = found(Some("1"), 1, Some(true));
        assert_eq!(dirty.since(&one, false).unwrap(), "the schema is marked as half migrated (sqlx), at 1");
        assert_eq!(Versions::default().since(&none, true), None);
    }

    #[test]
    fn several_tables_are_told_apart() {
        let mut both = found(Some("1"), 1, Some(false));
        both.0.push(Found { schema: "other".to_owned(), dirty: Some(true), ..both.0[0].clone() });
        assert_eq!(both.version().unwrap(), "public sqlx: 1; other sqlx: 1");
        assert_eq!(both.dirty(), Some(true));
    }
}
