//! The schema's version, as the migration tool's own table has it. Several tools share a name for it, so a table is
//! known by its columns, never by the command.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use crate::server::Server;

/// A kind of version table.
#[derive(Debug, PartialEq)]
pub struct Shape {
    /// The tool.
    pub tool: &'static str,
    /// Its table, in small letters.
    pub table: &'static str,
    /// A column that is there.
    has: &'static str,
    /// A column that is not, or a table beside it that is not.
    has_not: &'static str,
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
const SHAPES: &[Shape] = &[
    shape(
        "sqlx",
        ("_sqlx_migrations", "success", ""),
        "version, 1, case when success then 0 else 1 end",
        Newest::Number,
    ),
    shape(
        "golang-migrate",
        ("schema_migrations", "dirty", ""),
        "version, 1, case when dirty then 1 else 0 end",
        Newest::Number,
    ),
    shape("rails", ("schema_migrations", "ar_internal_metadata.key", ""), "version, 1, null", Newest::Number),
    shape("dbmate", ("schema_migrations", "version", "dirty"), "version, 1, null", Newest::Number),
    shape(
        "flyway",
        ("flyway_schema_history", "installed_rank", ""),
        "case when success then version end, case when success then 1 else 0 end, \
         case when success then 0 else 1 end",
        Newest::Last("installed_rank"),
    ),
    shape(
        "liquibase",
        ("databasechangelog", "orderexecuted", ""),
        "id, 1, (select max(case when locked then 1 else 0 end) from {lock})",
        Newest::Last("orderexecuted"),
    ),
    shape("alembic", ("alembic_version", "version_num", ""), "version_num, 1, null", Newest::All),
    shape("django", ("django_migrations", "applied", ""), "app, name, 1, null", Newest::Last("id")),
    shape(
        "prisma",
        ("_prisma_migrations", "migration_name", ""),
        "case when finished_at is not null and rolled_back_at is null then migration_name end, \
         case when finished_at is not null and rolled_back_at is null then 1 else 0 end, \
         case when finished_at is null and rolled_back_at is null then 1 else 0 end",
        Newest::Last("started_at"),
    ),
    shape("refinery", ("refinery_schema_history", "applied_on", ""), "version, 1, null", Newest::Number),
    shape("diesel", ("__diesel_schema_migrations", "run_on", ""), "version, 1, null", Newest::Number),
    shape(
        "atlas",
        ("atlas_schema_revisions", "applied", ""),
        "version, 1, case when applied < total or coalesce(error, '') <> '' then 1 else 0 end",
        Newest::Last("version"),
    ),
];

const fn shape(
    tool: &'static str,
    (table, has, has_not): (&'static str, &'static str, &'static str),
    row: &'static str,
    newest: Newest,
) -> Shape {
    Shape { tool, table, has, has_not, row, newest }
}

/// How a server's SQL is written, as far as it matters for version tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Asks for the schema, the table and the name of each column of `{tables}`.
    pub columns: &'static str,
    /// What stands around a name.
    pub quote: char,
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
    pub(crate) async fn find<S: Server>(database: &S) -> Result<Self> {
        let tables = SHAPES.iter().map(|shape| format!("'{}'", shape.table)).collect::<Vec<_>>().join(", ");
        let columns = S::DIALECT.columns.replace("{tables}", &format!("'ar_internal_metadata', {tables}"));
        let rows = database.texts(&columns).await?;
        let mut found = Vec::new();
        for (table, shape) in shapes(&tables_of(rows)) {
            let rows = database.texts(&shape.sql(&table, S::DIALECT.quote)).await?;
            found.push(shape.read(table.schema, rows).context("a version table of another form")?);
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

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Table {
    schema: String,
    /// As it is written.
    name: String,
}

/// Tables, and the names of their columns in small letters.
type Tables = BTreeMap<Table, BTreeSet<String>>;

/// From rows of schema, table and column.
fn tables_of(rows: Vec<Vec<Option<String>>>) -> Tables {
    let mut tables = Tables::new();
    for row in rows {
        let [schema, name, column] = [0, 1, 2].map(|at| row.get(at).cloned().flatten().unwrap_or_default());
        tables.entry(Table { schema, name }).or_default().insert(column.to_lowercase());
    }
    tables
}

/// The version tables among these.
fn shapes(tables: &Tables) -> Vec<(Table, &'static Shape)> {
    let of = |table: &Table| {
        let shape = SHAPES.iter().find(|shape| shape.fits(tables, table))?;
        Some((table.clone(), shape))
    };
    tables.keys().filter_map(of).collect()
}

impl Shape {
    fn fits(&self, tables: &Tables, table: &Table) -> bool {
        let is_there = |wanted: &str| {
            let (name, column) = wanted.split_once('.').unwrap_or((self.table, wanted));
            tables.iter().any(|(other, columns)| {
                other.schema == table.schema && other.name.to_lowercase() == name && columns.contains(column)
            })
        };
        table.name.to_lowercase() == self.table && is_there(self.has) && !is_there(self.has_not)
    }

    fn sql(&self, table: &Table, quote: char) -> String {
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
    fn read(&self, schema: String, rows: Vec<Vec<Option<String>>>) -> Option<Found> {
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
        Some(Found { tool: self.tool, schema, version, applied, dirty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(tables: &[(&str, &str)]) -> Tables {
        let each =
            tables.iter().flat_map(|(table, columns)| columns.split(' ').map(move |column| (*table, column)));
        let row = |(table, column): (&str, &str)| {
            ["public", table, column].map(|text| Some(text.to_owned())).to_vec()
        };
        tables_of(each.map(row).collect())
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
            let found: Vec<&str> = shapes(&tables(columns)).iter().map(|(_, shape)| shape.tool).collect();
            assert_eq!(found, [tool], "{columns:?}");
        }
    }

    #[test]
    fn names_are_quoted_as_the_server_wants_it() {
        let table = Table { schema: "a`b".to_owned(), name: "DATABASECHANGELOG".to_owned() };
        let shape = SHAPES.iter().find(|shape| shape.tool == "liquibase").unwrap();
        assert_eq!(
            shape.sql(&table, '`'),
            "select id, 1, (select max(case when locked then 1 else 0 end) from `a``b`.`DATABASECHANGELOGLOCK`) \
             from `a``b`.`DATABASECHANGELOG` order by orderexecuted"
        );
    }

    #[test]
    fn a_row_of_a_repeatable_migration_has_no_version() {
        let shape = SHAPES.iter().find(|shape| shape.tool == "flyway").unwrap();
        let row = |version: Option<&str>, half: &str| {
            vec![version.map(str::to_owned), Some("1".to_owned()), Some(half.to_owned())]
        };
        let found = shape.read(String::new(), vec![row(Some("1.1"), "0"), row(None, "0")]).unwrap();
        assert_eq!((found.version.as_deref(), found.applied, found.dirty), (Some("1.1"), 2, Some(false)));
        let found = shape.read(String::new(), vec![row(None, "1"), row(Some("1.2"), "0")]).unwrap();
        assert_eq!((found.version.as_deref(), found.dirty), (Some("1.2"), Some(true)));
        assert_eq!(shape.read(String::new(), vec![vec![None]]), None);
    }

    #[test]
    fn a_table_of_one_s_own_is_none_of_them() {
        assert!(shapes(&tables(&[("schema_migrations", "id"), ("orders", "version dirty")])).is_empty());
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
