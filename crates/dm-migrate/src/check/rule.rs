//! The rules: what is unsafe, what to do instead, and the page that says so.

/// A way to make a migration unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    AddColumnRewrite,
    AddColumnNotNull,
    SetNotNull,
    ChangeColumnType,
    RenameColumn,
    RenameTable,
    DropColumn,
    DropTable,
    DropObject,
    RenameObject,
    Revoke,
    RowSecurity,
    Truncate,
    AddForeignKey,
    AddCheck,
    AddUnique,
    AddExclusion,
    CreateIndex,
    DropIndex,
    Reindex,
    Concurrently,
    RewriteTable,
    RefreshView,
    AttachPartition,
    DetachPartition,
    AllRows,
    DomainConstraint,
    LockTable,
    SeveralInTransaction,
    NoLockTimeout,
}

/// What the report says about a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    /// The name, for comments that accept it.
    pub(crate) id: &'static str,
    /// The safe alternative.
    pub(crate) instead: &'static str,
    /// The page that says why.
    pub(crate) source: &'static str,
}

const ALTER_TABLE: &str = "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES";

impl Rule {
    /// All rules.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 30] = [
        Self::AddColumnRewrite,
        Self::AddColumnNotNull,
        Self::SetNotNull,
        Self::ChangeColumnType,
        Self::RenameColumn,
        Self::RenameTable,
        Self::DropColumn,
        Self::DropTable,
        Self::DropObject,
        Self::RenameObject,
        Self::Revoke,
        Self::RowSecurity,
        Self::Truncate,
        Self::AddForeignKey,
        Self::AddCheck,
        Self::AddUnique,
        Self::AddExclusion,
        Self::CreateIndex,
        Self::DropIndex,
        Self::Reindex,
        Self::Concurrently,
        Self::RewriteTable,
        Self::RefreshView,
        Self::AttachPartition,
        Self::DetachPartition,
        Self::AllRows,
        Self::DomainConstraint,
        Self::LockTable,
        Self::SeveralInTransaction,
        Self::NoLockTimeout,
    ];

    /// What the report says about it.
    #[expect(clippy::too_many_lines, reason = "a table")]
    pub(crate) fn about(self) -> About {
        let about = |id, instead, source| About { id, instead, source };
        match self {
            Self::AddColumnRewrite => about(
                "add-column-rewrite",
                "add the column without the default, set the default in a second statement, and fill in old rows in batches",
                ALTER_TABLE,
            ),
            Self::AddColumnNotNull => about(
                "add-column-not-null",
                "add the column with a constant default, or let it be null until all rows have a value",
                "https://squawkhq.com/docs/adding-required-field",
            ),
            Self::SetNotNull => about(
                "set-not-null",
                "add CHECK (column IS NOT NULL) NOT VALID, validate it in another transaction, then set NOT NULL, which uses \
                 the constraint instead of a scan, and drop the constraint",
                "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL",
            ),
            Self::ChangeColumnType => about(
                "change-column-type",
                "add a new column, write both, fill in old rows in batches, read the new one, drop the old one",
                "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DATA-TYPE",
            ),
            Self::RenameColumn => about(
                "rename-column",
                "add a new column, write both, fill in old rows in batches, read the new one, drop the old one",
                "https://squawkhq.com/docs/renaming-column",
            ),
            Self::RenameTable => about(
                "rename-table",
                "create a view with the new name, change the application, rename later",
                "https://squawkhq.com/docs/renaming-table",
            ),
            Self::DropColumn => about(
                "drop-column",
                "drop it in a later deployment, when no running version reads or writes it",
                "https://squawkhq.com/docs/ban-drop-column",
            ),
            Self::DropTable => about(
                "drop-table",
                "drop it in a later deployment, when no running version uses it",
                "https://squawkhq.com/docs/ban-drop-table",
            ),
            Self::DropObject => about(
                "drop-object",
                "drop it in a later deployment, when no running version uses it",
                "https://www.postgresql.org/docs/current/sql-dropfunction.html",
            ),
            Self::RenameObject => about(
                "rename-object",
                "create one with the new name, change the application, drop the old one later",
                "https://www.postgresql.org/docs/current/sql-alterfunction.html",
            ),
            Self::Revoke => about(
                "revoke",
                "revoke it in a later deployment, when no running version needs it",
                "https://www.postgresql.org/docs/current/sql-revoke.html",
            ),
            Self::RowSecurity => about(
                "row-security",
                "first create policies that allow what running versions do; narrow them in a later deployment",
                "https://www.postgresql.org/docs/current/ddl-rowsecurity.html",
            ),
            Self::Truncate => about(
                "truncate",
                "delete the rows in batches",
                "https://www.postgresql.org/docs/current/sql-truncate.html",
            ),
            Self::AddForeignKey => about(
                "add-foreign-key",
                "add it NOT VALID, and VALIDATE CONSTRAINT in another transaction",
                ALTER_TABLE,
            ),
            Self::AddCheck => about(
                "add-check",
                "add it NOT VALID, and VALIDATE CONSTRAINT in another transaction",
                ALTER_TABLE,
            ),
            Self::AddUnique => about(
                "add-unique",
                "CREATE UNIQUE INDEX CONCURRENTLY, then add the constraint with USING INDEX",
                "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX",
            ),
            Self::AddExclusion => about(
                "add-exclusion",
                "there is none: add it to a new table, copy the rows in batches, and switch",
                "https://www.postgresql.org/docs/current/sql-altertable.html",
            ),
            Self::CreateIndex => about(
                "create-index",
                "CREATE INDEX CONCURRENTLY, outside of a transaction",
                "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
            ),
            Self::DropIndex => about(
                "drop-index",
                "DROP INDEX CONCURRENTLY, outside of a transaction",
                "https://www.postgresql.org/docs/current/sql-dropindex.html",
            ),
            Self::Reindex => about(
                "reindex",
                "REINDEX … CONCURRENTLY, outside of a transaction",
                "https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY",
            ),
            Self::Concurrently => about(
                "in-transaction",
                "give it a migration of its own, without a transaction, as the tool names it: transaction:false, \
                 -- no-transaction, atomic = False",
                "https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
            ),
            Self::RewriteTable => about(
                "rewrite-table",
                "pg_repack or pg_squeeze, which rewrite a table while it is in use",
                "https://squawkhq.com/docs/prefer-repack",
            ),
            Self::RefreshView => about(
                "refresh-view",
                "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index",
                "https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html",
            ),
            Self::AttachPartition => about(
                "attach-partition",
                "create it as a table, add a validated CHECK that implies its bounds, then attach it",
                "https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE",
            ),
            Self::DetachPartition => about(
                "detach-partition",
                "DETACH PARTITION … CONCURRENTLY, outside of a transaction",
                "https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION",
            ),
            Self::AllRows => about(
                "all-rows",
                "change the rows in batches, each in a transaction of its own, outside of the deployment",
                "https://github.com/ankane/strong_migrations#backfilling-data",
            ),
            Self::DomainConstraint => about(
                "domain-constraint",
                "add it NOT VALID, and VALIDATE CONSTRAINT in another transaction",
                "https://www.postgresql.org/docs/current/sql-alterdomain.html",
            ),
            Self::LockTable => about(
                "lock-table",
                "no explicit lock, or a weaker mode for less time",
                "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
            ),
            Self::SeveralInTransaction => about(
                "several-in-transaction",
                "give each of these statements a migration of its own: a lock is held until its transaction ends",
                "https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES",
            ),
            Self::NoLockTimeout => about(
                "no-lock-timeout",
                "begin with SET lock_timeout = '5s', or run it with dm-migrate --lock-timeout 5s, and give that here too",
                "https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_an_id_of_its_own_and_a_page() {
        let mut ids: Vec<&str> = Rule::ALL.iter().map(|rule| rule.about().id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!(rule.about().source.starts_with("https://"), "{rule:?}");
        }
    }
}
