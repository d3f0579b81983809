//! The schema's version, from the migration tool's own version table. Several tools use the same table name, so the
//! columns of a table identify its tool, not the command.

mod expected;
mod state;
mod table_kinds;
mod table_version;
mod version_table;
mod version_tables;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::server::Server;
pub(crate) use expected::Expectation;
pub(crate) use state::{Change, SchemaState};
pub(crate) use table_version::TableVersion;
pub(crate) use version_table::VersionTable;
pub(crate) use version_tables::{is_version_table, table_names};

/// The version tables of a database; if it has none, the version is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaVersions(pub Vec<TableVersion>);

impl SchemaVersions {
    /// Reads the version tables of the database: all that are known, or the one that the user has named.
    pub(crate) async fn read<S: Server>(database: &S, named: Option<&VersionTable>) -> Result<Self> {
        let searched = named.map_or_else(table_names, VersionTable::sql_name);
        let rows = database.text_rows(&S::DIALECT.columns.replace("{tables}", &searched)).await?;
        let tables = version_tables::tables_from_rows(rows);
        let found = match named {
            None => version_tables::identify(&tables),
            Some(named) => version_tables::identify_named(&tables, named)?,
        };
        let mut versions = Vec::new();
        for (table, kind) in found {
            let rows = database.text_rows(&kind.sql(&table, S::DIALECT.quote)).await?;
            versions.push(kind.read(table.schema, rows).context("a version table has an unexpected format")?);
        }
        Ok(Self(versions))
    }

    /// Whether a migration with one of these names is applied. `None` if that is not known: there is no version table, or
    /// it does not list every migration.
    pub(crate) fn contains(&self, names: &[String]) -> Option<bool> {
        let [table] = self.0.as_slice() else { return None };
        let number = |text: &str| text.parse::<u64>().ok();
        match (table.tool, table.version.as_deref()) {
            // It keeps only the newest one, and applies them by their number.
            ("golang-migrate", newest) => {
                let newest = newest.map_or(Some(0), number)?;
                Some(names.iter().find_map(|name| number(name))? <= newest)
            }
            // Their migrations are no SQL files, or are listed by a hash.
            ("alembic" | "django" | "drizzle" | "liquibase", _) => None,
            _ => Some(names.iter().any(|name| table.versions.contains(name))),
        }
    }

    /// The version, for the record; with schema and tool if there are several tables.
    pub(crate) fn version(&self) -> Option<String> {
        match self.0.as_slice() {
            [table] => table.version.clone(),
            tables => {
                let versions = tables.iter().filter_map(|table| {
                    let version = table.version.as_ref()?;
                    Some(format!("{} {}: {version}", table.schema, table.tool))
                });
                let versions = versions.collect::<Vec<_>>().join("; ");
                (!versions.is_empty()).then_some(versions)
            }
        }
    }

    /// Whether any migration is marked as partly applied; `None` if no tool keeps such a mark.
    pub(crate) fn dirty(&self) -> Option<bool> {
        self.0.iter().filter_map(|table| table.dirty).reduce(|a, b| a || b)
    }

    /// Whether one of the tables is at `version`: it is the newest one, one of several heads, or an older one that has been
    /// applied since `before`.
    pub(crate) fn is_at(&self, version: &str, before: &Self) -> bool {
        let has = |versions: &Self, at: &TableVersion| {
            let same = versions.0.iter().find(|table| (&table.schema, table.tool) == (&at.schema, at.tool));
            same.is_some_and(|table| table.versions.iter().any(|applied| applied == version))
        };
        self.0.iter().any(|table| {
            table.version.as_deref() == Some(version)
                || has(self, table) && (table.has_heads() || !has(before, table))
        })
    }

    /// Whether the schema is known to be as it was `before`: the same versions, and no migration partly applied.
    pub(crate) fn is_unchanged(&self, before: &Self) -> bool {
        !self.0.is_empty() && self == before && self.dirty() != Some(true)
    }

