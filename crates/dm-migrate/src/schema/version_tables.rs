//! Identifies and reads the version tables of a database.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::table_kinds::{Newest, TABLE_KINDS, TableKind};
use super::table_version::TableVersion;
use super::version_table::VersionTable;

/// A table that exists in the database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Table {
    pub(super) schema: String,
    /// The name, with the case of the database.
    name: String,
}

/// Tables with the names of their columns, in lower case.
pub(super) type Tables = BTreeMap<Table, BTreeSet<String>>;

/// Tables without versions: one distinguishes Rails from other tools with the same version table, and the others serve their
/// tools as locks.
const OTHER_TABLES: [&str; 3] = ["ar_internal_metadata", "knex_migrations_lock", "databasechangeloglock"];

/// The names of the tables of migration tools, as a list of SQL strings.
pub(crate) fn table_names() -> String {
    let names = TABLE_KINDS.iter().map(|kind| kind.table).chain(OTHER_TABLES);
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// Whether a migration tool keeps its versions, or its lock, in a table of this name.
pub(crate) fn is_version_table(name: &str) -> bool {
    let name = name.to_lowercase();
    TABLE_KINDS.iter().any(|kind| kind.table == name) || OTHER_TABLES.contains(&&*name)
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
pub(super) fn identify(tables: &Tables) -> Vec<(Table, Cow<'static, TableKind>)> {
    let identify_one = |table: &Table| {
        let kind = TABLE_KINDS.iter().find(|kind| kind.fits(tables, table, kind.table))?;
        Some((table.clone(), Cow::Borrowed(kind)))
    };
    tables.keys().filter_map(identify_one).collect()
}

/// The table that the user has named, in each schema that has it: with the column that is named too, or as a table of the tool
/// that its columns show.
pub(super) fn identify_named(
    tables: &Tables,
    named: &VersionTable,
) -> Result<Vec<(Table, Cow<'static, TableKind>)>> {
    let is_named = |table: &&Table| {
        let is_same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        is_same(&table.name, &named.table)
            && named.schema.as_ref().is_none_or(|schema| is_same(&table.schema, schema))
    };
    let kind = |table: &Table| {
        let Some(column) = &named.column else {
            let kind = TABLE_KINDS.iter().find(|kind| kind.fits(tables, table, &named.table.to_lowercase()));
            let kind =
                kind.context("the columns of the version table are not those of a known tool: add .COLUMN")?;
            return Ok((table.clone(), Cow::Borrowed(kind)));
        };
        let kind = TableKind {
            tool: "--version-table",
            table: "",
            has: "",
            lacks: "",
            row: Cow::Owned(format!("{{q}}{}{{q}}, 1, null", column.replace(['"', '`'], ""))),
            newest: Newest::Greatest,
        };
        Ok((table.clone(), Cow::Owned(kind)))
    };
    tables.keys().filter(is_named).map(kind).collect()
}

impl TableKind {
    fn fits(&self, tables: &Tables, table: &Table, own_name: &str) -> bool {
        let is_there = |required: &str| {
            let (name, column) = required.split_once('.').unwrap_or((own_name, required));
            tables.iter().any(|(other, columns)| {
                other.schema == table.schema && other.name.to_lowercase() == name && columns.contains(column)
            })
        };
        table.name.to_lowercase() == own_name && self.has.split(' ').all(is_there) && !is_there(self.lacks)
    }

    pub(super) fn sql(&self, table: &Table, quote: char) -> String {
        let mark = quote.to_string();
        let quote = |name: &str| format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")));
        let quoted = |name: &str| format!("{}.{}", quote(&table.schema), quote(name));
        // Liquibase uses the same case for both of its tables.
        let is_lowercase = table.name.chars().any(char::is_lowercase);
        let lock = quoted(&format!("{}{}", table.name, if is_lowercase { "lock" } else { "LOCK" }));
        let order = match self.newest {
            Newest::Number | Newest::Greatest => String::new(),
            Newest::Last(column) => format!(" order by {column}"),
            Newest::All => " order by 1".to_owned(),
        };
        format!(
            "select {} from {}{order}",
            self.row.replace("{lock}", &lock).replace("{q}", &mark),
            quoted(&table.name)
        )
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
            Newest::Greatest
                if versions.iter().any(|version| !version.bytes().all(|b| b.is_ascii_digit())) =>
            {
                versions.into_iter().max()
            }
            Newest::Number | Newest::Greatest => {
                versions.into_iter().max_by_key(|version| (version.len(), version.clone()))
            }
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
            (&[("schema_migrations", "version inserted_at")], "ecto"),
            (&[("migrations", "id timestamp name")], "typeorm"),
            (&[("migrations", "id migration batch")], "laravel"),
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
