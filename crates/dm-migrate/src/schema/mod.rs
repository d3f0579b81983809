//! The schema's version, as the migration tool's own table has it. Several tools share a name for it, so a table is
//! known by its columns, never by the command.

mod expected;
mod version_tables;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::server::Server;
pub(crate) use expected::Expectation;

/// A version table, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableVersion {
    /// The tool whose table has this kind.
    pub(crate) tool: &'static str,
    /// Where it is.
    pub(crate) schema: String,
    /// The newest migration; `None` where none was applied.
    pub(crate) version: Option<String>,
    /// How many were applied.
    pub(crate) applied: i64,
    /// Whether the tool marked one as half applied; `None` where it keeps no such mark.
    pub(crate) dirty: Option<bool>,
}

/// All that the version tables of a database say; none of them: the version is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaVersions(pub Vec<TableVersion>);

impl SchemaVersions {
    /// Asks the database.
    pub(crate) async fn read<S: Server>(database: &S) -> Result<Self> {
        let rows = database
            .text_rows(&S::DIALECT.columns.replace("{tables}", &version_tables::table_names()))
            .await?;
        let mut versions = Vec::new();
        for (table, kind) in version_tables::identify(&version_tables::tables_from_rows(rows)) {
            let rows = database.text_rows(&kind.sql(&table, S::DIALECT.quote)).await?;
            versions.push(kind.read(table.schema, rows).context("a version table of another form")?);
        }
        Ok(Self(versions))
    }

    /// The version, for the record: with its place, where there are several.
    pub(crate) fn version(&self) -> Option<String> {
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
    pub(crate) fn dirty(&self) -> Option<bool> {
        self.0.iter().filter_map(|table| table.dirty).reduce(|a, b| a || b)
    }

    /// Whether one of them is at `version`.
    pub(crate) fn is_at(&self, version: &str) -> bool {
        self.0.iter().any(|table| table.version.as_deref() == Some(version))
    }

    /// Whether the schema is surely still as it was `before`: the same versions, and none half applied.
    pub(crate) fn is_unchanged(&self, before: &Self) -> bool {
        !self.0.is_empty() && self == before && self.dirty() != Some(true)
    }

    /// For people: what became of it since `before`, by a command that ended succeeded or not. Nothing where there is no
    /// version table.
    pub(crate) fn describe_change(&self, before: &Self, succeeded: bool) -> Option<String> {
        let version_or_nothing = |versions: &Self| versions.version().unwrap_or_else(|| "nothing".to_owned());
        let tools: BTreeSet<&str> = self.0.iter().map(|table| table.tool).collect();
        let tools = tools.into_iter().collect::<Vec<_>>().join(", ");
        if self.0.is_empty() {
            None
        } else if self.dirty() == Some(true) {
            Some(format!("the schema is marked as half migrated ({tools}), at {}", version_or_nothing(self)))
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
    fn only_a_version_that_is_known_and_clean_is_surely_the_same() {
        let (one, two) = (versions(Some("1"), 1, Some(false)), versions(Some("2"), 2, Some(false)));
        assert!(one.is_unchanged(&one));
        assert!(!two.is_unchanged(&one));
        assert!(!versions(Some("1"), 2, Some(false)).is_unchanged(&one));
        let dirty = versions(Some("1"), 1, Some(true));
        assert!(!dirty.is_unchanged(&dirty));
        assert!(!SchemaVersions::default().is_unchanged(&SchemaVersions::default()));
    }

    #[test]
    fn people_are_told_what_became_of_it() {
        let (none, one) = (versions(None, 0, None), versions(Some("1"), 1, None));
        assert_eq!(one.describe_change(&none, true).unwrap(), "the schema went from nothing to 1 (sqlx)");
        assert_eq!(one.describe_change(&one, true).unwrap(), "nothing to do: the schema stays at 1 (sqlx)");
        assert_eq!(one.describe_change(&one, false).unwrap(), "the schema stays at 1 (sqlx)");
        let dirty = versions(Some("1"), 1, Some(true));
        assert_eq!(
            dirty.describe_change(&one, false).unwrap(),
            "the schema is marked as half migrated (sqlx), at 1"
        );
        assert_eq!(SchemaVersions::default().describe_change(&none, true), None);
    }

    #[test]
    fn several_tables_are_told_apart() {
        let mut both = versions(Some("1"), 1, Some(false));
        both.0.push(TableVersion { schema: "other".to_owned(), dirty: Some(true), ..both.0[0].clone() });
        assert_eq!(both.version().unwrap(), "public sqlx: 1; other sqlx: 1");
        assert_eq!(both.dirty(), Some(true));
    }
}
