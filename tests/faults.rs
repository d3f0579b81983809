//! Faults of servers, and how dm-health and dm-smoke report them: with the right reason, in bounded time and memory.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::fmt::Write;
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use testkit::bin::Machine;
use testkit::fault::{self, answer, answering, dripping, pouring};
use testkit::https::{Authority, Flaw};

/// The limit of each run, which only a failing test reaches.
const TIMEOUT: Duration = Duration::from_mins(2);

/// The most memory that a tool may use, in bytes: for several responses at the same time, of which each is kept up to a MiB, and
/// for a debug build of the tool itself.
const MAX_MEMORY: f64 = 40.0 * 1024.0 * 1024.0;

/// A fault: its name, its URL, the flags of dm-health that detect it, the reason (`-` if the answer is good all the same),
/// and a part of dm-health's message.
type Fault = (&'static str, String, &'static str, &'static str, &'static str);

const HEAD: &str = "HTTP/1.1 200 OK\r\n";

/// A time limit for servers that never send a whole answer.
const SHORT: &str = "--timeout 1s";

fn head(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

fn ok() -> String {
    answering(&answer("200 OK", "hello"))
}

fn with_scheme(scheme: &str, url: &str) -> String {
    url.replace("http:", &format!("{scheme}:"))
}

/// Faults of connections.
fn connection_faults() -> Vec<Fault> {
    let keep_alive = |rest: &str| head(&format!("Connection: keep-alive\r\n{rest}"));
    let thrice = "--reuse --min-success 3";
    let mut faults = vec![
        ("refused", fault::refused(), "", "refused", "connection refused by 127.0.0.1"),
        ("an unknown name", "http://does-not-exist.invalid/".to_owned(), "", "dns", "did not resolve"),
        ("no answer", fault::hanging(), SHORT, "read_timeout", "no response within 1.0s"),
        ("reset", fault::resetting(), "", "other", "reset"),
        ("closed at once", answering(""), "", "other", "closed before the response was complete"),
        ("keeps no connection", ok(), thrice, "-", ""),
        ("claims to keep one", answering(&keep_alive("Content-Length: 2\r\n\r\nok")), thrice, "-", ""),
        (
            "keeps one, and sends too much",
            answering(&keep_alive("Content-Length: 2\r\n\r\nhello")),
            thrice,
            "-",
            "",
        ),
        (
            "keeps one, and sends nothing",
            fault::silent_after(&keep_alive("Content-Length: 2\r\n\r\nok")),
            "--timeout 1s --reuse --min-success 3",
            "read_timeout",
            "no response within 1.0s",
        ),
        ("TCP refused", with_scheme("tcp", &fault::refused()), "", "refused", "connection refused"),
        (
            "gRPC, no answer",
            with_scheme("grpc", &fault::hanging()),
            SHORT,
            "read_timeout",
            "no response within 1.0s",
        ),
        ("gRPC of a web server", with_scheme("grpc", &ok()), "", "other", ""),
    ];
    // A machine may have no IPv6.
    if let Some(url) = fault::only_on_ipv6(&answer("200 OK", "hello")) {
        let by_ipv4 = url.replace("[::1]", "127.0.0.1");
        faults.push(("IPv6 only", url, "", "-", ""));
        faults.push((
            "IPv6 only, requested over IPv4",
            by_ipv4,
            "",
            "refused",
            "connection refused by 127.0.0.1",
        ));
    }
    faults
}

/// Faults of HTTP.
fn http_faults() -> Vec<Fault> {
    let cut_off = "no complete response: ";
    let not_http = "not an HTTP response";
    let chunked = |rest: &str| answering(&head(&format!("Transfer-Encoding: chunked\r\n\r\n{rest}")));
    let long = |rest: &str| answering(&head(&format!("Content-Length: {rest}")));
    let two_lengths = "1\r\nContent-Length: 2\r\n\r\nab";
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    let slow_body = dripping(&head("Content-Length: 9\r\n\r\n"));
    vec![
        ("slow headers", dripping(&head("X-Slow: ")), SHORT, "read_timeout", "no response within 1.0s"),
        ("a slow body", slow_body, SHORT, "read_timeout", "no complete response within 1.0s"),
        ("half a body", long("9\r\n\r\nhalf"), "", "other", cut_off),
        ("more than the length", long("2\r\n\r\nhello"), "", "-", ""),
        ("no number as length", long("x\r\n\r\n"), "", "other", not_http),
        ("two lengths", long(two_lengths), "", "other", not_http),
        ("a bad chunk", chunked("ZZ\r\n"), "", "other", "hunk"),
        ("half a chunk", chunked("5\r\nhe"), "", "other", cut_off),
        ("no last chunk", chunked("2\r\nhe\r\n"), "", "other", cut_off),
        ("10 GB", pouring(&head("Content-Length: 10000000000\r\n\r\n")), "", "-", ""),
        ("an endless body", pouring(&head("\r\n")), "", "-", ""),
        ("an endless header", pouring(&head("X: ")), "", "other", not_http),
        ("a gzip bomb", fault::bombing(), "--expect-body ok", "body_mismatch", "does not contain"),
        (
            "no gzip",
            pouring(&head("Content-Encoding: gzip\r\n\r\n")),
            "--expect-body aaa",
            "body_mismatch",
            "does not contain",
        ),
        ("redirects in a circle", answering(redirect), "", "bad_status", "redirects are not followed"),
        ("500", fault::internal_error(), "", "bad_status", "status 500, expected 2xx"),
        ("garbage", answering("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "", "other", not_http),
        ("an invalid status", answering("HTTP/1.1 99999 OK\r\n\r\n"), "", "other", not_http),
        ("HTTP/2 only", answering("\0\0\0\u{4}\0\0\0\0\0"), "", "other", not_http),
        ("another version", ok(), "--expect-header x-version:2", "assertion", "no header x-version"),
        ("no JSON", ok(), "--expect-json $.up", "body_mismatch", "is not JSON"),
        ("too slow", ok(), "--max-latency 1ns", "too_slow", "expected within"),
    ]
}

/// Faults of TLS.
fn tls_faults(authority: &Authority) -> Vec<Fault> {
    let server = |flaw| authority.server(flaw);
    let silent = with_scheme("https", &fault::hanging());
    let plain = with_scheme("https", &answering(&answer("400 Bad Request", "")));
    vec![
        ("none", server(Flaw::None), "--min-cert-days 365", "-", ""),
        (
            "expires too soon",
            server(Flaw::None),
            "--min-cert-days 1000000",
            "tls",
            "the certificate expires in",
        ),
        ("expired", server(Flaw::Expired), "", "tls", "xpired"),
        ("not valid yet", server(Flaw::NotYetValid), "", "tls", "not valid yet"),
        ("for another host", server(Flaw::WrongHost), "", "tls", "not valid for name"),
        ("self-signed", server(Flaw::SelfSigned), "", "tls", "UnknownIssuer"),
        ("HTTP/2 only in TLS", server(Flaw::Http2Only), "", "tls", "no TLS connection"),
        ("no TLS at all", plain, "", "tls", "no TLS connection"),
        ("no handshake", silent, SHORT, "connect_timeout", "no TLS connection within"),
    ]
}

fn faults(authority: &Authority) -> Vec<Fault> {
    let faults = [connection_faults(), http_faults(), tls_faults(authority)].concat();
    assert!(faults.len() >= 30);
    faults
}

fn machine(authority: &Authority) -> Machine {
    Machine::new().with("SSL_CERT_FILE", authority.file().to_str().unwrap())
}

/// The records of a stream, without the first and the last.
fn records(stdout: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8_lossy(stdout);
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["type"] != "start" && record["type"] != "end").collect()
}

/// A tool, as the command of a stage. The kernel measures its memory since the fork: that of a fork of dm-stage is small,
/// that of a fork of these tests is not.
fn measured(machine: &Machine, tool: &str) -> Command {
    let mut command = Command::from_std(machine.tool("dm-stage"));
    command.args(["measured", "--", tool]).timeout(TIMEOUT);
    command
}

/// Checks the memory of all tools that ran as stages.
fn assert_that_memory_is_bounded(machine: &Machine) {
    let journal = machine.journal();
    let stages = journal.iter().filter(|event| event["stage"] == "measured");
    let memory: Vec<f64> = stages.map(|event| event["max_rss_bytes"].as_f64().unwrap()).collect();
    assert!(!memory.is_empty());
    assert!(memory.iter().all(|bytes| *bytes <= MAX_MEMORY), "{memory:?}");
}

#[test]
fn dm_health_reports_the_reason_of_each_fault() {
    let authority = Authority::new();
    let machine = machine(&authority);
    let mut wrong = Vec::new();
    for (name, url, flags, reason, message) in faults(&authority) {
        let mut command = measured(&machine, "dm-health");
        command.args(["--interval", "10ms", "--max-fail", "1", "--url", &url]).args(flags.split_whitespace());
        if !flags.contains("--timeout") {
            command.args(["--timeout", "1m"]);
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let records = records(&output.stdout);
        let last = records.last().cloned().unwrap_or_default();
        let good = reason == "-";
        let result = (last["reason"].as_str().unwrap_or("-"), last["ok"] == true, output.status.code());
        if result != (reason, good, Some(i32::from(!good))) || !stderr.contains(message) {
            wrong.push(format!("{name}: {result:?}, {last}, {stderr}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_that_memory_is_bounded(&machine);
}

/// The same fault as a test of a suite; `None` if dm-smoke cannot check for it.
fn smoke_test((name, url, flags, ..): &Fault) -> Option<String> {
    // dm-smoke speaks HTTP/2, and this server only says that it does.
    if !url.starts_with("http") || *name == "HTTP/2 only in TLS" {
        return None;
    }
    let rest = match flags.split_once(' ') {
        None => String::new(),
        Some(("--timeout", limit)) if !limit.contains(' ') => format!("timeout = '{limit}'"),
        Some(("--expect-body", text)) => format!("expect = {{ body_contains = '{text}' }}"),
        Some(("--expect-json", path)) => format!("expect = {{ json = '{path}' }}"),
        Some(("--max-latency", limit)) => format!("expect = {{ max_latency = '{limit}' }}"),
        Some(("--expect-header", header)) => {
            let (header, value) = header.split_once(':').unwrap();
            format!("expect = {{ headers = {{ {header} = '{value}' }} }}")
        }
        Some(_) => return None,
    };
    Some(format!("[[test]]\nname = '{name}'\nhttp = {{ url = '{url}' }}\n{rest}\n"))
}

#[test]
fn dm_smoke_reports_the_reason_of_each_fault() {
    let authority = Authority::new();
    let machine = machine(&authority);
    let (mut suite, mut expected) = (String::new(), Vec::new());
    for fault in faults(&authority) {
        let Some(test) = smoke_test(&fault) else { continue };
        suite.push_str(&test);
        let (name, _, _, reason, _) = fault;
        expected.push((name.to_owned(), reason.to_owned()));
    }
    assert!(expected.len() >= 30);
    // dm-smoke follows redirects up to this limit.
    let _ = write!(
        suite,
        "[[test]]\nname = 'endless redirects'\nhttp = {{ url = '{}', redirects = 20 }}\n",
        answering("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    );
    expected.push(("endless redirects".to_owned(), "bad_status".to_owned()));
    common::fs::atomic::write(&machine.folder().join("faults.toml"), suite.as_bytes()).unwrap();
    let mut command = measured(&machine, "dm-smoke");
    let output = command.args(["faults.toml", "--timeout", "1m"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let records = records(&output.stdout);
    let text = |record: &Value, field: &str| record[field].as_str().unwrap_or("-").to_owned();
    let reasons: Vec<_> =
        records.iter().map(|record| (text(record, "name"), text(record, "reason"))).collect();
    assert_eq!(reasons, expected, "{records:#?}");
    assert_that_memory_is_bounded(&machine);
}
