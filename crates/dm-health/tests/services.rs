//! Stories of targets that are no web services: names, datagrams, databases. Each against a real server.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use testkit::dnsmasq::Dnsmasq;
use testkit::mariadb::Mariadb;
use testkit::port::ReservedPort;
use testkit::postgres::{PASSWORD, Postgres};
use testkit::redis::Redis;
use testkit::tls::Certificates;

/// A run with these variables.
#[derive(Default)]
struct Probe<'a>(Vec<(&'a str, String)>);

impl<'a> Probe<'a> {
    fn with(name: &'a str, value: impl Into<String>) -> Self {
        Self(vec![(name, value.into())])
    }

    /// Probes until the first failure or success. Returns the exit code, the first probe and everything that was written.
    fn run(&self, url: &str, flags: &[&str]) -> (i32, Value, String) {
        let state = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_dm-health"));
        command.env_clear().env("DM_STATE_DIR", state.path()).env("PUSHGATEWAY_URL", "disabled");
        command.envs(self.0.iter().map(|(name, value)| (name, value)));
        command.args(["--max-fail", "1", "--url", url]).args(flags);
        if !flags.contains(&"--timeout") {
            command.args(["--timeout", "1m"]);
        }
        let assert = command.timeout(Duration::from_mins(2)).assert();
        let output = assert.get_output();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let probe = stdout.lines().nth(1).map(|line| serde_json::from_str(line).unwrap());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let journal = std::fs::read_to_string(state.path().join("journal.jsonl")).unwrap_or_default();
        (output.status.code().unwrap(), probe.unwrap_or_default(), format!("{stdout}{stderr}{journal}"))
    }

    fn is_healthy(&self, url: &str) -> Value {
        let (code, probe, written) = self.run(url, &[]);
        assert!(code == 0 && probe["ok"] == true, "{url}: {written}");
        assert!(!written.contains(PASSWORD), "{url}: {written}");
        probe
    }

    fn fails(&self, url: &str, reason: &str, says: &str) {
        let (code, probe, written) = self.run(url, &[]);
        assert_eq!((code, &probe["reason"]), (1, &reason.into()), "{url}: {written}");
        assert!(probe["message"].as_str().unwrap().contains(says), "{url}: {written}");
        assert!(!written.contains(PASSWORD), "{url}: {written}");
    }
}

#[test]
fn a_name_resolves_as_expected() {
    let dns = Dnsmasq::with(&["--host-record=api.test,10.0.0.6", "--host-record=v6.test,2001:db8::6"]);
    let at = |rest: &str| format!("dns://{}/{rest}", dns.address());
    let probe = Probe::default();
    let found = probe.is_healthy(&at("api.test"));
    assert_eq!((&found["name"], &found["target"]), (&"api.test".into(), &at("api.test").into()));
    assert!(found["phase_ms"]["wait"].is_number() && found["address"] == dns.address().as_str());
    for rest in [
        "api.test?answer=10.0.0.6&answer=2001:db8:0::5",
        "v6.test",
        "api.test?type=A&answer=10.0.0.5",
        "v6.test?type=AAAA&answer=2001:db8::6",
        "www.test?type=CNAME&answer=API.test.",
        "shop.test?type=MX&answer=10%20mail.test",
        "shop.test?type=TXT&answer=v=spf1%20-all",
        "_http._tcp.shop.test?type=SRV&answer=1%202%208080%20api.test",
        "10.0.0.5?type=PTR&answer=api.test",
        "shop.test?type=CAA&answer=0%20issue%20ca.test",
    ] {
        probe.is_healthy(&at(rest));
    }
    probe.fails(&at("api.test?answer=10.0.0.7"), "assertion", "resolved to 10.0.0.");
    probe.fails(&at("nothing.test"), "dns", "NXDOMAIN");
    probe.fails(&at("api.test?type=MX"), "dns", "the name has no MX");
    probe.fails(&at("elsewhere.example"), "dns", "REFUSED");
    let nobody = ReservedPort::new();
    probe.fails(
        &format!("dns://{}/api.test", nobody.address()),
        "refused",
        "connection refused by 127.0.0.1",
    );
    // As this machine resolves it, without a server.
    probe.is_healthy("dns:localhost");
    probe.fails("dns:localhost?answer=192.0.2.1", "assertion", "expected 192.0.2.1");
}

#[test]
fn an_answer_that_does_not_fit_into_a_datagram_is_read_over_tcp() {
    let names: Vec<String> = (0..60).map(|n| format!("--host-record=big.test,10.1.0.{n}")).collect();
    let dns = Dnsmasq::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for n in [0, 59] {
        Probe::default().is_healthy(&format!("dns://{}/big.test?type=A&answer=10.1.0.{n}", dns.address()));
    }
}

#[test]
fn a_datagram_is_answered_as_expected() {
    let dns = Dnsmasq::with(&["--txt-record=a.test,hello"]);
    // A question for the TXT record of a.test.
    let question = "%00%07%01%00%00%01%00%00%00%00%00%00%01a%04test%00%00%10%00%01";
    let at = |expect: &str| format!("udp://{}?send={question}{expect}", dns.address());
    let probe = Probe::default();
    assert_eq!(probe.is_healthy(&at(""))["target"], format!("udp://{}", dns.address()));
    probe.is_healthy(&at("&expect=%05hello"));
    probe.fails(&at("&expect=goodbye"), "body_mismatch", "does not contain \"goodbye\"");
    let nobody = ReservedPort::new();
    probe.fails(&format!("udp://{}?send=x", nobody.address()), "refused", "connection refused");
    // dnsmasq does not answer what is no question.
    let (code, silent, _) = probe.run(&format!("udp://{}", dns.address()), &["--timeout", "300ms"]);
    assert_eq!((code, &silent["reason"]), (1, &"read_timeout".into()));
}

