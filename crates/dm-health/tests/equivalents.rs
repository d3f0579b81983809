//! The checks of goss and wait4x, each as dm-health or dm-smoke expresses it, against real servers. A comment says what the
//! check is called there.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod grpc;

use std::process::Command;

use testkit::bin::Machine;
use testkit::dnsmasq::Dnsmasq;
use testkit::fault::refused;
use testkit::mariadb::Mariadb;
use testkit::port::ReservedPort;
use testkit::postgres::Postgres;
use testkit::redis::Redis;
use testkit::sample::Sample;
use tonic_health::ServingStatus;

/// Runs a command to its end. Returns its exit code, and what it wrote.
fn end(command: Command) -> (Option<i32>, String) {
    let assert = assert_cmd::Command::from_std(command).timeout(testkit::server::TIMEOUT).assert();
    let output = assert.get_output();
    let written = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
    (output.status.code(), written)
}

#[test]
fn what_wait4x_waits_for() {
    let (sample, dns) = (Sample::start(0), Dnsmasq::with(&[]));
    let authority = Dnsmasq::with(&["--auth-server=ns.test,127.0.0.1", "--auth-zone=zone.test"]);
    let (postgres, mariadb) = (Postgres::start(), Mariadb::start());
    postgres.role("app", "");
    mariadb.account("app", &["all on shop.*"]);
    let redis = Redis::with(&["--requirepass", testkit::redis::PASSWORD]);
    redis.command(&["SET", "flag", "blue"]);
    let name_server = dns.address();
    let targets = [
        // wait4x http URL --expect-status-code 200 --expect-body-json status --expect-header … --request-header …
        format!(
            "name = 'http'\nurl = '{}'\nheaders = {{ x-request = 'wait' }}\nexpect = {{ status = 200, json = '$.status', \
             headers = {{ content-type = {{ matches = 'json' }} }}, max_latency = '1m' }}",
            sample.health()
        ),
        // --expect-body-regex
        format!("name = 'body'\nurl = '{}'\nexpect = {{ body_matches = 'version.:.2' }}", sample.health()),
        // wait4x tcp
        format!("name = 'tcp'\nurl = 'tcp://{}'", sample.address()),
        // wait4x dns A, AAAA, CNAME, MX, NS and TXT, with --nameserver and the expected values
        format!("name = 'dns-a'\nurl = 'dns://{name_server}/api.test?type=A&answer=10.0.0.5'"),
        format!("name = 'dns-aaaa'\nurl = 'dns://{name_server}/api.test?type=AAAA&answer=2001:db8::5'"),
        format!("name = 'dns-cname'\nurl = 'dns://{name_server}/www.test?type=CNAME&answer=api.test'"),
        format!("name = 'dns-mx'\nurl = 'dns://{name_server}/shop.test?type=MX&answer=10%20mail.test'"),
        format!("name = 'dns-ns'\nurl = 'dns://{}/zone.test?type=NS&answer=ns.test'", authority.address()),
        format!("name = 'dns-txt'\nurl = 'dns://{name_server}/shop.test?type=TXT&answer=v%3Dspf1%20-all'"),
        // wait4x redis URL --expect-key flag=^blue$
        format!("name = 'redis'\nurl = 'redis://{}?key=flag&matches=^blue$'", redis.address()),
        // wait4x postgresql and mysql, which log in
        format!("name = 'postgresql'\nurl = 'postgres://app@127.0.0.1:{}/postgres'", postgres.port()),
        format!("name = 'mysql'\nurl = 'mysql://app@127.0.0.1:{}/shop'", mariadb.port()),
        // The standard health service of gRPC
        format!("name = 'grpc'\nurl = 'grpc://{}/shop.Cart'", grpc::start(ServingStatus::Serving)),
    ];
    let machine = ["REDISCLI_AUTH", "PGPASSWORD", "MYSQL_PWD"]
        .into_iter()
        .fold(Machine::new(), |machine, name| machine.with(name, testkit::postgres::PASSWORD));
    let file = targets.each_ref().map(|target| format!("[[target]]\n{target}\n")).concat();
    common::fs::atomic::write(&machine.folder().join("health.toml"), file.as_bytes()).unwrap();
    let mut command = machine.tool("dm-health");
    // wait4x --timeout 1m --interval 100ms … -- COMMAND
    command.args([
        "health.toml",
        "--timeout",
        "30s",
        "--deadline",
        "1m",
        "--interval",
        "100ms",
        "--",
        "echo",
        "ready",
    ]);
    let (code, written) = end(command);
    assert!(code == Some(0) && written.contains("ready"), "{written}");
    // --invert-check
    let mut command = machine.tool("dm-health");
    command.args(["--max-fail", "1", "--url", &refused().replace("http:", "tcp:")]);
    assert_eq!(end(command).0, Some(1));
}

