//! Server-sent events and WebSocket.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::Place;
use crate::support::echo::Echo;

#[test]
fn events_are_awaited_in_their_order() {
    let echo = Echo::start();
    let suite = r#"
        [[test]]
        name = "prices are pushed"
        http = { url = "/events" }
        expect = { message = [{ event = "price", json = '$.price > 2' }, { contains = "bye" }], body_equals = "good\nbye", max_latency = "1m" }
        [[test]]
        name = "captured"
        http = { url = "/events" }
        expect = { message = { event = "price" } }
        capture = { price = "$.price" }
        [[test]]
        name = "a captured value is expected"
        http = { url = "/events" }
        expect = { message = { json = "$.price == {{price}}" } }
    "#;
    Place::with_suite(suite)
        .smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .stdout(contains("3 passed"))
        .code(0);
}

#[test]
fn an_event_that_does_not_come_fails_with_the_last_one() {
    let echo = Echo::start();
    let suite = r#"
        [[test]]
        name = "the stream ends"
        http = { url = "/events" }
        expect = { message = [{ contains = "bye" }, { event = "price" }] }
        [[test]]
        name = "the stream hangs"
        http = { url = "/hanging-events" }
        expect = { message = { contains = "never" } }
        timeout = "8s"
        [[test]]
        name = "no stream"
        http = { url = "/hello" }
        expect = { message = { contains = "hello" } }
        [[test]]
        name = "bad status"
        http = { url = "/no-events" }
        expect = { message = { contains = "hello" } }
    "#;
    Place::with_suite(suite).smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"]).code(1).stdout(
        contains("expected message 2 did not come before the stream ended: 3 messages came, the last one is: \"good\\nbye\"")
            .and(contains("the expected message did not come within 8.0s: 1 message came: \"started\""))
            .and(contains("/hello: the response is not a stream of events"))
            .and(contains("/no-events: status 503, expected 2xx")),
    );
}

#[test]
fn a_conversation_over_websocket() {
    let echo = Echo::start();
    let suite = r#"
        [defaults]
        tls = { ca = "PEM/ca.pem" }
        [[test]]
        name = "echo"
        http = { url = "/socket", websocket = { send = ["hello", '{"n":{{env.N}}}'] }, bearer = "{{env.TOKEN}}" }
        expect = { message = [{ contains = "hello" }, { json = "$.n == 7" }] }
        capture = { n = "$.n" }
        [[test]]
        name = "plain"
        http = { url = "ws://127.0.0.1:HTTP/socket", websocket = { send = ["{{n}}"] } }
        expect = { message = { matches = "^7$" } }
        [[test]]
        name = "only the handshake"
        http = { url = "/socket", websocket = {} }
        expect = { headers = { upgrade = "websocket" } }
        [[test]]
        name = "no websocket"
        http = { url = "/hello", websocket = {} }
        [[test]]
        name = "it closes"
        http = { url = "/socket", websocket = { send = ["close"] } }
        expect = { message = { contains = "more" } }
    "#;
    let place = Place::with_suite(&echo.fill(suite));
    let mut command = place.command();
    let base = format!("https://127.0.0.1:{}", echo.port("https"));
    command
        .args(["--base-url", &base, "--format", "human", "--timeout", "2m"])
        .env("N", "7")
        .env("TOKEN", "hush-hush");
    assert_cmd::Command::from_std(command)
        .assert()
        .stdout(contains("3 passed, 2 failed"))
        .stdout(contains("/hello: status 200, expected 101"))
        .stdout(contains(
            "the expected message did not come before the stream ended: 1 message came: \"close\"",
        ))
        .code(1);
}
