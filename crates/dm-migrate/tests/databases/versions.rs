//! The schema's version, before and after.

use super::*;

/// Version tables as the tools make them, one migration applied; what applies the second; and what is read then.
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
fn the_version_is_read_from_every_tool_s_own_table() {
    let server = shop();
    server.role("root", "superuser");
    for (tool, tables, second, versions, dirty) in TOOLS {
        server.sql(tables);
        let ended = Run::of(&server, "root", &[], second).end();
        assert!(ended.status.success(), "{tool}: {}", ended.told);
        let event = ended.event();
        let found = format!("{} {}", event["before"].as_str().unwrap(), event["after"].as_str().unwrap());
        assert_eq!((found.as_str(), &event["dirty"]), (*versions, dirty), "{tool}");
        let (_, after) = versions.split_once(' ').unwrap();
        let told = match dirty {
            Value::Bool(true) => format!("the schema is marked as half migrated ({tool}), at {after}"),
            _ => format!("to {after} ({tool})"),
        };
        assert!(ended.told.contains(&told), "{tool}: {}", ended.told);
        server.sql("drop schema if exists atlas_schema_revisions cascade; drop schema public cascade; create schema public");
    }
}

#[test]
fn an_expectation_is_met_or_the_end_is_not_good() {
    let server = shop();
    server.sql(
        "create table alembic_version (version_num text); alter table alembic_version owner to migrator",
    );
    let up = "insert into alembic_version values ('ae1')";
    let ended = Run::of(&server, "migrator", &["--expect-version", "ae1", "--expect-change"], up).end();
    assert!(ended.status.success(), "{}", ended.told);

    // Nothing to do is a success, and says so.
    let ended = Run::of(&server, "migrator", &[], "select 1").end();
    assert!(ended.status.success(), "{}", ended.told);
    assert!(ended.told.contains("nothing to do: the schema stays at ae1 (alembic)"), "{}", ended.told);

    let ended = Run::of(&server, "migrator", &["--expect-change"], "select 1").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("expected a change of the schema, and it is still at ae1"), "{}", ended.told);
    assert_eq!(ended.event()["error_type"], "migration_failed");

    let ended = Run::of(&server, "migrator", &["--expect-version", "f03"], "select 1").end();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.told.contains("expected the schema at f03, and it is at ae1"), "{}", ended.told);

    // The command's own failure comes first.
    let ended = Run::of(&server, "migrator", &["--expect-version", "f03"], "syntax error").end();
    assert!(!ended.told.contains("expected the schema"), "{}", ended.told);
    assert!(ended.told.contains("dm-migrate: the schema stays at ae1"), "{}", ended.told);
}
