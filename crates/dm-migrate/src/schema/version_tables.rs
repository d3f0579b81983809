//! The version tables of the migration tools: how to identify and how to read each.

use std::collections::{BTreeMap, BTreeSet};

use super::table_version::TableVersion;

/// The kind of version table that a tool uses.
#[derive(Debug, PartialEq)]
pub(super) struct TableKind {
    /// The name of the tool.
    tool: &'static str,
    /// The name of its table, in lower case.
    table: &'static str,
    /// A column that the table has.
    has: &'static str,
    /// A column that the table does not have; may be empty.
    lacks: &'static str,
    /// The selected columns, in SQL that all servers support: the version, in one or more columns; 1 if it was applied;
    /// and 1 if it was partly applied, 0 if not, null if the tool keeps no such mark.
    row: &'static str,
    newest: Newest,
}

/// Which row has the version of the schema.
#[derive(Debug, PartialEq)]
enum Newest {
    /// The row with the greatest number. Versions of digits count as numbers, even if they are stored as text.
    Number,
    /// The last row with a version, ordered by this column.
    Last(&'static str),
    /// All rows together.
    All,
}

/// All known kinds. If two fit a table, the first one counts.
const TABLE_KINDS: &[TableKind] = &[
    kind(
        "sqlx",
        ("_sqlx_migrations", "success", ""),
        "version, 1, case when success then 0 else 1 end",
        Newest::Number,
    ),
    kind(
        "golang-migrate",
        ("schema_migrations", "dirty", ""),
        "version, 1, case when dirty then 1 else 0 end",
        Newest::Number,
    ),
    kind("rails", ("schema_migrations", "ar_internal_metadata.key", ""), "version, 1, null", Newest::Number),
    kind("dbmate", ("schema_migrations", "version", "dirty"), "version, 1, null", Newest::Number),
    kind(
        "flyway",
        ("flyway_schema_history", "installed_rank", ""),
        "case when success then version end, case when success then 1 else 0 end, \
         case when success then 0 else 1 end",
        Newest::Last("installed_rank"),
    ),
    kind(
        "liquibase",
        ("databasechangelog", "orderexecuted", ""),
        "id, 1, (select max(case when locked then 1 else 0 end) from {lock})",
        Newest::Last("orderexecuted"),
    ),
    kind("alembic", ("alembic_version", "version_num", ""), "version_num, 1, null", Newest::All),
    kind("django", ("django_migrations", "applied", ""), "app, name, 1, null", Newest::Last("id")),
    kind(
        "prisma",
        ("_prisma_migrations", "migration_name", ""),
        "case when finished_at is not null and rolled_back_at is null then migration_name end, \
         case when finished_at is not null and rolled_back_at is null then 1 else 0 end, \
         case when finished_at is null and rolled_back_at is null then 1 else 0 end",
        Newest::Last("started_at"),
    ),
    kind("refinery", ("refinery_schema_history", "applied_on", ""), "version, 1, null", Newest::Number),
    kind("diesel", ("__diesel_schema_migrations", "run_on", ""), "version, 1, null", Newest::Number),
    kind(
        "atlas",
        ("atlas_schema_revisions", "applied", ""),
        "version, 1, case when applied < total or coalesce(error, '') <> '' then 1 else 0 end",
        Newest::Last("version"),
    ),
];

const fn kind(
    tool: &'static str,
    (table, has, lacks): (&'static str, &'static str, &'static str),
    row: &'static str,
    newest: Newest,
) -> TableKind {
    TableKind { tool, table, has, lacks, row, newest }
}

/// A table that exists in the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Table {
    pub(super) schema: String,
    /// The name, with the case of the database.
    name: String,
}

/// Tables with the names of their columns, in lower case.
pub(super) type Tables = BTreeMap<Table, BTreeSet<String>>;

/// The names of the tables to query, as a list of SQL strings.
pub(crate) fn table_names() -> String {
    // This table distinguishes Rails from other tools with the same version table.
    let names = TABLE_KINDS.iter().map(|kind| kind.table).chain(["ar_internal_metadata"]);
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// Builds the tables from rows of schema, table and column.
pub(super) fn tables_from_rows(rows: Vec<Vec<Option<String>>>) -> Tables {
    let mut tables = Tables::new();
    for row in rows {
        let [schema, name, column] = [0, 1, 2].map(|at| row.get(at).cloned().flatten().unwrap_or_default());
        tables.entry(Table { schema, name }).or_default().insert(column.to_lowercase());
    }
    tables
}

/// The version tables among these.
pub(super) fn identify(tables: &Tables) -> Vec<(Table, &'static TableKind)> {
    let identify_one = |table: &Table| {
        let kind = TABLE_KINDS.iter().find(|kind| kind.fits(tables, table))?;
        Some((table.clone(), kind))
    };
    tables.keys().filter_map(identify_one).collect()
}

impl TableKind {
    fn fits(&self, tables: &Tables, table: &Table) -> bool {
        let is_there = |required: &str| {
            let (name, column) = required.split_once('.').unwrap_or((self.table, required));
            tables.iter().any(|(other, columns)| {
                other.schema == table.schema && other.name.to_lowercase() == name && columns.contains(column)
            })
        };
        table.name.to_lowercase() == self.table && is_there(self.has) && !is_there(self.lacks)
    }

    pub(super) fn sql(&self, table: &Table, quote: char) -> String {
        let quote = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
        let quoted = |name: &str| format!("{}.{}", quote(&table.schema), quote(name));
        // Liquibase uses the same case for both of its tables.
        let is_lowercase = table.name.chars().any(char::is_lowercase);
        let lock = quoted(&format!("{}{}", table.name, if is_lowercase { "lock" } else { "LOCK" }));
        let order = match self.newest {
            Newest::Number => String::new(),
            Newest::Last(column) => format!(" order by {column}"),
            Newest::All => " order by 1".to_owned(),
        };
        format!("select {} from {}{order}", self.row.replace("{lock}", &lock), quoted(&table.name))
    }

    /// The version from the selected rows; `None` if they have too few columns.
    pub(super) fn read(&self, schema: String, rows: Vec<Vec<Option<String>>>) -> Option<TableVersion> {
        let (mut versions, mut applied, mut dirty) = (Vec::new(), 0, None);
        for mut row in rows {
            let is_partial = row.pop()?;
            applied += i64::from(row.pop()?.as_deref() == Some("1"));
            if let Some(is_partial) = is_partial {
                dirty = Some(dirty == Some(true) || is_partial == "1");
            }
            versions.extend(row.into_iter().collect::<Option<Vec<_>>>().map(|parts| parts.join(".")));
        }
        let all = versions.clone();
        let version = match self.newest {
            Newest::Number => versions.into_iter().max_by_key(|version| (version.len(), version.clone())),
            Newest::Last(_) => versions.pop(),
            Newest::All => (!versions.is_empty()).then(|| versions.join(",")),
        };
        Some(TableVersion { tool: self.tool, schema, version, versions: all, applied, dirty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tables: &[(&str, &str)]) -> Tables {
        let columns =
            tables.iter().flat_map(|(table, columns)| columns.split(' ').map(move |column| (*table, column)));
        let row = |(table, column): (&str, &str)| {
            ["public", table, column].map(|text| Some(text.to_owned())).to_vec()
        };
        tables_from_rows(columns.map(row).collect())
    }

    #[test]
    fn a_tool_is_identified_by_the_columns_of_its_table() {
        for (columns, tool) in [
            (&[("schema_migrations", "version dirty")][..], "golang-migrate"),
            (&[("schema_migrations", "version"), ("ar_internal_metadata", "key value")], "rails"),
            (&[("schema_migrations", "version")], "dbmate"),
            (
                &[("_sqlx_migrations", "version description installed_on success checksum execution_time")],
                "sqlx",
            ),
            (&[("DATABASECHANGELOG", "ID ORDEREXECUTED"), ("DATABASECHANGELOGLOCK", "LOCKED")], "liquibase"),
            (&[("alembic_version", "version_num")], "alembic"),
        ] {
            let tools: Vec<&str> = identify(&with(columns)).iter().map(|(_, kind)| kind.tool).collect();
            assert_eq!(tools, [tool], "{columns:?}");
        }
    }

    #[test]
    fn names_are_quoted_in_the_server_s_dialect() {
        let table = Table { schema: "a`b".to_owned(), name: "DATABASECHANGELOG".to_owned() };
        let kind = TABLE_KINDS.iter().find(|kind| kind.tool == "liquibase").unwrap();
        assert_eq!(
            kind.sql(&table, '`'),
            "select id, 1, (select max(case when locked then 1 else 0 end) from `a``b`.`DATABASECHANGELOGLOCK`) \
             from `a``b`.`DATABASECHANGELOG` order by orderexecuted"
        );
    }

    #[test]
    fn a_row_of_a_repeatable_migration_has_no_version() {
        let kind = TABLE_KINDS.iter().find(|kind| kind.tool == "flyway").unwrap();
        let row = |version: Option<&str>, half: &str| {
            vec![version.map(str::to_owned), Some("1".to_owned()), Some(half.to_owned())]
        };
        let table = kind.read(String::new(), vec![row(Some("1.1"), "0"), row(None, "0")]).unwrap();
        assert_eq!((table.version.as_deref(), table.applied, table.dirty), (Some("1.1"), 2, Some(false)));
        let table = kind.read(String::new(), vec![row(None, "1"), row(Some("1.2"), "0")]).unwrap();
        assert_eq!((table.version.as_deref(), table.dirty), (Some("1.2"), Some(true)));
        assert_eq!(kind.read(String::new(), vec![vec![None]]), None);
    }

    #[test]
    fn an_unrelated_table_is_not_a_version_table() {
        assert!(identify(&with(&[("schema_migrations", "id"), ("orders", "version dirty")])).is_empty());
    }
}
