//! The schema's version, from the migration tool's own version table. Several tools use the same table name, so the
//! columns of a table identify its tool, not the command.

mod expected;
mod version_tables;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::server::Server;
pub(crate) use expected::Expectation;

/// The content of a version table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableVersion {
    /// The migration tool that the table belongs to.
    pub(crate) tool: &'static str,
    /// The database schema that contains the table.
    pub(crate) schema: String,
    /// The newest migration; `None` if none was applied.
    pub(crate) version: Option<String>,
    /// The number of applied migrations.
    pub(crate) applied: i64,
    /// Whether the tool marked a migration as partly applied; `None` if it keeps no such mark.
    pub(crate) dirty: Option<bool>,
}

/// The version tables of a database; if it has none, the version is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaVersions(pub Vec<TableVersion>);

impl SchemaVersions {
    /// Reads all version tables of the database.
    pub(crate) async fn read<S: Server>(database: &S) -> Result<Self> {
        let rows = database
            .text_rows(&S::DIALECT.columns.replace("{tables}", &version_tables::table_names()))
            .await?;
        let mut versions = Vec::new();
        for (table, kind) in version_tables::identify(&version_tables::tables_from_rows(rows)) {
            let rows = database.text_rows(&kind.sql(&table, S::DIALECT.quote)).await?;
            versions.push(kind.read(table.schema, rows).context("a version table has an unexpected format")?);
        }
        Ok(Self(versions))
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

    /// Whether one of the tables is at `version`.
    pub(crate) fn is_at(&self, version: &str) -> bool {
        self.0.iter().any(|table| table.version.as_deref() == Some(version))
    }

    /// Whether the schema is known to be as it was `before`: the same versions, and no migration partly applied.
    pub(crate) fn is_unchanged(&self, before: &Self) -> bool {
        !self.0.is_empty() && self == before && self.dirty() != Some(true)
    }

    /// The message about the change since `before`; `succeeded` is whether the command did. `None` if there is no version
    /// table.
    pub(crate) fn describe_change(&self, before: &Self, succeeded: bool) -> Option<String> {
        let version_or_nothing = |versions: &Self| versions.version().unwrap_or_else(|| "nothing".to_owned());
        let tools: BTreeSet<&str> = self.0.iter().map(|table| table.tool).collect();
        let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
        if self.0.is_empty() {
            None
        } else if self.dirty() == Some(true) {
            Some(format!(
                "the schema is marked as partly migrated ({tools}), at {}",
                version_or_nothing(self)
            ))
        } else if self == before {
            let nothing = if succeeded { "nothing to do: " } else { "" };
            Some(format!("{nothing}the schema stays at {} ({tools})", version_or_nothing(self)))
        } else {
            Some(format!(
                "the schema went from {} to {} ({tools})",
                version_or_nothing(before),
                version_or_nothing(self)
            ))
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
        assert_eq!(one.describe_change(&none, true).unwrap(), "the schema went from nothing to 1 (sqlx)");
        assert_eq!(one.describe_change(&one, true).unwrap(), "nothing to do: the schema stays at 1 (sqlx)");
        assert_eq!(one.describe_change(&one, false).unwrap(), "the schema stays at 1 (sqlx)");
        let dirty = versions(Some("1"), 1, Some(true));
        assert_eq!(
            dirty.describe_change(&one, false).unwrap(),
            "the schema is marked as partly migrated (sqlx), at 1"
        );
        assert_eq!(SchemaVersions::default().describe_change(&none, true), None);
    }

    #[test]
    fn several_tables_are_distinguished() {
        let mut both = versions(Some("1"), 1, Some(false));
        both.0.push(TableVersion { schema: "other".to_owned(), dirty: Some(true), ..both.0[0].clone() });
        assert_eq!(both.version().unwrap(), "public sqlx: 1; other sqlx: 1");
        assert_eq!(both.dirty(), Some(true));
    }
}
