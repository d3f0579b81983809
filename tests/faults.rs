//! What can be wrong with a server, and what dm-health says of it: the right reason, in bounded time and memory.

use std::time::Duration;

use assert_cmd::Command;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::Value;
use testkit::bin::Machine;
use testkit::fault::{self, answer, answering, dripping, pouring};
use testkit::https::{Authority, Flaw};

/// Far longer than any of these takes; only what is broken waits it out.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most memory that a fault may cost, in KiB.
const MAX_KIB: i64 = 32 * 1024;

/// A fault: its server, the flags to find it with, the reason (`-` for an answer that is good after all), and a part of
/// the message.
type Fault = (&'static str, String, &'static str, &'static str, &'static str);

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

fn head(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

/// Faults of connections and of HTTP.
fn in_http() -> Vec<Fault> {
    let ok = || answering(&answer("200 OK", "hello"));
    let to = |scheme: &str, url: String| url.replace("http:", &format!("{scheme}:"));
    let short = "--timeout 200ms";
    let cut_off = "no whole answer: ";
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    vec![
        ("refused", fault::refused(), "", "refused", "connection refused by 127.0.0.1"),
        ("a name that is not", "http://does-not-exist.invalid/".to_owned(), "", "dns", "did not resolve"),
        ("no answer", fault::hanging(), short, "read_timeout", "no answer within 200ms"),
        ("reset", fault::resetting(), "", "other", "reset"),
        ("closed at once", answering(""), "", "other", "closed before a whole answer came"),
        ("slow headers", dripping(&head("X-Slow: ")), short, "read_timeout", "no answer within 200ms"),
        (
            "a slow body",
            dripping(&head("Content-Length: 9\r\n\r\n")),
            short,
            "read_timeout",
            "no whole answer",
        ),
        ("half a body", answering(&head("Content-Length: 9\r\n\r\nhalf")), "", "other", cut_off),
        ("more than the length", answering(&head("Content-Length: 2\r\n\r\nhello")), "", "-", ""),
        (
            "no number as length",
            answering(&head("Content-Length: x\r\n\r\n")),
            "",
            "other",
            "not an HTTP answer",
        ),
        (
            "two lengths",
            answering(&head("Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
            "",
            "other",
            "not an HTTP",
        ),
        ("a bad chunk", answering(&head("Transfer-Encoding: chunked\r\n\r\nZZ\r\n")), "", "other", "hunk"),
        ("half a chunk", answering(&head("Transfer-Encoding: chunked\r\n\r\n5\r\nhe")), "", "other", cut_off),
        (
            "no last chunk",
            answering(&head("Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")),
            "",
            "other",
            cut_off,
        ),
        ("10 GB", pouring(&head("Content-Length: 10000000000\r\n\r\n")), "", "-", ""),
        ("an endless body", pouring(&head("\r\n")), "", "-", ""),
        ("an endless header", pouring(&head("X: ")), "", "other", "not an HTTP answer"),
        (
            "a gzip bomb",
            pouring(&head("Content-Encoding: gzip\r\n\r\n")),
            "--expect-body ok",
            "body_mismatch",
            "does not contain",
        ),
        ("redirects in a circle", answering(redirect), "", "bad_status", "redirects are not followed"),
        ("500", fault::internal_error(), "", "bad_status", "status 500, expected 2xx"),
        ("garbage", answering("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "", "other", "not an HTTP answer"),
        ("a status that is none", answering("HTTP/1.1 99999 OK\r\n\r\n"), "", "other", "not an HTTP answer"),
        ("HTTP/2 only", answering("\0\0\0\u{4}\0\0\0\0\0"), "", "other", "not an HTTP answer"),
        ("keeps no connection", ok(), "--reuse --min-success 3", "-", ""),
        ("another version", ok(), "--expect-header x-version:2", "assertion", "no header x-version"),
        ("no JSON", ok(), "--expect-json $.up", "body_mismatch", "is not JSON"),
        ("too slow", ok(), "--max-latency 1ns", "too_slow", "expected within"),
        ("TCP refused", to("tcp", fault::refused()), "", "refused", "connection refused"),
        ("gRPC, no answer", to("grpc", fault::hanging()), short, "read_timeout", "no answer within 200ms"),
        ("gRPC of a web server", to("grpc", ok()), "", "other", ""),
    ]
}

/// Faults of TLS.
fn in_tls(authority: &Authority) -> Vec<Fault> {
    let server = |flaw| authority.server(flaw);
    let to_tls = |url: String| url.replace("http:", "https:");
    vec![
        ("none", server(Flaw::None), "--min-cert-days 365", "-", ""),
        ("it ends too soon", server(Flaw::None), "--min-cert-days 1000000", "tls", "its certificate ends in"),
        ("expired", server(Flaw::Expired), "", "tls", "xpired"),
        ("not valid yet", server(Flaw::NotYetValid), "", "tls", "not valid yet"),
        ("of another host", server(Flaw::WrongHost), "", "tls", "not valid for name"),
        ("signed by itself", server(Flaw::SelfSigned), "", "tls", "UnknownIssuer"),
        ("HTTP/2 only", server(Flaw::Http2Only), "", "tls", "no TLS connection"),
        ("no TLS at all", to_tls(answering(&answer("400 Bad Request", ""))), "", "tls", "no TLS connection"),
        (
            "no handshake",
            to_tls(fault::hanging()),
            "--timeout 200ms",
            "connect_timeout",
            "no TLS connection within",
        ),
    ]
}

#[test]
fn each_fault_has_its_reason_in_bounded_time_and_memory() {
    let authority = Authority::new();
    let machine = Machine::new().with("SSL_CERT_FILE", authority.file().to_str().unwrap());
    let faults = [in_http(), in_tls(&authority)].concat();
    assert!(faults.len() >= 30);
    let mut wrong = Vec::new();
    for (name, url, flags, reason, message) in faults {
        let mut command = Command::from_std(machine.tool("dm-health"));
        command.args(["--interval", "10ms", "--max-fail", "1", "--url", &url]).args(flags.split_whitespace());
        if !flags.contains("--timeout") {
            command.args(["--timeout", "20s"]);
        }
        let output = command.timeout(PATIENCE).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let told = format!("{name}: {stdout}{stderr}");
        let probe: Value = serde_json::from_str(stdout.lines().nth(1).expect(&told)).unwrap();
        let good = reason == "-";
        let found = (probe["reason"].as_str().unwrap_or("-"), probe["ok"] == true, output.status.code());
        if found != (reason, good, Some(i32::from(!good))) || !stderr.contains(message) {
            wrong.push(told);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Of the largest of the children, which were all dm-health.
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    assert!(peak <= MAX_KIB, "{peak} KiB");
}