    /// The versions and their tools, for a message.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", self.or_nothing(), self.tools())
    }

    fn tools(&self) -> String {
        let tools: BTreeSet<&str> = self.0.iter().map(|table| table.tool).collect();
        tools.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn or_nothing(&self) -> String {
        self.version().unwrap_or_else(|| "nothing".to_owned())
    }

    /// The message about the change since `before`.
    pub(crate) fn describe_change(&self, before: &Self) -> String {
        let (from, to) = (before.or_nothing(), self.describe());
        if self.dirty() == Some(true) {
            return format!(
                "the schema is marked as partly migrated ({}), at {}",
                self.tools(),
                self.or_nothing()
            );
        }
        if from != self.or_nothing() || before.0.is_empty() {
            return format!("the schema went from {from} to {to}");
        }
        let applied = |versions: &Self| versions.0.iter().map(|table| table.applied).sum::<i64>();
        match applied(self) - applied(before) {
            1 => format!("an older migration was applied; the newest is still {to}"),
            more if more > 1 => format!("{more} older migrations were applied; the newest is still {to}"),
            0 => format!("the version table has changed; the newest version is still {to}"),
            _ => format!("older migrations were undone; the newest is still {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(version: Option<&str>, applied: i64, dirty: Option<bool>) -> SchemaVersions {
        let version = version.map(str::to_owned);
        SchemaVersions(vec![TableVersion {
            tool: "sqlx",
            schema: "public".to_owned(),
            versions: version.iter().cloned().collect(),
            version,
            applied,
            dirty,
        }])
    }

    #[test]
    fn only_a_known_version_without_a_mark_counts_as_unchanged() {
        let (one, two) = (versions(Some("1"), 1, Some(false)), versions(Some("2"), 2, Some(false)));
        assert!(one.is_unchanged(&one));
        assert!(!two.is_unchanged(&one));
        assert!(!versions(Some("1"), 2, Some(false)).is_unchanged(&one));
        let dirty = versions(Some("1"), 1, Some(true));
        assert!(!dirty.is_unchanged(&dirty));
        assert!(!SchemaVersions::default().is_unchanged(&SchemaVersions::default()));
    }

    #[test]
    fn the_message_describes_the_change() {
        let (none, one) = (versions(None, 0, None), versions(Some("1"), 1, None));
        assert_eq!(one.describe_change(&none), "the schema went from nothing to 1 (sqlx)");
        let late = versions(Some("1"), 2, None);
        assert_eq!(
            late.describe_change(&one),
            "an older migration was applied; the newest is still 1 (sqlx)"
        );
        let dirty = versions(Some("1"), 1, Some(true));
        assert_eq!(dirty.describe_change(&one), "the schema is marked as partly migrated (sqlx), at 1");
    }

    #[test]
    fn a_late_migration_and_each_head_are_versions_of_the_schema() {
        let applied = |newest: &str, all: &[&str]| {
            let mut versions = versions(Some(newest), 1, None);
            versions.0[0].versions = all.iter().map(|version| (*version).to_owned()).collect();
            versions
        };
        let before = applied("3", &["1", "3"]);
        let late = applied("3", &["1", "2", "3"]);
        assert!(late.is_at("2", &before) && late.is_at("3", &before) && !late.is_at("1", &before));
        let heads = applied("a2,b2", &["a2", "b2"]);
        assert!(heads.is_at("b2", &heads) && heads.is_at("a2,b2", &heads) && !heads.is_at("b1", &heads));
    }

    #[test]
    fn several_tables_are_distinguished() {
        let mut both = versions(Some("1"), 1, Some(false));
        both.0.push(TableVersion { schema: "other".to_owned(), dirty: Some(true), ..both.0[0].clone() });
        assert_eq!(both.version().unwrap(), "public sqlx: 1; other sqlx: 1");
        assert_eq!(both.dirty(), Some(true));
    }
}
