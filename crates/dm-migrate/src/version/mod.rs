//! The schema's version, as the migration tool's own table has it. Several tools share a name for it, so a table is
//! known by its columns, never by the command.

mod shape;

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::server::Server;

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
        let rows = database.texts(&S::DIALECT.columns.replace("{tables}", &shape::tables())).await?;
        let mut found = Vec::new();
        for (table, shape) in shape::of(&shape::tables_of(rows)) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
