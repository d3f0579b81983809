//! `each`: a test for each row of a table. `include`: tests of other files.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::{Place, Server, answer};

fn write(place: &Place, name: &str, text: &str) {
    common::fs::atomic::write(&place.path(name), text.as_bytes()).unwrap();
}

#[test]
fn a_test_runs_for_each_row() {
    let server = Server::start(|request| match request.split(' ').nth(1) {
        Some("/users/alice%20b") => answer(200, "n=1"),
        Some("/users/no") => answer(404, "n=2"),
        _ => answer(500, ""),
    });
    let suite = r#"
        [[test]]
        name = "user {{row.user}}"
        http = { url = "/users/{{row.user}}" }
        expect = { status = "{{row.status}}", body_matches = "^n={{row.n}}$" }
        each = [{ user = "alice b", status = 200, n = 1 }, { user = "no", status = "4xx", n = 2 }]
        [[test]]
        name = "sum {{row.a}}"
        command = ["test", "{{row.a}}", "=", "{{row.b}}"]
        each = "sums.csv"
        tags = ["{{row.tag}}"]
        depends_on = ["user no"]
    "#;
    let place = Place::with_suite(suite);
    write(&place, "sums.csv", "a,b,tag\n1,1,one\n2,3,two\n");
    let args = ["--base-url", &server.url, "--format", "human"];
    place
        .smoke(&args)
        .code(1)
        .stdout(contains("ok    user alice b").and(contains("ok    user no")).and(contains("ok    sum 1")))
        .stdout(contains("FAIL  sum 2").and(contains("3 passed, 1 failed")));
    place.smoke(&[&args[..], &["--tag", "one"]].concat()).code(0).stdout(contains("2 passed"));
    let check = |suite: &str| Place::with_suite(suite).smoke(&["--check"]).code(2);
    check("[[test]]\nname = 'a {{row.x}}'\ncommand = ['x']\neach = 'no.csv'")
        .stderr(contains("4:8: no.csv: No such file or directory"));
    check("[[test]]\nname = 'a {{row.x}}'\ncommand = ['{{row.z}}']\neach = [{ x = 1, y = 2 }]")
        .stderr(contains("3:12: the table has no column z, only x, y"));
    check("[[test]]\nname = 'a {{row.x}}'\ncommand = ['x']").stderr(contains("2:8: {{row.x}} needs each"));
    check("[[test]]\nname = 'a {{row.x}}'\ncommand = ['x']\neach = [{ x = 1 }, { x = 1 }]")
        .stderr(contains("2:8: line 2 already has a test of this name"));
}

#[test]
fn other_files_are_included_with_their_defaults_and_paths() {
    let server = Server::start(|_| answer(200, "hello"));
    let suite = r#"
        include = ["common/login.toml"]
        [defaults]
        headers = { x-own = "1" }
        [[test]]
        name = "own"
        http = { url = "/own/{{word}}" }
    "#;
    let place = Place::with_suite(suite);
    std::fs::create_dir(place.path("common")).unwrap();
    let login = r#"
        include = "more.toml"
        [defaults]
        headers = { x-common = "2", x-own = "3" }
        [[setup]]
        name = "log in"
        http = { url = "/login" }
        expect = { body_file = "expected.txt" }
        capture = { word = { regex = "h(.*)" } }
    "#;
    write(&place, "common/login.toml", login);
    write(&place, "common/more.toml", "name = 'ignored'\n[[test]]\nname = \"more\"\ncommand = [\"true\"]\n");
    write(&place, "common/expected.txt", "hello");
    let args = ["--base-url", &server.url, "--format", "human", "--jobs", "1"];
    place.smoke(&args).code(0).stdout(contains("ok    log in").and(contains("3 passed")));
    let [login, own] = server.requests().try_into().unwrap();
    assert!(login.contains("x-own: 3\r\n") && login.contains("x-common: 2\r\n"), "{login}");
    assert!(
        own.starts_with("GET /own/ello ") && own.contains("x-own: 1\r\n") && own.contains("x-common: 2\r\n"),
        "{own}"
    );

    write(
        &place,
        "common/more.toml",
        "[[test]]\nname = 'own'\ncommand = ['true']\ndepends_on = 'no'\ninclude = 'x'",
    );
    place.smoke(&["--check"]).code(2).stderr(
        contains("./common/more.toml:5:1: unknown field `include`".trim_start_matches("./"))
            .and(contains("common/more.toml:4:14: there is no test \"no\""))
            .and(contains("smoke.toml:6:16: line 2 of common/more.toml already has a test of this name")),
    );
    write(&place, "common/more.toml", "include = 'login.toml'");
    place
        .smoke(&["--check"])
        .code(2)
        .stderr(contains("common/more.toml:1:11: common/login.toml is already a part"));
    write(&place, "common/more.toml", "include = 'no.toml'\nx = [");
    place.smoke(&["--check"]).code(2).stderr(contains("common/more.toml:2:6: "));
}