#[test]
fn what_goss_validates() {
    let (sample, dns) = (Sample::start(0), Dnsmasq::with(&[]));
    let at = |question: &str| format!("dns://{}/{question}", dns.address());
    let healthy = |url: &str| {
        format!("command = ['dm-health', '--max-fail', '1', '--timeout', '30s', '--url', '{url}']")
    };
    let not = |url: &str| healthy(url) + "\nexpect = { exit = 1 }";
    let nobody = ReservedPort::new();
    let tests = [
        // http: status, method, request-headers, headers, body, username and password, no-follow-redirects, timeout
        format!(
            "http = {{ url = '{}', headers = {{ accept = 'application/json' }}, basic_auth = {{ user = 'u', password = 'p' }} }}\n\
             timeout = '30s'\nexpect = {{ status = 200, headers = {{ content-type = 'application/json' }}, \
             body_contains = ['status', 'version'], body_matches = '\"ok\"', body_not_contains = 'down' }}",
            sample.health()
        ),
        format!(
            "http = {{ method = 'POST', url = '{}', json = {{ error_percent = 0 }} }}\nexpect = {{ status = '2xx' }}",
            sample.faults()
        ),
        // command: exec, exit-status, stdout, stderr, timeout
        "command = ['sh', '-c', 'echo one; echo two >&2; exit 3']\ntimeout = '30s'\n\
         expect = { exit = 3, stdout_contains = 'one', stdout_not_contains = 'two', stderr_matches = '^t.o' }"
            .to_owned(),
        // dns: resolvable, addrs, server, and the types of records
        healthy(&at("api.test?answer=10.0.0.5&answer=2001:db8::5")),
        healthy(&at("www.test?type=CNAME&answer=api.test")),
        healthy(&at("shop.test?type=MX&answer=10%20mail.test")),
        healthy(&at("shop.test?type=TXT&answer=v%3Dspf1%20-all")),
        healthy(&at("_http._tcp.shop.test?type=SRV&answer=1%202%208080%20api.test")),
        healthy(&at("10.0.0.5?type=PTR&answer=api.test")),
        healthy(&at("shop.test?type=CAA&answer=0%20issue%20ca.test")),
        // dns: resolvable: false
        not(&at("nothing.test")),
        // port: tcp:PORT with listening: true on an address, and listening: false
        healthy(&format!("tcp://{}", sample.address())),
        not(&format!("tcp://{}", nobody.address())),
        // port: udp:PORT
        healthy(&format!(
            "udp://{}?send=%00%07%01%00%00%01%00%00%00%00%00%00%03api%04test%00%00%01%00%01&expect=%0a%00%00%05",
            dns.address()
        )),
        // addr: tcp://HOST:PORT with reachable: true and false, and timeout
        healthy(&format!("tcp://localhost:{}", sample.address().rsplit(':').next().unwrap())),
        not(&format!("tcp://{}", nobody.address())),
    ];
    let machine = Machine::new();
    let numbered = tests.iter().enumerate();
    let suite: Vec<String> = numbered.map(|(n, test)| format!("[[test]]\nname = '{n}'\n{test}\n")).collect();
    common::fs::atomic::write(&machine.folder().join("goss.toml"), suite.concat().as_bytes()).unwrap();
    let mut command = machine.tool("dm-smoke");
    command.args(["goss.toml", "--format", "human", "--timeout", "1m"]);
    let (code, written) = end(command);
    assert!(code == Some(0) && written.contains("16 passed"), "{written}");
}
