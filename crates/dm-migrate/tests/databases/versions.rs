//! The schema's version before and after the migration.

use super::*;

/// For each tool: its version table with one migration applied, the SQL that applies a second one, the expected versions
/// before and after, and the expected mark.
const TOOLS: &[(&str, &str, &str, &str, Value)] = &[
    (
        "sqlx",
        "create table _sqlx_migrations (version bigint primary key, description text, installed_on timestamptz, \
         success boolean not null, checksum bytea, execution_time bigint); \
         insert into _sqlx_migrations values (9, '', now(), true, '', 1)",
        "insert into _sqlx_migrations values (10, '', now(), true, '', 1)",
        "9 10",
        Value::Bool(false),
    ),
    (
        "golang-migrate",
        "create table schema_migrations (version bigint primary key, dirty boolean not null); \
         insert into schema_migrations values (9, false)",
        "update schema_migrations set version = 10, dirty = true",
        "9 10",
        Value::Bool(true),
    ),
    (
        "dbmate",
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('9')",
        "insert into schema_migrations values ('10')",
        "9 10",
        Value::Null,
    ),
    (
        "rails",
        "create table schema_migrations (version varchar primary key); insert into schema_migrations values ('9'); \
         create table ar_internal_metadata (key varchar primary key, value varchar)",
        "insert into schema_migrations values ('10')",
        "9 10",
        Value::Null,
    ),
    (
        "flyway",
        "create table flyway_schema_history (installed_rank int primary key, version varchar(50), \
         description varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), \
         installed_on timestamp default now(), execution_time int, success boolean); \
         insert into flyway_schema_history values (1, '1.1', '', 'SQL', '', 0, '', now(), 1, true)",
        "insert into flyway_schema_history values (2, '1.2', '', 'SQL', '', 0, '', now(), 1, true), \
         (3, null, '', 'SQL', '', 0, '', now(), 1, true)",
        "1.1 1.2",
        Value::Bool(false),
    ),
    (
        "liquibase",
        "create table databasechangelog (id varchar(255), author varchar(255), filename varchar(255), \
         dateexecuted timestamp, orderexecuted int, exectype varchar(10), md5sum varchar(35)); \
         insert into databasechangelog values ('one', '', '', now(), 1, 'EXECUTED', ''); \
         create table databasechangeloglock (id int primary key, locked boolean, lockgranted timestamp, \
         lockedby varchar(255)); insert into databasechangeloglock values (1, false)",
        "insert into databasechangelog values ('two', '', '', now(), 2, 'EXECUTED', ''); \
         update databasechangeloglock set locked = true",
        "one two",
        Value::Bool(true),
    ),
    (
        "alembic",
        "create table alembic_version (version_num varchar(32) primary key); insert into alembic_version values ('ae1')",
        "update alembic_version set version_num = 'f03'",
        "ae1 f03",
        Value::Null,
    ),
    (
        "django",
        "create table django_migrations (id bigint primary key, app varchar(255), name varchar(255), \
         applied timestamptz); insert into django_migrations values (1, 'shop', '0001_initial', now())",
        "insert into django_migrations values (2, 'auth', '0001_initial', now())",
        "shop.0001_initial auth.0001_initial",
        Value::Null,
    ),
    (
        "prisma",
        "create table _prisma_migrations (id varchar(36) primary key, checksum varchar(64), finished_at timestamptz, \
         migration_name varchar(255), logs text, rolled_back_at timestamptz, started_at timestamptz default now(), \
         applied_steps_count int default 0); \
         insert into _prisma_migrations values ('a', '', now(), '1_init', null, null, now(), 1)",
        "insert into _prisma_migrations values ('b', '', null, '2_half', 'error', null, now(), 0)",
        "1_init 1_init",
        Value::Bool(true),
    ),
    (
        "refinery",
        "create table refinery_schema_history (version int4 primary key, name varchar(255), applied_on varchar(255), \
         checksum varchar(255)); insert into refinery_schema_history values (9, '', '', '')",
        "insert into refinery_schema_history values (10, '', '', '')",
        "9 10",
        Value::Null,
    ),
    (
        "diesel",
        "create table __diesel_schema_migrations (version varchar(50) primary key, run_on timestamp default now()); \
         insert into __diesel_schema_migrations values ('00000000000009')",
        "insert into __diesel_schema_migrations values ('00000000000010')",
        "00000000000009 00000000000010",
        Value::Null,
    ),
    (
        "ecto",
        "create table schema_migrations (version bigint primary key, inserted_at timestamp); \
         insert into schema_migrations values (9, now())",
        "insert into schema_migrations values (10, now())",
        "9 10",
        Value::Null,
    ),
    (
        "knex",
        "create table knex_migrations (id serial primary key, name varchar, batch int, migration_time timestamptz); \
         create table knex_migrations_lock (index serial primary key, is_locked int); \
         insert into knex_migrations (name) values ('9_b.js')",
        "insert into knex_migrations (name) values ('10_a.js')",
        "9_b.js 10_a.js",
        Value::Null,
    ),
    (
        "goose",
        "create table goose_db_version (id serial primary key, version_id bigint, is_applied boolean, tstamp timestamp); \
         insert into goose_db_version (version_id, is_applied) values (0, true), (9, true)",
        "insert into goose_db_version (version_id, is_applied) values (10, true)",
        "9 10",
        Value::Null,
    ),
    (
        "typeorm",
        "create table migrations (id serial primary key, timestamp bigint not null, name varchar not null); \
         insert into migrations (timestamp, name) values (9, 'One9')",
        "insert into migrations (timestamp, name) values (10, 'Two10')",
        "One9 Two10",
        Value::Null,
    ),
    (
        "laravel",
        "create table migrations (id serial primary key, migration varchar, batch int); \
         insert into migrations (migration, batch) values ('2024_one', 1)",
        "insert into migrations (migration, batch) values ('2024_two', 2)",
        "2024_one 2024_two",
        Value::Null,
    ),
    (
        "sequelize",
        "create table \"SequelizeMeta\" (name varchar primary key); insert into \"SequelizeMeta\" values ('2024-b.js')",
        "insert into \"SequelizeMeta\" values ('2025-a.js')",
        "2024-b.js 2025-a.js",
        Value::Null,
    ),
    (
        "drizzle",
        "create table __drizzle_migrations (id serial primary key, hash text not null, created_at bigint); \
         insert into __drizzle_migrations (hash, created_at) values ('f', 999)",
        "insert into __drizzle_migrations (hash, created_at) values ('a', 1000)",
        "999 1000",
        Value::Null,
    ),
    (
        "ef-core",
        "create table \"__EFMigrationsHistory\" (\"MigrationId\" varchar primary key, \"ProductVersion\" varchar); \
         insert into \"__EFMigrationsHistory\" values ('2024_One', '8')",
        "insert into \"__EFMigrationsHistory\" values ('2025_Two', '8')",
        "2024_One 2025_Two",
        Value::Null,
    ),
    (
        "doctrine",
        "create table doctrine_migration_versions (version varchar primary key, executed_at timestamp, execution_time int); \
         insert into doctrine_migration_versions values ('App\\Version2024', now(), 1)",
        "insert into doctrine_migration_versions values ('App\\Version2025', now(), 1)",
        "App\\Version2024 App\\Version2025",
        Value::Null,
    ),
    (
        "node-pg-migrate",
        "create table pgmigrations (id serial primary key, name varchar, run_on timestamp); \
         insert into pgmigrations (name) values ('9_b')",
        "insert into pgmigrations (name) values ('10_a')",
        "9_b 10_a",
        Value::Null,
    ),
    (
        "atlas",
        "create schema atlas_schema_revisions; create table atlas_schema_revisions.atlas_schema_revisions (version \
         varchar primary key, description varchar, type bigint, applied bigint, total bigint, executed_at timestamptz, \
         execution_time bigint, error text, error_stmt text, hash varchar, partial_hashes jsonb, \
         operator_version varchar); insert into atlas_schema_revisions.atlas_schema_revisions values \
         ('1', '', 2, 3, 3, now(), 1, '', '', '', null, '')",
        "insert into atlas_schema_revisions.atlas_schema_revisions values \
         ('2', '', 2, 1, 3, now(), 1, 'syntax', '', '', null, '')",
        "1 2",
        Value::Bool(true),
    ),
];

