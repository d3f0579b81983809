//! What has to be true of the schema after a command that succeeded.

use super::SchemaVersions;

/// What is expected; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Its version.
    pub(crate) version: Option<String>,
    /// That it changed.
    pub(crate) change: bool,
}

impl Expectation {
    /// What is not as it should be.
    pub(crate) fn unmet(&self, before: &SchemaVersions, after: &SchemaVersions) -> Option<String> {
        let at = || after.version().unwrap_or_else(|| "no version that is known".to_owned());
        if let Some(version) = self.version.as_ref().filter(|version| !after.is_at(version)) {
            return Some(format!("expected the schema at {version}, and it is at {}", at()));
        }
        // Without a version table, before or after, nobody knows.
        (self.change && (after == before || after.0.is_empty()))
            .then(|| format!("expected a change of the schema, and it is still at {}", at()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableVersion;

    fn at(version: &str) -> SchemaVersions {
        let (schema, version) = ("public".to_owned(), Some(version.to_owned()));
        SchemaVersions(vec![TableVersion { tool: "dbmate", schema, version, applied: 1, dirty: None }])
    }

    #[test]
    fn what_is_not_known_is_not_met() {
        let version = Expectation { version: Some("2".to_owned()), change: false };
        assert_eq!(version.unmet(&at("1"), &at("2")), None);
        assert_eq!(version.unmet(&at("2"), &at("2")), None);
        assert_eq!(version.unmet(&at("1"), &at("1")).unwrap(), "expected the schema at 2, and it is at 1");
        assert!(version.unmet(&at("1"), &SchemaVersions::default()).is_some());
        let change = Expectation { version: None, change: true };
        assert_eq!(change.unmet(&at("1"), &at("2")), None);
        assert_eq!(change.unmet(&SchemaVersions::default(), &at("1")), None);
        assert!(change.unmet(&at("1"), &at("1")).is_some());
        assert!(change.unmet(&SchemaVersions::default(), &SchemaVersions::default()).is_some());
        assert_eq!(Expectation::default().unmet(&at("1"), &SchemaVersions::default()), None);
    }
}
