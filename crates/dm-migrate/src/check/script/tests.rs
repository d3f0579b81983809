//! What the statements of a script mean for each other.

use super::*;
use crate::check::facts::Facts;
use crate::check::statement;

/// The ids of the findings of each statement, `?` for one that is not judged.
fn judge(sql: &str, transaction: Transaction) -> Vec<String> {
    let facts = Facts::default();
    let script = Script { name: String::new(), ids: Vec::new(), sql: sql.to_owned(), transaction };
    let judged = judge_script(&script, statement::split(sql), &mut Known::new(&facts), true);
    let text = |judged: Judged| {
        let mut ids: Vec<&str> =
            judged.judgement.findings.iter().map(|finding| finding.rule.about().id).collect();
        ids.extend(judged.judgement.unknown.first().map(|_| "?"));
        ids.join(" ")
    };
    judged.into_iter().map(text).collect()
}

#[test]
fn a_lock_is_held_until_the_transaction_ends() {
    let two = "alter table a add x int; alter table b add x int";
    assert_eq!(judge(two, Transaction::Yes), ["", "several-in-transaction"]);
    assert_eq!(judge(two, Transaction::Assumed), ["", "several-in-transaction"]);
    assert_eq!(judge(two, Transaction::No), ["", ""]);
    let committed = "begin; alter table a add x int; commit; begin; alter table b add x int; commit";
    assert_eq!(judge(committed, Transaction::Assumed), [""; 6]);
    let saved =
        "begin; alter table a add x int; savepoint s; rollback to s; update a set x = 1 where x is null";
    assert_eq!(judge(saved, Transaction::No).last().unwrap(), "several-in-transaction");
    // What the migration tool itself writes is one row.
    let noted = "begin; alter table a add x int; update alembic_version set version_num = '2'; commit";
    assert_eq!(judge(noted, Transaction::No), [""; 4]);
}

#[test]
fn a_new_table_is_in_nobody_s_way() {
    let sql = "create table a (id int); create index on a (id); alter table a alter id set not null; \
        alter table a add foreign key (id) references b (id)";
    assert_eq!(judge(sql, Transaction::Yes), [""; 4]);
}

#[test]
fn a_validated_check_makes_set_not_null_quick() {
    let add = "alter table a add constraint c check (x is not null) not valid";
    let set = "alter table a alter x set not null";
    let all = format!("{add}; alter table a validate constraint c; {set}");
    assert_eq!(judge(&all, Transaction::No), ["", "", ""]);
    assert_eq!(judge(&format!("{add}; {set}"), Transaction::No), ["", "set-not-null"]);
    let other = format!("{add}; alter table a validate constraint c; alter table a alter y set not null");
    assert_eq!(judge(&other, Transaction::No)[2], "set-not-null");
}

#[test]
fn concurrently_needs_no_transaction() {
    let sql = "create index concurrently i on a (x)";
    assert_eq!(judge(sql, Transaction::Assumed), [""]);
    assert_eq!(judge(sql, Transaction::Yes), ["in-transaction"]);
    assert_eq!(judge(&format!("begin; {sql}"), Transaction::No)[1], "in-transaction");
    assert_eq!(judge(&format!("select 1; {sql}"), Transaction::Assumed)[1], "in-transaction");
    assert_eq!(judge(&format!("select 1; {sql}"), Transaction::No)[1], "");
}

#[test]
fn a_lock_timeout_is_one_that_is_in_force() {
    let facts = Facts::default();
    let is_reported = |before: &str, transaction| {
        let sql = format!("{before} alter table a add x int");
        let script = Script { name: String::new(), ids: Vec::new(), sql: sql.clone(), transaction };
        let judged = judge_script(&script, statement::split(&sql), &mut Known::new(&facts), false);
        judged.last().unwrap().judgement.findings.iter().any(|finding| finding.rule == Rule::NoLockTimeout)
    };
    assert!(is_reported("", Transaction::Yes));
    assert!(!is_reported("set lock_timeout = '5s';", Transaction::No));
    assert!(!is_reported("set local lock_timeout to 5000;", Transaction::Yes));
    assert!(is_reported("set local lock_timeout to 5000;", Transaction::No));
    assert!(is_reported("begin; set local lock_timeout to 5000; commit;", Transaction::No));
    assert!(is_reported("set lock_timeout = 0;", Transaction::No));
    assert!(is_reported("set lock_timeout = '0s';", Transaction::No));
    assert!(is_reported("set lock_timeout to default;", Transaction::No));
    assert!(is_reported("set lock_timeout = '5s'; reset all;", Transaction::No));
    assert!(is_reported("set statement_timeout = '5s';", Transaction::No));
}