#[test]
fn the_version_is_read_from_the_table_of_every_tool() {
    let server = shop();
    server.role("root", "superuser");
    for (tool, tables, second, versions, dirty) in TOOLS {
        server.sql(tables);
        let finished = Run::psql(&server, "root", &[], second).end();
        assert!(finished.status.success(), "{tool}: {}", finished.stderr);
        let event = finished.event();
        let found_versions =
            format!("{} {}", event["before"].as_str().unwrap(), event["after"].as_str().unwrap());
        assert_eq!((found_versions.as_str(), &event["dirty"]), (*versions, dirty), "{tool}");
        let (_, after) = versions.split_once(' ').unwrap();
        let message = match dirty {
            Value::Bool(true) => format!("the schema is marked as partly migrated ({tool}), at {after}"),
            _ => format!("to {after} ({tool})"),
        };
        assert!(finished.stderr.contains(&message), "{tool}: {}", finished.stderr);
        server.sql("drop schema if exists atlas_schema_revisions cascade; drop schema public cascade; create schema public");
    }
}

#[test]
fn an_unmet_expectation_is_a_failure() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = "insert into alembic_version values ('ae1')";
    let finished = Run::psql(&server, "migrator", &["--expect-version", "ae1", "--expect-change"], up).end();
    assert!(finished.status.success(), "{}", finished.stderr);

    // Nothing to do is a success, and is reported.
    let finished = Run::psql(&server, "migrator", &[], "select 1").end();
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("nothing to do: the schema stays at ae1 (alembic)"),
        "{}",
        finished.stderr
    );

    let finished = Run::psql(&server, "migrator", &["--expect-change"], "select 1").end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("expected a change of the schema, but it is still at ae1"),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.event()["error_type"], "migration_failed");

    let finished = Run::psql(&server, "migrator", &["--expect-version", "f03"], "select 1").end();
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("expected the schema at f03, but it is at ae1"), "{}", finished.stderr);

    // A failure of the command takes precedence over the expectation.
    let finished = Run::psql(&server, "migrator", &["--expect-version", "f03"], "syntax error").end();
    assert!(!finished.stderr.contains("expected the schema"), "{}", finished.stderr);
    assert!(finished.stderr.contains("dm-migrate: the schema stays at ae1"), "{}", finished.stderr);
}

