//! Connections to a gateway: mutual TLS, passwords and tokens, prefixes, IPv6, proxies; and the error messages if one
//! fails, which never contain a secret.

use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use reqwest::blocking::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use testkit::bin::Machine;
use testkit::fault::{self, Recording, answer};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;
use testkit::tls::Certificates;

const PASSWORD: &str = "correct-horse";

/// The bcrypt hash of the password, at the lowest cost: the gateway computes it for every request.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuPoaPXzWjiVz4HaNq2LJXksWbO79E.S6";

/// A stage with an exit code that no tool uses, which creates the file `ran`.
const STAGE: [&str; 5] = ["build", "--", "sh", "-c", "touch ran; exit 7"];

fn stage(machine: &Machine, args: &[&str]) -> Assert {
    // The tool's own flags come before its stage.
    assert_cmd::Command::from_std(machine.tool("dm-stage")).args(args).args(STAGE).assert()
}

/// A budget that is never used up: the first handshake on a busy machine is slow.
fn machine(gateway: &str) -> Machine {
    Machine::new().with("PUSHGATEWAY_URL", gateway).with("DM_EXPORT_BUDGET", "5m")
}

fn ran(machine: &Machine) -> bool {
    machine.folder().join("ran").exists()
}

/// One line of the tool, which contains this text.
fn warned(cause: &'static str) -> impl Predicate<str> {
    starts_with("dm-stage: ")
        .and(contains(cause))
        .and(predicate::function(|text: &str| text.lines().count() == 1))
}

fn basic_auth(user: &str, password: &str) -> HeaderMap {
    let request =
        Client::new().get("http://unused.invalid").basic_auth(user, Some(password)).build().unwrap();
    request.headers().clone()
}

/// A gateway that requires a client certificate and a password, and its certificates.
fn strict_gateway() -> (Pushgateway, Certificates) {
    let certificates = Certificates::new();
    let config = certificates.web_config("deployer", HASH);
    let flags = [&format!("--web.config.file={}", config.display()), "--web.route-prefix=/prefix"];
    let gateway = Pushgateway::with("127.0.0.1:0", &flags);
    let pem = |path| std::fs::read(path).unwrap();
    let reader = Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem(certificates.authority())).unwrap()])
        .identity(reqwest::Identity::from_pem(&pem(certificates.client())).unwrap())
        .default_headers(basic_auth("deployer", PASSWORD));
    (gateway.with_url("https", "/prefix", reader.build().unwrap()), certificates)
}

#[test]
fn mutual_tls_a_password_and_a_prefix() {
    let (gateway, certificates) = strict_gateway();
    let password = certificates.write("password", &format!("{PASSWORD}\n"));
    let wrong = certificates.write("wrong", "wrong-battery\n");
    let run = |without: &str, password: &std::path::Path| {
        let all = [
            ("PUSHGATEWAY_USER", "deployer".to_owned()),
            ("PUSHGATEWAY_PASSWORD", format!("file:{}", password.display())),
            ("PUSHGATEWAY_CA", certificates.authority().display().to_string()),
            ("PUSHGATEWAY_CERT", certificates.client().display().to_string()),
        ];
        let selected = all.iter().filter(|(name, _)| *name != without);
        let machine =
            selected.fold(machine(&gateway.url()), |machine, (name, value)| machine.with(name, value));
        let assert = stage(&machine, &[]).code(7);
        let journal = std::fs::read_to_string(machine.folder().join("state/journal.jsonl")).unwrap();
        let output = format!("{}{journal}", String::from_utf8_lossy(&assert.get_output().stderr));
        for secret in [PASSWORD, "wrong-battery", &certificates.client_secret, "Basic "] {
            assert!(!output.contains(secret), "{output}");
        }
        assert
    };

    run("", &password).stderr("");
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 1.0);

    run("PUSHGATEWAY_CA", &password).stderr(warned("certificate"));
    // The message depends on the gateway's version: a bad certificate, or one that is required.
    run("PUSHGATEWAY_CERT", &password).stderr(warned("fatal alert: ").and(contains("Certificate")));
    run("", &wrong).stderr(warned("401 Unauthorized"));
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 1.0);
}

