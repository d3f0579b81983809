//! How a request reaches its server: versions of HTTP, sockets, other addresses, TLS.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::Place;
use crate::support::echo::Echo;

/// Runs a suite with the ports and the paths of the server in it.
fn run(echo: &Echo, suite: &str, base: &str) -> assert_cmd::assert::Assert {
    let place = Place::with_suite(&echo.fill(suite));
    place.smoke(&["--base-url", &echo.fill(base), "--format", "human", "--timeout", "2m"])
}

#[test]
fn every_version_of_http() {
    let echo = Echo::start();
    run(
        &echo,
        r#"
        [defaults]
        tls = { ca = "PEM/ca.pem" }
        [[test]]
        name = "agreed on by TLS"
        http = { url = "/" }
        expect = { json = '$.version == "2.0"' }
        [[test]]
        name = "1.1 by TLS"
        http = { url = "/", http_version = "1.1" }
        expect = { json = '$.version == "1.1"' }
        [[test]]
        name = "1.1 by a header host"
        http = { url = "/", headers = { host = "shop.example" } }
        expect = { json = ['$.version == "1.1"', '$.headers.host == "shop.example"'] }
        [[test]]
        name = "1.0"
        http = { url = "http://127.0.0.1:HTTP/", http_version = "1.0" }
        expect = { json = '$.version == "1.0"' }
        [[test]]
        name = "a server that speaks HTTP/2 only"
        http = { url = "https://127.0.0.1:HTTPS2/", tls = { ca = "PEM/ca.pem" } }
        expect = { json = '$.version == "2.0"' }
        [[test]]
        name = "2 without TLS"
        http = { url = "http://127.0.0.1:HTTP2/", http_version = "2" }
        expect = { json = '$.version == "2.0"' }
        "#,
        "https://127.0.0.1:HTTPS",
    )
    .code(0)
    .stdout(contains("6 passed"));
    let suite = "[[test]]\nname = \"a\"\nhttp = { url = \"http://h/\", http_version = \"2\", headers = { host = \"x\" } }";
    run(&echo, suite, "http://h")
        .code(2)
        .stderr(contains("3:8: HTTP/2 has no header host, for which there is connect_to"));
}

#[test]
fn other_addresses_keep_the_name() {
    let echo = Echo::start();
    run(
        &echo,
        r#"
        [defaults]
        connect_to = "127.0.0.1:HTTPS"
        tls = { ca = "PEM/ca.pem" }
        [[test]]
        name = "the name of the url"
        http = { url = "/a" }
        expect = { json = ['$.sni == "localhost"', '$.headers[":authority"] == "localhost"', '$.version == "2.0"'] }
        [[test]]
        name = "a port of its own"
        http = { url = "https://localhost:444/a", connect_to = { "localhost:444" = "127.0.0.1:HTTPS" }, tls = { ca = "PEM/ca.pem" } }
        expect = { json = ['$.sni == "localhost"', '$.headers.host == "localhost:444"'] }
        [[test]]
        name = "another name for TLS"
        http = { url = "https://127.0.0.1:HTTPS/a", tls = { ca = "PEM/ca.pem", name = "localhost" } }
        expect = { json = ['$.sni == "localhost"', '$.headers.host == "127.0.0.1:HTTPS"'] }
        [[test]]
        name = "plain"
        http = { url = "http://shop.invalid/a?b", connect_to = "localhost:HTTP" }
        expect = { json = ['$.headers.host == "shop.invalid"', '$.url == "/a?b"'] }
        [[test]]
        name = "a socket"
        http = { url = "http://shop.invalid/a", unix_socket = "SOCKET" }
        expect = { json = ['$.headers.host == "shop.invalid"', '$.url == "/a"'] }
        [[test]]
        name = "a redirect leaves the socket"
        http = { url = "http://shop.invalid/away", unix_socket = "SOCKET", redirects = 1 }
        expect = { json = '$.headers.host == "localhost:HTTP"' }
        "#,
        "https://localhost",
    )
    .code(0)
    .stdout(contains("6 passed"));
    run(
        &echo,
        r#"
        [[test]]
        name = "the certificate is not for this name"
        http = { url = "https://shop.invalid/", connect_to = "127.0.0.1:HTTPS", tls = { ca = "PEM/ca.pem" } }
        [[test]]
        name = "no such socket"
        http = { url = "http://shop.invalid/", unix_socket = "SOCKET-no" }
        [[test]]
        name = "refused"
        http = { url = "http://shop.invalid/", connect_to = "127.0.0.1:1" }
        "#,
        "http://h",
    )
    .code(1)
    .stdout(
        contains("GET https://shop.invalid/: 127.0.0.1:")
            .and(contains("certificate not valid for name \"shop.invalid\""))
            .and(contains("-no: No such file or directory"))
            .and(contains("GET http://shop.invalid/: 127.0.0.1:1: connection refused")),
    );
}

#[test]
fn certificates() {
    let echo = Echo::start();
    let suite = r#"
        [[test]]
        name = "unknown authority"
        http = { url = "/" }
        [[test]]
        name = "not verified"
        http = { url = "/", tls = { insecure = true } }
        expect = { json = '$.client == null' }
        [[test]]
        name = "a client certificate"
        http = { url = "/", tls = { ca = "PEM/ca.pem", cert = "PEM/client.pem" } }
        expect = { json = '$.client != null' }
        [[test]]
        name = "no such file"
        http = { url = "/", tls = { ca = "no.pem" } }
        [[test]]
        name = "no certificate in it"
        http = { url = "/", tls = { ca = "smoke.toml" } }
    "#;
    let result = run(&echo, suite, "https://127.0.0.1:HTTPS").code(1);
    result.stdout(
        contains("ok    not verified")
            .and(contains("ok    a client certificate"))
            .and(contains("2 passed, "))
            .and(contains("UnknownIssuer"))
            .and(contains("cannot read no.pem: No such file or directory"))
            .and(contains("smoke.toml contains no PEM certificates"))
            .and(contains(echo.certificates.client_secret.as_str()).not()),
    );
}
