//! A version table that the user has named.

use std::str::FromStr;

/// A table, and its column with the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionTable {
    /// The database schema; `None` for any.
    pub(super) schema: Option<String>,
    /// The table.
    pub(super) table: String,
    /// The column; `None` if the other columns show which tool the table belongs to.
    pub(super) column: Option<String>,
}

impl FromStr for VersionTable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err("write SCHEMA.TABLE or SCHEMA.TABLE.COLUMN".to_owned());
        }
        let (schema, table, column) = match parts.as_slice() {
            [table] => (None, *table, None),
            [schema, table] => (Some(*schema), *table, None),
            [schema, table, column] => (Some(*schema), *table, Some(*column)),
            _ => return Err("write SCHEMA.TABLE or SCHEMA.TABLE.COLUMN".to_owned()),
        };
        Ok(Self {
            schema: schema.map(str::to_owned),
            table: table.to_owned(),
            column: column.map(str::to_owned),
        })
    }
}

impl VersionTable {
    /// The name in lower case, as a string in SQL.
    pub(super) fn sql_name(&self) -> String {
        // A backslash has a meaning in strings of MySQL, and does not occur in names.
        format!("'{}'", self.table.to_lowercase().replace('\'', "''").replace('\\', ""))
    }
}