#[test]
fn a_version_table_with_another_name_is_read() {
    let server = shop();
    server.sql(
        "create schema ops; grant all on schema ops to migrator; \
         create table ops.\"Knex\" (id serial primary key, name varchar, batch int, migration_time timestamptz); \
         create table ops.releases (\"Release\" int); create table ops.odd (x int); insert into ops.releases values (9); \
         grant all on all tables in schema ops to migrator; grant all on all sequences in schema ops to migrator",
    );
    let up = "insert into ops.\"Knex\" (name) values ('10_a.js'); insert into ops.releases values (10)";
    for (table, change) in [
        ("ops.Knex", "the schema went from nothing to 10_a.js (knex)"),
        ("ops.releases.Release", "the schema went from 9 to 10 (--version-table)"),
    ] {
        let flags = ["--version-table", table, "--expect-change"];
        let finished = Run::psql(&server, "migrator", &flags, up).end();
        assert!(finished.status.success(), "{}", finished.stderr);
        assert!(finished.stderr.contains(change), "{change}: {}", finished.stderr);
        server.sql("delete from ops.\"Knex\"; delete from ops.releases where \"Release\" = 10");
    }
    let finished =
        Run::psql(&server, "migrator", &["--version-table", "ops.odd", "--require-monitor"], up).end();
    assert_eq!(finished.status.code(), Some(125), "{}", finished.stderr);
    assert!(finished.stderr.contains("add .COLUMN"), "{}", finished.stderr);
}
