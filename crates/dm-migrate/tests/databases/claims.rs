//! What `--check` claims about a statement is what a real server does: the lock modes are compared with `pg_locks`, a rewrite
//! with `relfilenode`, and a scan with the statistics of the transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{report, shop_with};
use super::*;

const SCHEMA: &str = "create table users (id int primary key, name text); insert into users select g, g from generate_series(1, 9) g;
    create table orders (id int not null, user_id int default 1, note varchar(20), amount numeric(8,2), day date default now(), qty int);
    insert into orders select g, 1, g, g, now(), g from generate_series(1, 99) g;
    create index orders_note on orders (note); create unique index orders_id on orders (id);
    alter table orders add constraint orders_qty check (qty > 0) not valid, add constraint day_known check (day is not null);
    create table events (id int, at date) partition by range (id); create table events_1 partition of events for values from (1) to (9);
    create table events_2 (id int, at date); create table parent (id int, at date); create unlogged table scratch (id int);
    create materialized view totals as select user_id, count(*) as n from orders group by 1; create unique index on totals (user_id);
    create view recent as select user_id from orders; create schema old; create function touch() returns trigger language plpgsql as 'begin return new; end';
    create trigger touched before update on orders for each row execute function touch();
    create type mood as enum ('a'); create domain positive as int check (value > 0); create domain plain as int;
    create function tick() returns int volatile language plpgsql as 'begin return 1; end'; create function tock() returns int immutable language sql as 'select 1';
    create policy mine on orders for select using (true); create rule noted as on insert to parent do nothing; cluster orders using orders_id";

/// Statements that can run in a transaction.
const IN_TRANSACTION: &[&str] = &[
    "alter table orders add column a int",
    "alter table orders add column a int not null default 5",
    "alter table orders add column a timestamptz default now()",
    "alter table orders add column a timestamptz default clock_timestamp()",
    "alter table orders add column a uuid default gen_random_uuid()",
    "alter table orders add column a int default tick()",
    "alter table orders add column a int default tock()",
    "alter table orders add column a bigserial",
    "alter table orders add column a int generated always as identity",
    "alter table orders add column a int generated always as (id * 2) stored",
    "alter table orders add column a positive",
    "alter table orders add column a plain",
    "alter table orders add column a mood default 'a'",
    "alter table orders add column a jsonb default '{}'::jsonb",
    "alter table orders add column a int references users",
    "alter table orders add column a int default 1 references users",
    "alter table orders add column a int check (a > 0)",
    "alter table orders add column a int unique",
    "alter table orders drop column note",
    "alter table orders alter column qty set not null",
    "alter table orders alter column id set not null",
    "alter table orders alter column day set not null",
    "alter table orders alter column id drop not null",
    "alter table orders alter column qty set default 7",
    "alter table orders alter column qty type bigint",
    "alter table orders alter column note type varchar(40)",
    "alter table orders alter column note type text",
    "alter table orders alter column note type varchar(10)",
    "alter table orders alter column amount type numeric(10,2)",
    "alter table orders alter column amount type numeric(10,3)",
    "alter table orders alter column note type int using 1",
    "alter table orders alter column note set statistics 500",
    "alter table orders alter column note set storage external",
    "alter table orders alter column note set compression pglz",
    "alter table orders alter column id add generated always as identity",
    "alter table orders add constraint c check (qty > 0)",
    "alter table orders add constraint c check (qty > 0) not valid",
    "alter table orders validate constraint orders_qty",
    "alter table orders add constraint c check (qty > 0) not valid, validate constraint c",
    "alter table orders drop constraint orders_qty",
    "alter table orders rename constraint orders_qty to c",
    "alter table orders add constraint c foreign key (user_id) references users (id)",
    "alter table orders add constraint c foreign key (user_id) references users (id) not valid",
    "alter table orders add constraint c unique (note)",
    "alter table orders add constraint c unique using index orders_id",
    "alter table orders add constraint c primary key using index orders_id",
    "alter table orders add primary key (id)",
    "alter table orders add constraint c exclude using btree (id with =)",
    "alter table orders rename to old_orders",
    "alter table orders rename column note to remark",
    "alter table orders set (fillfactor = 70, autovacuum_enabled = false)",
    "alter table orders reset (fillfactor)",
    "alter table orders set unlogged",
    "alter table scratch set logged",
    "alter table orders set tablespace other",
    "alter table orders cluster on orders_id",
    "alter table orders set without cluster",
    "alter table orders disable trigger touched",
    "alter table orders enable row level security",
    "alter table orders replica identity full",
    "alter table orders owner to migrator",
    "alter table orders set schema old",
    "alter table events_2 inherit parent",
    "alter table events attach partition events_2 for values from (10) to (20)",
    "alter table events detach partition events_1",
    "alter table orders add column a int, alter column note set statistics 5, add constraint c check (qty > 0)",
    "create table items (id int references orders (id), qty int)",
    "create table e3 partition of events for values from (30) to (40)",
    "create table child () inherits (parent)",
    "create table copy (like orders)",
    "create table copy as select * from orders",
    "create view v as select * from orders",
    "create or replace view recent as select user_id from orders",
    "create materialized view m as select * from orders",
    "create index i on orders (note)",
    "create unique index i on orders (id)",
    "drop index orders_note",
    "reindex index orders_note",
    "reindex table orders",
    "alter index orders_note rename to n",
    "cluster orders",
    "cluster orders using orders_id",
    "refresh materialized view totals",
    "refresh materialized view concurrently totals",
    "truncate scratch",
    "lock table orders",
    "lock orders in share row exclusive mode",
    "analyze orders",
    "drop table scratch",
    "drop view recent",
    "create trigger t after insert on orders for each row execute function touch()",
    "drop trigger touched on orders",
    "create policy p on orders for select using (true)",
    "drop policy mine on orders",
    "create statistics s on note, qty from orders",
    "comment on table orders is 'x'",
    "comment on column orders.note is 'x'",
    "grant select on orders to web",
    "create type t as enum ('a')",
    "alter type mood add value 'b'",
    "create sequence s",
    "select * from orders",
    "select count(*) from orders join users on user_id = users.id where exists (select from parent)",
    "select * from orders for update",
    "insert into orders (id) values (1000)",
    "insert into orders (id) select id + 1000 from users",
    "update orders set qty = 1 where id = 1",
    "update orders set qty = 1",
    "delete from orders where id in (select id from users)",
    "with gone as (delete from orders where id = 1 returning *) insert into users select id + 100 from gone",
    "copy users (id) to '/dev/null'",
];