#[test]
fn a_redis_server_is_ready() {
    let redis = Redis::with(&["--requirepass", PASSWORD]);
    redis.command(&["SET", "flag", "blue"]);
    redis.command(&["LPUSH", "list", "x"]);
    redis.command(&["-n", "1", "SET", "other", "1"]);
    let at = |rest: &str| format!("redis://{}{rest}", redis.address());
    let probe = Probe::with("REDISCLI_AUTH", PASSWORD);
    let found = probe.is_healthy(&at(""));
    assert!(found["phase_ms"]["connect"].is_number() && found["phase_ms"]["wait"].is_number());
    for rest in ["/0?key=flag&matches=^blue$", "?key=list", "/1?key=other"] {
        probe.is_healthy(&at(rest));
    }
    let in_url = format!("redis://default:{PASSWORD}@{}", redis.address());
    Probe::default().is_healthy(&in_url);
    Probe::default().fails(&at(""), "bad_status", "give it in the URL, or in REDISCLI_AUTH");
    Probe::with("REDISCLI_AUTH", "wrong").fails(&at(""), "bad_status", "AUTH failed: WRONGPASS");
    probe.fails(&at("/1?key=flag"), "body_mismatch", "there is no key \"flag\"");
    probe.fails(&at("?key=flag&matches=green"), "body_mismatch", "does not match \"green\"");
}

#[test]
fn a_redis_server_is_ready_over_tls() {
    let certificates = Certificates::new();
    let redis = Redis::with_tls(&certificates);
    let trusting = Probe::with("SSL_CERT_FILE", certificates.authority().display().to_string());
    let url = format!("rediss://{}", redis.address());
    let (code, probe, written) = trusting.run(&url, &["--min-cert-days", "1"]);
    assert!(code == 0 && probe["phase_ms"]["tls"].is_number(), "{written}");
    Probe::default().fails(&url, "tls", "UnknownIssuer");
}

#[test]
fn a_postgresql_server_is_ready() {
    let certificates = Certificates::new();
    let postgres = Postgres::with_tls(&certificates);
    postgres.role("app", "");
    let nobody = format!("postgres://127.0.0.1:{}", postgres.port());
    let probe = Probe::default();
    assert_eq!(probe.is_healthy(&nobody)["target"], nobody.as_str());
    probe.is_healthy(&postgres.url("app"));
    let without = postgres.url("app").replace(&format!(":{PASSWORD}"), "");
    Probe::with("PGPASSWORD", PASSWORD).is_healthy(&without);
    probe.fails(&without, "bad_status", "give it in the URL, or in PGPASSWORD");
    Probe::with("PGPASSWORD", "wrong").fails(&without, "bad_status", "password authentication failed");
    probe.fails(
        &postgres.url_of("app", "nothing"),
        "bad_status",
        "database \"nothing\" does not exist (3D000)",
    );
    // TLS is verified, whatever its mode is called.
    let trusting = Probe::with("SSL_CERT_FILE", certificates.authority().display().to_string());
    for mode in ["require", "verify-full"] {
        let url = format!("{}?sslmode={mode}", postgres.url("app"));
        assert!(trusting.is_healthy(&url)["phase_ms"]["tls"].is_number());
        probe.fails(&url, "tls", "UnknownIssuer");
    }
    // Its sessions end, and it logs in as itself.
    assert_eq!(
        postgres.sql("select count(*) from pg_stat_activity where application_name = 'dm-health'"),
        "0"
    );
    probe.fails(&format!("postgres://{}", ReservedPort::new().address()), "refused", "connection refused");
}

#[test]
fn a_mariadb_server_is_ready() {
    let certificates = Certificates::new();
    let mariadb = Mariadb::with_tls(&certificates);
    mariadb.account("app", &["all on shop.*"]);
    let nobody = format!("mysql://127.0.0.1:{}", mariadb.port());
    let probe = Probe::default();
    assert_eq!(probe.is_healthy(&nobody)["target"], nobody.as_str());
    probe.is_healthy(&mariadb.url("app"));
    let without = mariadb.url("app").replace(&format!(":{PASSWORD}"), "");
    Probe::with("MYSQL_PWD", PASSWORD).is_healthy(&without);
    probe.fails(&without, "bad_status", "or in MYSQL_PWD");
    Probe::with("MYSQL_PWD", "wrong").fails(&without, "bad_status", "Access denied");
    let trusting = Probe::with("SSL_CERT_FILE", certificates.authority().display().to_string());
    let over_tls = format!("{}?ssl-mode=VERIFY_IDENTITY", mariadb.url("app"));
    trusting.is_healthy(&over_tls);
    probe.fails(&over_tls, "tls", "no TLS connection");
    let refused = format!("mysql://{}", ReservedPort::new().address());
    probe.fails(&refused, "refused", "connection refused");
    // A hundred probes do not make the server block this machine.
    let many = probe.run(&nobody, &["--interval", "1ms", "--min-success", "120"]);
    assert_eq!(many.0, 0, "{}", many.2);
    probe.is_healthy(&mariadb.url("app"));
}