#[test]
fn a_user_and_a_password_in_the_url() {
    let folder = Certificates::new();
    let config = folder.write("web.yml", &format!("basic_auth_users:\n  deployer: '{HASH}'\n"));
    let flag = format!("--web.config.file={}", config.display());
    let gateway = Pushgateway::with("127.0.0.1:0", &[&flag]);
    let reader = Client::builder().no_proxy().default_headers(basic_auth("deployer", PASSWORD));
    let gateway = gateway.with_url("http", "", reader.build().unwrap());
    let url = |password: &str| gateway.url().replace("http://", &format!("http://deployer:{password}@"));

    // In a URL, special characters may be percent-encoded.
    stage(&machine(&url("correct%2Dhorse")), &[]).code(7).stderr("");
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 1.0);
    stage(&machine(&url("wrong-battery")), &[])
        .code(7)
        .stderr(warned("401 Unauthorized").and(contains("wrong-battery").not()).and(contains("http://***@")));
}

#[test]
fn a_token_and_headers_are_in_every_request() {
    let machine = machine("disabled");
    let path = machine.folder().join("token");
    common::fs::atomic::write(&path, b"s3cret\n").unwrap();
    let file = format!("file:{}", path.display());
    for token in ["s3cret", &file] {
        let gateway = Recording::empty_gateway();
        let mut command = assert_cmd::Command::from_std(machine.tool("dm-stage"));
        command.env("PUSHGATEWAY_URL", &gateway.url).env("PUSHGATEWAY_TOKEN", token);
        command.env("PUSHGATEWAY_HEADERS", "X-Scope-OrgID: shop\nX-Key: hunter2");
        command.args(["deployment", "--", "true"]).assert().success().stderr("");
        let heads = gateway.heads();
        let has = |method: &str| heads.iter().any(|head| head.starts_with(method));
        assert!(["GET ", "PUT ", "POST ", "DELETE "].into_iter().all(has), "{heads:#?}");
        for head in heads {
            let head = head.to_ascii_lowercase();
            for line in ["authorization: bearer s3cret\r\n", "x-scope-orgid: shop\r\n", "x-key: hunter2\r\n"]
            {
                assert_eq!(head.matches(line).count(), 1, "{line:?} in {head}");
            }
        }
    }
}

#[test]
fn ipv6() {
    // A machine or a container may have no IPv6.
    let interfaces = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    if !interfaces.lines().any(|line| line.starts_with("00000000000000000000000000000001 ")) {
        return;
    }
    let gateway = Pushgateway::with("[::1]:0", &[]);
    stage(&machine(&gateway.url()), &[]).code(7).stderr("");
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 1.0);
}

#[test]
fn a_proxy_on_the_way_to_a_gateway() {
    for variable in ["HTTP_PROXY", "http_proxy"] {
        let proxy = Recording::empty_gateway();
        let machine = machine("http://gateway.invalid:9091/prefix").with(variable, &proxy.url);
        stage(&machine, &[]).code(7).stderr("");
        let heads = proxy.heads();
        let has = |start: &str| heads.iter().any(|head| head.starts_with(start));
        assert!(has("GET http://gateway.invalid:9091/prefix/metrics HTTP/1.1\r\n"), "{heads:#?}");
        assert!(has("PUT http://gateway.invalid:9091/prefix/metrics/job/dm_counters/"), "{heads:#?}");
        assert!(heads.iter().all(|head| head.contains(" http://gateway.invalid:9091/prefix/")), "{heads:#?}");
    }
}

#[test]
fn the_proxy_is_used_for_a_local_gateway_unless_no_proxy_excludes_it() {
    let gateway = Pushgateway::start();
    let proxy = Recording::answering(|_| answer("502 Bad Gateway", "no way there\n"));
    let machine = || machine(&gateway.url()).with("HTTP_PROXY", &proxy.url);
    stage(&machine(), &[]).code(7).stderr(warned("no way there"));
    let requests = proxy.heads().len();
    for exempt in ["127.0.0.1", "localhost,127.0.0.0/8"] {
        stage(&machine().with("NO_PROXY", exempt), &[]).code(7).stderr("");
    }
    assert_eq!(proxy.heads().len(), requests);
    assert_eq!(gateway.value("deployment_total", &["stage=\"build\"", "status=\"failure\""]), 2.0);
}

#[test]
fn a_tunnel_through_a_proxy_with_a_password() {
    let proxy = Recording::answering(|_| answer("403 Forbidden", "no tunnels here\n"));
    let url = proxy.url.replace("http://", "http://deployer:hunter2@");
    let machine = machine("https://gateway.invalid/prefix").with("HTTPS_PROXY", &url);
    stage(&machine, &[])
        .code(7)
        .stderr(warned("not pushed to https://gateway.invalid/prefix yet: ").and(contains("hunter2").not()));
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    let credentials = basic_auth("deployer", "hunter2")[AUTHORIZATION].clone();
    for head in heads {
        assert!(head.starts_with("CONNECT gateway.invalid:443 HTTP/1.1\r\n"), "{head}");
        let line = format!("proxy-authorization: {}\r\n", credentials.to_str().unwrap());
        assert!(head.to_ascii_lowercase().contains(&line.to_ascii_lowercase()), "{head}");
    }
}