/// Statements that cannot, with the table on which a session has to hold a lock so that their first request can be seen.
const ALONE: &[(&str, &str)] = &[
    ("create index concurrently i1 on orders (note)", "orders"),
    ("drop index concurrently orders_note", "orders"),
    ("reindex index concurrently orders_id", "orders"),
    ("reindex table concurrently users", "users"),
    ("vacuum users", "users"),
    ("vacuum full users", "users"),
    ("alter table events detach partition events_1 concurrently", "events"),
];

/// Per relation: the lock mode, and what is done while it is held.
type Claims = BTreeMap<String, (String, String)>;

/// What the server did in a transaction that was rolled back, and which of the relations are tables.
type Measured = (Claims, BTreeSet<String>);

/// What dm-migrate claims about each of these statements.
fn claims(server: &Postgres, statements: &[&str]) -> Vec<Claims> {
    let folder = tempfile::tempdir().unwrap();
    for (number, sql) in statements.iter().enumerate() {
        let file = folder.path().join(format!("{number:04}.sql"));
        common::fs::atomic::write(&file, sql.as_bytes()).unwrap();
    }
    let flags = [folder.path().to_str().unwrap(), "--autocommit"];
    let report = report(&flags, &server.url_of("migrator", "postgres"), "");
    let reports = report["statements"].as_array().unwrap();
    assert_eq!(reports.len(), statements.len());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let claims = |statement: &Value| {
        assert_eq!(statement["not_judged"].as_array().unwrap().len(), 0, "{statement}");
        let locks = statement["locks"].as_array().unwrap().iter();
        locks.map(|lock| (text(&lock["table"]), (text(&lock["mode"]), text(&lock["work"])))).collect()
    };
    reports.iter().map(claims).collect()
}

/// What the server does for each of these statements.
fn measure(server: &Postgres, statements: &[&str]) -> Vec<Measured> {
    let measure_one = |sql: &&str| {
        format!(
            "\\echo case\nbegin; create temp table before on commit drop as select oid, relname, relkind, relfilenode, \
                 pg_stat_get_xact_numscans(oid) as scans \
                 from pg_class where oid >= 16384 and relnamespace = 'public'::regnamespace; {sql};\n\
             select b.relname, b.relkind, (select string_agg(mode, ',') from pg_locks \
                     where pid = pg_backend_pid() and relation = b.oid), \
                 case when c.relfilenode <> b.relfilenode then 'rewrite' \
                     when pg_stat_get_xact_numscans(b.oid) > b.scans then 'scan' end \
             from before b left join pg_class c using (oid); rollback;\n"
        )
    };
    let script: String = statements.iter().map(measure_one).collect();
    let output = server.script(&script);
    let cases: Vec<Measured> = output.split("case\n").skip(1).map(measured).collect();
    assert_eq!(cases.len(), statements.len());
    cases
}