#[test]
fn a_table_is_new_only_while_that_is_certain() {
    let index = "create index i on a (id)";
    for before in [
        "create table a (id int)",
        "create table a (id int); drop table b; set lock_timeout = '1s'",
        "drop table if exists a; create table a (id int)",
    ] {
        let last = judge(&format!("{before}; {index}"), Transaction::No).pop();
        assert_eq!(last.as_deref(), Some(""), "{before}");
    }
    for before in [
        "create table if not exists a (id int)",
        "create table if not exists a as select 1 as id",
        "begin; create table a (id int); rollback",
        "create temp table a (id int); drop table a",
        "set search_path = x; create table a (id int); set search_path = y",
    ] {
        let last = judge(&format!("{before}; {index}"), Transaction::No).pop();
        assert_eq!(last.as_deref(), Some("create-index"), "{before}");
    }
}

#[test]
fn every_row_can_be_changed_in_other_words_too() {
    for sql in [
        "update a set x = 1",
        "update a set x = 1 where true",
        "delete from a where 1 = 1",
        "with d as (delete from a returning *) select 1",
        "with d as (update a set x = 1 returning *) insert into b select 1 from d",
    ] {
        assert_eq!(judge(sql, Transaction::No), ["all-rows"], "{sql}");
    }
    for sql in [
        "update a set x = 1 where x is null",
        "with d as (delete from a where id = 5 returning *) select 1",
        "delete from a where exists (select 1 from b)",
    ] {
        assert_eq!(judge(sql, Transaction::No), [""], "{sql}");
    }
}

#[test]
fn a_check_that_is_validated_with_other_changes_is_found() {
    let sql = "alter table a add constraint c check (x > 0) not valid, validate constraint c";
    assert_eq!(judge(sql, Transaction::No), ["add-check"]);
    assert_eq!(judge("alter table a validate constraint c", Transaction::No), [""]);
    assert_eq!(judge("drop view v", Transaction::No), ["drop-table"]);
}

#[test]
fn what_a_running_version_may_use_is_not_taken_away() {
    for (sql, expected) in [
        ("drop function total(int)", "drop-object"),
        ("drop procedure if exists tidy", "drop-object"),
        ("drop type mood", "drop-object"),
        ("drop sequence order_numbers", "drop-object"),
        ("drop function total(int) cascade", "?"),
        ("alter function total(int) rename to sum_of", "rename-object"),
        ("alter function total(int) set schema old", "rename-object"),
        ("alter function total(int) set search_path = ''", ""),
        ("alter schema shop rename to old", "rename-object"),
        ("alter type mood rename value 'a' to 'b'", "rename-object"),
        ("alter type mood add value 'b'", ""),
        ("revoke insert on orders from app", "revoke"),
        ("grant insert on orders to app", ""),
        ("alter table orders enable row level security", "row-security"),
        ("alter table orders force row level security", "row-security"),
        ("alter table orders disable row level security", ""),
        ("create policy p on orders using (true)", ""),
        ("create policy p on orders as restrictive using (a = 1)", "row-security"),
        ("drop policy p on orders", "row-security"),
        ("alter policy p on orders using (false)", "row-security"),
    ] {
        assert_eq!(judge(sql, Transaction::No), [expected], "{sql}");
    }
    // What is created again, or used by nobody yet.
    for sql in [
        "drop function total(int); create function total(int, int) returns int language sql as 'select 1'",
        "create type mood as enum ('a'); drop type mood",
        "create table t (a int); alter table t enable row level security",
    ] {
        assert_eq!(judge(sql, Transaction::No), ["", ""], "{sql}");
    }
}

#[test]
fn a_comment_accepts_the_findings_that_it_names() {
    let drop = "alter table a drop column x";
    assert_eq!(
        judge(&format!("-- dm-migrate: allow drop-column unused since 1.2\n{drop}"), Transaction::No),
        [""]
    );
    assert_eq!(judge(&format!("-- dm-migrate: allow drop-table\n{drop}"), Transaction::No), ["drop-column"]);
    assert_eq!(
        judge(&format!("select 1; -- dm-migrate: allow drop-column\n{drop}; {drop}"), Transaction::No)[2],
        "drop-column"
    );
}

#[test]
fn what_is_not_known_is_not_judged() {
    for sql in [
        "do $$ begin execute 'drop table a'; end $$",
        "call f()",
        "select f()",
        "alter tabel a",
        "\\i other.sql",
        "alter table all in tablespace x set tablespace y",
        "alter table a add x order_status",
        "alter table a add x int default f()",
        "alter extension postgis update",
        "reindex database shop",
        "vacuum",
        "drop function f() cascade",
        "with x as (select f()) select * from x",
    ] {
        assert!(judge(sql, Transaction::No)[0].ends_with('?'), "{sql}: {:?}", judge(sql, Transaction::No));
    }
}
