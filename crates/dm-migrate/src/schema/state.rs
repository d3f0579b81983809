//! The state of the schema at one moment: its version, a fingerprint of its catalogue, and what is broken in it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::{SchemaVersions, VersionTable};
use crate::leftover::Leftover;
use crate::server::Server;

/// The state of the schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SchemaState {
    /// The version tables.
    pub(crate) versions: SchemaVersions,
    /// The fingerprint of the catalogue; `None` if it is unknown.
    pub(crate) catalogue: Option<String>,
    /// What failed changes have left behind; `None` if it is unknown.
    pub(crate) leftovers: Option<BTreeSet<Leftover>>,
}

/// How the schema differs from an earlier state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It does not.
    None,
    /// Only the catalogue is another one.
    Catalogue,
    /// The version is another one, or a migration is marked as partly applied.
    Version,
    /// There is no version table.
    UnknownVersion,
    /// The version is the same, and the catalogue is unknown.
    UnknownCatalogue,
}

impl SchemaState {
    /// Reads the state.
    pub(crate) async fn read(database: &impl Server, version_table: Option<&VersionTable>) -> Result<Self> {
        let versions = SchemaVersions::read(database, version_table)
            .await
            .context("cannot read the schema's version")?;
        // A catalogue can be too large to be read in time, or that of a server which is only similar.
        let catalogue = database.catalogue().await.unwrap_or_default();
        let leftovers = database.leftovers().await.ok().map(BTreeSet::from_iter);
        Ok(Self { versions, catalogue, leftovers })
    }

    /// The difference from `before`.
    pub(crate) fn change_since(&self, before: &Self) -> Change {
        if self.versions.0.is_empty() {
            Change::UnknownVersion
        } else if !self.versions.is_unchanged(&before.versions) {
            Change::Version
        } else {
            match (&self.catalogue, &before.catalogue) {
                (Some(now), Some(then)) if now == then => Change::None,
                (Some(_), Some(_)) => Change::Catalogue,
                _ => Change::UnknownCatalogue,
            }
        }
    }

    /// The message about the change since `before`; `succeeded` is whether the command did. `None` if there is no version
    /// table.
    pub(crate) fn describe_change(&self, before: &Self, succeeded: bool) -> Option<String> {
        match self.change_since(before) {
            Change::UnknownVersion => None,
            Change::Version => Some(self.versions.describe_change(&before.versions)),
            Change::Catalogue => {
                Some(format!("the version stays at {}, but the schema has changed", self.versions.describe()))
            }
            Change::None if succeeded => {
                Some(format!("nothing to do: the schema stays at {}", self.versions.describe()))
            }
            Change::None => Some(format!("the schema stays at {}", self.versions.describe())),
            Change::UnknownCatalogue => Some(format!("the version stays at {}", self.versions.describe())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableVersion;

    fn state(version: &str, catalogue: Option<&str>) -> SchemaState {
        let versions = vec![TableVersion {
            tool: "sqlx",
            schema: "public".to_owned(),
            version: Some(version.to_owned()),
            versions: vec![version.to_owned()],
            applied: 1,
            dirty: None,
        }];
        let catalogue = catalogue.map(str::to_owned);
        SchemaState { versions: SchemaVersions(versions), catalogue, ..SchemaState::default() }
    }

    #[test]
    fn nothing_was_done_only_if_nothing_changed() {
        let before = state("1", Some("a"));
        let after = |version, catalogue| state(version, catalogue).describe_change(&before, true).unwrap();
        assert_eq!(after("1", Some("a")), "nothing to do: the schema stays at 1 (sqlx)");
        assert_eq!(after("1", Some("b")), "the version stays at 1 (sqlx), but the schema has changed");
        assert_eq!(after("2", Some("b")), "the schema went from 1 to 2 (sqlx)");
        let failed = before.describe_change(&before, false).unwrap();
        assert_eq!(failed, "the schema stays at 1 (sqlx)");
        let unknown = state("1", None);
        assert_eq!(unknown.describe_change(&unknown, true).unwrap(), "the version stays at 1 (sqlx)");
        assert_eq!(unknown.change_since(&unknown), Change::UnknownCatalogue);
        assert_eq!(SchemaState::default().describe_change(&before, true), None);
    }
}
