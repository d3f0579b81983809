//! Cookies: across redirects, between tests that depend on each other, and nowhere else.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::Place;
use crate::support::echo::Echo;

const SUITE: &str = r#"
    [defaults]
    cookies = true
    [[test]]
    name = "alice logs in"
    http = { method = "POST", url = "/login", form = { user = "alice" }, redirects = 1 }
    expect = { body_contains = "home of sid=alice-hush-hush" }
    [[test]]
    name = "bob logs in"
    http = { method = "POST", url = "/login", form = { user = "bob" }, redirects = 1 }
    expect = { body_contains = "home of sid=bob-hush-hush" }
    [[test]]
    name = "alice is logged in"
    http = { url = "/home", headers = { cookie = "own=1" } }
    expect = { body_matches = "^home of own=1; sid=alice-hush-hush$" }
    depends_on = ["alice logs in"]
    [[test]]
    name = "a command between them"
    command = ["true"]
    depends_on = ["bob logs in"]
    [[test]]
    name = "bob logs out"
    http = { url = "/logout" }
    depends_on = ["a command between them"]
    [[test]]
    name = "bob is logged out"
    http = { url = "/home" }
    expect = { body_matches = "^home of nobody$" }
    depends_on = ["bob logs out"]
    [[test]]
    name = "nobody else is"
    http = { url = "/home" }
    expect = { body_matches = "^home of nobody$" }
    [[test]]
    name = "without cookies"
    http = { url = "/home", cookies = false }
    expect = { body_matches = "^home of nobody$" }
    depends_on = ["alice logs in"]
"#;

#[test]
fn a_test_has_the_cookies_of_the_tests_that_it_depends_on() {
    let echo = Echo::start();
    Place::with_suite(SUITE)
        .smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .stdout(contains("8 passed"))
        .code(0);
}

#[test]
fn cookies_are_masked() {
    let echo = Echo::start();
    let suite = SUITE.replace("^home of own=1; sid=alice-hush-hush$", "^no$");
    Place::with_suite(&suite)
        .smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .stdout(contains("does not match \"^no$\": \"home of own=1; sid=***\"").and(contains("hush").not()))
        .code(1);
}
