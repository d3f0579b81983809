//! The content of a version table.

/// The content of a version table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableVersion {
    /// The migration tool that the table belongs to.
    pub(crate) tool: &'static str,
    /// The database schema that contains the table.
    pub(crate) schema: String,
    /// The newest migration; `None` if none was applied.
    pub(crate) version: Option<String>,
    /// All migrations that are applied; for a tool with several heads, the heads.
    pub(crate) versions: Vec<String>,
    /// The number of applied migrations.
    pub(crate) applied: i64,
    /// Whether the tool marked a migration as partly applied; `None` if it keeps no such mark.
    pub(crate) dirty: Option<bool>,
}

impl TableVersion {
    /// Whether the versions are several heads, none of which is the newest.
    pub(super) fn has_heads(&self) -> bool {
        self.version.as_ref().is_some_and(|version| !self.versions.contains(version))
    }
}
