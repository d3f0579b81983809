//! The version tables of the tools: by what each is known, and how it is read.

use std::collections::{BTreeMap, BTreeSet};

use super::TableVersion;

/// A kind of version table.
#[derive(Debug, PartialEq)]
pub(super) struct TableKind {
    /// The tool.
    tool: &'static str,
    /// Its table, in small letters.
    table: &'static str,
    /// A column that is there.
    has: &'static str,
    /// A column that is not, or a table beside it that is not.
    lacks: &'static str,
    /// What is read of each row, in SQL that every server knows: the version, in one column or more; 1 where it was
    /// applied; 1 where it was half applied, 0 where not, null where the tool does not say.
    row: &'static str,
    newest: Newest,
}

/// Which of the rows has the schema's version.
#[derive(Debug, PartialEq)]
enum Newest {
    /// That of the greatest number; versions of digits are numbers, however they are stored.
    Number,
    /// The last in this order that has one.
    Last(&'static str),
    /// All of them.
    All,
}

/// The tools. Of two shapes that fit one table, the first is meant.
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

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Table {
    pub(super) schema: String,
    /// As it is written.
    name: String,
}

/// Tables, and the names of their columns in small letters.
pub(super) type Tables = BTreeMap<Table, BTreeSet<String>>;

/// The names of the tables that have to be asked for, as SQL's strings.
pub(super) fn table_names() -> String {
    // This one tells whose another is.
    let names = TABLE_KINDS.iter().map(|kind| kind.table).chain(["ar_internal_metadata"]);
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// From rows of schema, table and column.
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
        // Liquibase's second table is written as its first.
        let is_small = table.name.chars().any(char::is_lowercase);
        let lock = quoted(&format!("{}{}", table.name, if is_small { "lock" } else { "LOCK" }));
        let order = match self.newest {
            Newest::Number => String::new(),
            Newest::Last(column) => format!(" order by {column}"),
            Newest::All => " order by 1".to_owned(),
        };
        format!("select {} from {}{order}", self.row.replace("{lock}", &lock), quoted(&table.name))
    }

    /// What the rows come to; `None` where they have too few columns.
    pub(super) fn read(&self, schema: String, rows: Vec<Vec<Option<String>>>) -> Option<TableVersion> {
        let (mut versions, mut applied, mut dirty) = (Vec::new(), 0, None);
        for mut row in rows {
            let is_half = row.pop()?;
            applied += i64::from(row.pop()?.as_deref() == Some("1"));
            if let Some(is_half) = is_half {
                dirty = Some(dirty == Some(true) || is_half == "1");
            }
            versions.extend(row.into_iter().collect::<Option<Vec<_>>>().map(|parts| parts.join(".")));
        }
        let version = match self.newest {
            Newest::Number => versions.into_iter().max_by_key(|version| (version.len(), version.clone())),
            Newest::Last(_) => versions.pop(),
            Newest::All => (!versions.is_empty()).then(|| versions.join(",")),
        };
        Some(TableVersion { tool: self.tool, schema, version, applied, dirty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(tables: &[(&str, &str)]) -> Tables {
        let each =
            tables.iter().flat_map(|(table, columns)| columns.split(' ').map(move |column| (*table, column)));
        let row = |(table, column): (&str, &str)| {
            ["public", table, column].map(|text| Some(text.to_owned())).to_vec()
        };
        tables_from_rows(each.map(row).collect())
    }

    #[test]
    fn a_table_is_known_by_its_columns() {
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
            let found: Vec<&str> = identify(&with(columns)).iter().map(|(_, kind)| kind.tool).collect();
            assert_eq!(found, [tool], "{columns:?}");
        }
    }

    #[test]
    fn names_are_quoted_as_the_server_wants_it() {
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
        let found = kind.read(String::new(), vec![row(Some("1.1"), "0"), row(None, "0")]).unwrap();
        assert_eq!((found.version.as_deref(), found.applied, found.dirty), (Some("1.1"), 2, Some(false)));
        let found = kind.read(String::new(), vec![row(None, "1"), row(Some("1.2"), "0")]).unwrap();
        assert_eq!((found.version.as_deref(), found.dirty), (Some("1.2"), Some(true)));
        assert_eq!(kind.read(String::new(), vec![vec![None]]), None);
    }

    #[test]
    fn a_table_of_one_s_own_is_none_of_them() {
        assert!(identify(&with(&[("schema_migrations", "id"), ("orders", "version dirty")])).is_empty());
    }
}
