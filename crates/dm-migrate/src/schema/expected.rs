//! The expected state of the schema after the command succeeded.

use super::SchemaVersions;

/// An expectation; by default, any state is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// The version that the schema must have.
    pub(crate) version: Option<String>,
    /// Whether the schema must have changed.
    pub(crate) change: bool,
}

impl Expectation {
    /// The message about an expectation that is not met; `None` if all are met.
    pub(crate) fn describe_unmet(&self, before: &SchemaVersions, after: &SchemaVersions) -> Option<String> {
        let at = || after.version().unwrap_or_else(|| "an unknown version".to_owned());
        if let Some(version) = self.version.as_ref().filter(|version| !after.is_at(version, before)) {
            return Some(format!("expected the schema at {version}, but it is at {}", at()));
        }
        // Without a version table it is unknown whether the schema changed.
        (self.change && (after == before || after.0.is_empty()))
            .then(|| format!("expected a change of the schema, but it is still at {}", at()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableVersion;

    fn at(version: &str) -> SchemaVersions {
        let (schema, version) = ("public".to_owned(), Some(version.to_owned()));
        let versions = version.iter().cloned().collect();
        SchemaVersions(vec![TableVersion {
            tool: "dbmate",
            schema,
            version,
            versions,
            applied: 1,
            dirty: None,
        }])
    }

    #[test]
    fn an_unknown_version_does_not_meet_an_expectation() {
        let version = Expectation { version: Some("2".to_owned()), change: false };
        assert_eq!(version.describe_unmet(&at("1"), &at("2")), None);
        assert_eq!(version.describe_unmet(&at("2"), &at("2")), None);
        assert_eq!(
            version.describe_unmet(&at("1"), &at("1")).unwrap(),
            "expected the schema at 2, but it is at 1"
        );
        assert!(version.describe_unmet(&at("1"), &SchemaVersions::default()).is_some());
        let change = Expectation { version: None, change: true };
        assert_eq!(change.describe_unmet(&at("1"), &at("2")), None);
        assert_eq!(change.describe_unmet(&SchemaVersions::default(), &at("1")), None);
        assert!(change.describe_unmet(&at("1"), &at("1")).is_some());
        assert!(change.describe_unmet(&SchemaVersions::default(), &SchemaVersions::default()).is_some());
        assert_eq!(Expectation::default().describe_unmet(&at("1"), &SchemaVersions::default()), None);
    }
}