#[test]
fn an_export_that_is_required_and_fails_is_a_failure() {
    let gateway = Pushgateway::start();
    stage(&machine(&gateway.url()), &["--require-export"]).code(7).stderr("");
    stage(&machine(&fault::refused()), &["--require-export"]).code(125).stderr(warned("Connection refused"));
    // The variable means the same; and a gateway that was down a moment ago is tried again.
    let down = machine(&fault::refused()).with("DM_REQUIRE_EXPORT", "true");
    stage(&down, &[]).code(125).stderr(warned("Connection refused"));
    stage(&down, &[]).code(125).stderr(warned("Connection refused"));
    assert!(ran(&down));
    let disabled = machine("disabled");
    stage(&disabled, &["--require-export"]).code(125).stderr(warned("--require-export needs a Pushgateway"));
    assert!(!ran(&disabled));
}

#[test]
fn a_verdict_whose_required_export_fails_is_a_failure() {
    let gateway = Pushgateway::start();
    let sample = Sample::start(0);
    let check = |gateway: &str| {
        let machine = machine(gateway);
        let mut command = assert_cmd::Command::from_std(machine.tool("dm-health"));
        command.args(["--url", &sample.health(), "--require-export"]).assert()
    };
    check(&gateway.url()).code(0).stderr("");
    check(&fault::refused()).code(125).stderr(contains("dm-health: not pushed to"));
    check("disabled").code(2).stdout("").stderr(contains("--require-export needs a Pushgateway"));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_runs() {
    let folder = Certificates::new();
    let junk = folder.write("junk.pem", "this is not a certificate\n");
    let envelope = folder
        .write("envelope.pem", "-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n");
    let others = Certificates::new();
    let pem = |certificates: &Certificates| std::fs::read_to_string(certificates.client()).unwrap();
    let key = |pem: &str| pem.find("-----BEGIN PRIVATE KEY").unwrap();
    let (own, other) = (pem(&folder), pem(&others));
    let mixed = folder.write("mixed.pem", &format!("{}{}", &own[..key(&own)], &other[key(&other)..]));
    let cases: [(&[(&str, &str)], &'static str); 10] = [
        (&[("PUSHGATEWAY_PASSWORD", "hunter2")], "--pushgateway-password needs --pushgateway-user"),
        (&[("PUSHGATEWAY_USER", "u"), ("PUSHGATEWAY_TOKEN", "hunter2")], "not both"),
        (&[("PUSHGATEWAY_TOKEN", "file:/no/such/secret")], "cannot read the secret in /no/such/secret"),
        (&[("PUSHGATEWAY_HEADERS", "hunter2")], "write NAME: VALUE, one per line"),
        (&[("PUSHGATEWAY_CA", "/no/such/ca.pem")], "--pushgateway-ca: cannot read /no/such/ca.pem"),
        (&[("PUSHGATEWAY_CA", junk.to_str().unwrap())], "--pushgateway-ca contains no PEM certificates"),
        (&[("PUSHGATEWAY_CERT", "/no/such/cert.pem")], "--pushgateway-cert: cannot read /no/such/cert.pem"),
        (
            &[("PUSHGATEWAY_CERT", junk.to_str().unwrap())],
            "--pushgateway-cert contains no PEM certificate with its key",
        ),
        // Both are valid PEM: the error appears only when they are used.
        (&[("PUSHGATEWAY_CA", envelope.to_str().unwrap())], "--pushgateway-ca: "),
        (&[("PUSHGATEWAY_CERT", mixed.to_str().unwrap())], "--pushgateway-cert: "),
    ];
    for (variables, cause) in cases {
        let gateway = Recording::empty_gateway();
        let machine =
            variables.iter().fold(machine(&gateway.url), |machine, (name, value)| machine.with(name, value));
        let is_told = || warned(cause).and(contains("hunter2").not());
        // It stops the command only if the event has to be pushed.
        stage(&machine, &["--require-export"]).code(125).stdout("").stderr(is_told());
        assert!(!ran(&machine) && machine.journal().is_empty(), "{cause}");
        stage(&machine, &[]).code(7).stdout("").stderr(is_told());
        assert!(ran(&machine) && machine.journal().len() == 1 && gateway.heads().is_empty(), "{cause}");
    }
}
