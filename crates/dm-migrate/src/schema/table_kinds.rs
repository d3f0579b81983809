//! The version tables of the migration tools.

use std::borrow::Cow;

/// The kind of version table that a tool uses.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TableKind {
    /// The name of the tool.
    pub(super) tool: &'static str,
    /// The name of its table, in lower case.
    pub(super) table: &'static str,
    /// Columns that the table has, separated by spaces. One with a dot is in another table.
    pub(super) has: &'static str,
    /// A column that the table does not have; may be empty.
    pub(super) lacks: &'static str,
    /// The selected columns, in SQL that all servers support: the version, in one or more columns; 1 if it was applied;
    /// and 1 if it was partly applied, 0 if not, null if the tool keeps no such mark. `{q}` quotes a name with capitals.
    pub(super) row: Cow<'static, str>,
    pub(super) newest: Newest,
}

/// Which row has the version of the schema.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Newest {
    /// The row with the greatest number. Versions of digits count as numbers, even if they are stored as text.
    Number,
    /// The last row with a version, ordered by this column.
    Last(&'static str),
    /// The row with the greatest number if all versions are numbers, otherwise the last one in alphabetical order.
    Greatest,
    /// All rows together.
    All,
}

/// All known kinds. If two fit a table, the first one counts.
pub(super) const TABLE_KINDS: &[TableKind] = &[
    kind(
        "sqlx",
        ("_sqlx_migrations", "success", ""),
        "version, 1, case when success then 0 else 1 end",
        Newest::Number,
    ),
    kind(
        "golang-migrate",
        ("schema_migrations", "dirty", ""),
        "version, 1, case when dirty then 1 else 0 end",
        Newest::Number,
    ),
    kind("rails", ("schema_migrations", "ar_internal_metadata.key", ""), "version, 1, null", Newest::Number),
    kind("ecto", ("schema_migrations", "version inserted_at", ""), "version, 1, null", Newest::Number),
    kind("dbmate", ("schema_migrations", "version", "dirty"), "version, 1, null", Newest::Number),
    kind(
        "flyway",
        ("flyway_schema_history", "installed_rank", ""),
        "case when success then version end, case when success then 1 else 0 end, \
         case when success then 0 else 1 end",
        Newest::Last("installed_rank"),
    ),
    kind(
        "liquibase",
        ("databasechangelog", "orderexecuted", ""),
        "id, 1, (select max(case when locked then 1 else 0 end) from {lock})",
        Newest::Last("orderexecuted"),
    ),
    kind("alembic", ("alembic_version", "version_num", ""), "version_num, 1, null", Newest::All),
    kind("django", ("django_migrations", "applied", ""), "app, name, 1, null", Newest::Last("id")),
    kind(
        "prisma",
        ("_prisma_migrations", "migration_name", ""),
        "case when finished_at is not null and rolled_back_at is null then migration_name end, \
         case when finished_at is not null and rolled_back_at is null then 1 else 0 end, \
         case when finished_at is null and rolled_back_at is null then 1 else 0 end",
        Newest::Last("started_at"),
    ),
    kind("refinery", ("refinery_schema_history", "applied_on", ""), "version, 1, null", Newest::Number),
    kind("diesel", ("__diesel_schema_migrations", "run_on", ""), "version, 1, null", Newest::Number),
    kind("knex", ("knex_migrations", "migration_time batch", ""), "name, 1, null", Newest::Last("id")),
    kind(
        "goose",
        ("goose_db_version", "version_id is_applied", ""),
        "case when is_applied then version_id end, case when is_applied then 1 else 0 end, null",
        Newest::Number,
    ),
    kind("typeorm", ("migrations", "timestamp name", ""), "name, 1, null", Newest::Last("id")),
    kind("laravel", ("migrations", "migration batch", ""), "migration, 1, null", Newest::Last("id")),
    kind("sequelize", ("sequelizemeta", "name", ""), "name, 1, null", Newest::Greatest),
    kind("drizzle", ("__drizzle_migrations", "hash created_at", ""), "created_at, 1, null", Newest::Number),
    kind(
        "ef-core",
        ("__efmigrationshistory", "migrationid", ""),
        "{q}MigrationId{q}, 1, null",
        Newest::Greatest,
    ),
    kind(
        "doctrine",
        ("doctrine_migration_versions", "version executed_at", ""),
        "version, 1, null",
        Newest::Greatest,
    ),
    kind("node-pg-migrate", ("pgmigrations", "name run_on", ""), "name, 1, null", Newest::Last("id")),
    kind(
        "atlas",
        ("atlas_schema_revisions", "applied", ""),
        "version, 1, case when applied < total or coalesce(error, '') <> '' then 1 else 0 end",
        Newest::Last("version"),
    ),
];

const fn kind(
    tool: &'static str,
    (table, has, lacks): (&'static str, &'static str, &'static str),
    row: &'static str,
    newest: Newest,
) -> TableKind {
    TableKind { tool, table, has, lacks, row: Cow::Borrowed(row), newest }
}