fn measured(output: &str) -> Measured {
    let (mut measured, mut tables) = (Claims::new(), BTreeSet::new());
    for line in output.lines() {
        // The statement may have rows of its own.
        let Ok([name, kind, held, work]) = <[&str; 4]>::try_from(line.split('|').collect::<Vec<_>>()) else {
            continue;
        };
        let held: Vec<&str> = held.split(',').collect();
        let strongest = MODES.iter().find(|mode| held.contains(mode)).copied().unwrap_or_default();
        measured.insert(name.to_owned(), (strongest.to_owned(), work.to_owned()));
        if matches!(kind, "r" | "p" | "m") {
            tables.insert(name.to_owned());
        }
    }
    assert!(measured.contains_key("orders"), "{output}");
    (measured, tables)
}

/// The lock modes, from the strongest to the weakest; those from the sixth on conflict with no change of a table's rows.
const MODES: [&str; 8] = [
    "AccessExclusiveLock",
    "ExclusiveLock",
    "ShareRowExclusiveLock",
    "ShareLock",
    "ShareUpdateExclusiveLock",
    "RowExclusiveLock",
    "RowShareLock",
    "AccessShareLock",
];

#[test]
fn the_claimed_locks_and_rewrites_are_those_of_the_server() {
    let server = shop_with(SCHEMA);
    server.script("set allow_in_place_tablespaces = on; create tablespace other location ''; grant all on tablespace other to public;");
    let mut wrong = Vec::new();
    let cases = claims(&server, IN_TRANSACTION).into_iter().zip(measure(&server, IN_TRANSACTION));
    for (sql, (claims, (measured, tables))) in IN_TRANSACTION.iter().zip(cases) {
        for (relation, (mode, work)) in &claims {
            let Some((real_mode, real_work)) = measured.get(relation) else {
                wrong.push(format!("{sql}: {relation} is claimed, and does not exist"));
                continue;
            };
            if mode != real_mode {
                wrong.push(format!("{sql}: {relation} is claimed to be in {mode}, and is in {real_mode}"));
            }
            if measures_work(sql) && work.replace("index build", "scan") != *real_work {
                wrong.push(format!(
                    "{sql}: the work on {relation} is claimed to be {work:?}, and is {real_work:?}"
                ));
            }
        }
        // No table is locked more than claimed: weaker modes block nobody.
        for (relation, (mode, _)) in measured.iter().filter(|(relation, _)| tables.contains(*relation)) {
            if MODES[..5].contains(&mode.as_str()) && !claims.contains_key(relation) {
                wrong.push(format!("{sql}: {relation} is in {mode}, and is not claimed"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whether the work is claimed: not the reading of a query, and not the new, empty file of TRUNCATE.
fn measures_work(sql: &str) -> bool {
    let is_query = ["select", "insert", "update", "delete", "with", "copy", "analyze", "refresh", "truncate"];
    let is_index = sql.starts_with("create index") || sql.starts_with("create unique");
    !is_query.iter().any(|word| sql.starts_with(word)) && (is_index || !sql.starts_with("create"))
}

#[test]
fn the_claimed_locks_of_statements_outside_of_transactions_are_those_of_the_server() {
    let server = shop_with(SCHEMA);
    let statements: Vec<&str> = ALONE.iter().map(|(sql, _)| *sql).collect();
    for ((sql, table), mut claims) in ALONE.iter().zip(claims(&server, &statements)) {
        let (mode, work) = claims.remove(*table).unwrap_or_else(|| panic!("{sql}: no claim"));
        let blocker = server.session(
            "postgres",
            "blocker",
            &format!("begin; lock {table} in share update exclusive mode"),
        );
        let file = || server.sql(&format!("select relfilenode from pg_class where relname = '{table}'"));
        let before = file();
        let running = server.background("postgres", "measured", sql);
        let waiting = format!(
            "select mode from pg_locks l join pg_stat_activity a using (pid) \
             where application_name = 'measured' and relation = '{table}'::regclass and not granted"
        );
        eventually(sql, || match server.sql(&waiting) {
            real if real == mode => Ok(()),
            real => Err(format!("{mode} is claimed, and the server says {real:?}")),
        });
        blocker.end();
        let sessions = "select count(*) from pg_stat_activity where application_name = 'measured'";
        eventually(sql, || match &*server.sql(sessions) {
            "0" => Ok(()),
            other => Err(other.to_owned()),
        });
        running.end();
        let is_rewritten = before != file();
        assert_eq!(is_rewritten, work == "rewrite", "{sql}: {work}");
    }
}
