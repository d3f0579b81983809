//! Stories of targets in a file.

use jsonschema::Validator;
use testkit::https::{Authority, Flaw};

use super::*;

/// A run with this file of targets.
fn with_file(text: &str, flags: &str) -> Run {
    let mut run = Run::new("http://unused/", flags);
    // Instead of --url.
    run.args.drain(..2);
    let file = run.state.path().join("health.toml");
    common::fs::atomic::write(&file, text.as_bytes()).unwrap();
    run.args.insert(0, file.display().to_string());
    run
}

#[test]
fn each_target_of_a_file_has_its_own_request_and_expectations() {
    let api = Server::start(&[DOWN, Reply::Version("42")]);
    let web = Server::start(&[Reply::Status(204)]);
    let run = with_file(
        &format!(
            "[defaults]\nheaders = {{ accept = 'application/json', x-from = 'defaults' }}\n\
             [[target]]\nname = 'api'\nurl = '{}'\nbearer = '{{{{env.TOKEN}}}}'\nheaders = {{ x-from = 'api' }}\n\
             expect = {{ status = 200, json = '$.version == \"42\"', headers = {{ x-app-version = '42' }}, max_latency = '1m' }}\n\
             version = '{{{{env.WANTED}}}}'\nversion_at = 'json:$.version'\n\
             [[target]]\nurl = '{}'\nmethod = 'HEAD'\nexpect = {{ status = [204, '3xx'], body_not_contains = 'x' }}\n",
            api.url("/"),
            web.url("/").replace("127.0.0.1", "localhost"),
        ),
        "--deadline 1m",
    );
    let mut command = run.command();
    command.env("TOKEN", "s3cr3t").env("WANTED", "42");
    let assert = Command::from_std(command).timeout(Duration::from_mins(2)).assert().code(0);
    let records = probes(&assert);
    let named = |name: &str| records.iter().filter(|probe| probe["name"] == name).count();
    assert!(named("api") == 2 && named("localhost") >= 1, "{records:?}");
    let versions: Vec<_> = records.iter().filter_map(|probe| probe.get("version")).collect();
    assert_eq!(versions, ["42"]);
    let request = &api.requests()[1];
    for header in ["authorization: Bearer s3cr3t", "x-from: api", "accept: application/json"] {
        assert!(request.contains(header), "{request}");
    }
    assert!(!request.contains("defaults"), "{request}");
    let request = &web.requests()[0];
    assert!(request.starts_with("HEAD / ") && request.contains("x-from: defaults"), "{request}");
}

#[test]
fn a_value_of_the_environment_is_shown_nowhere() {
    let server = Server::start(&[Reply::Version("41")]);
    let text = format!(
        "[[target]]\nname = 'api'\nurl = '{}'\nexpect = {{ headers = {{ x-app-version = '{{{{env.SECRET}}}}' }} }}\n",
        server.url("/")
    );
    for format in ["jsonl", "human"] {
        let run = with_file(&text, &format!("--max-fail 1 --format {format}"));
        let mut command = run.command();
        command.env("SECRET", "opensesame");
        let assert = Command::from_std(command).timeout(Duration::from_mins(2)).assert().code(1);
        let output = assert.get_output();
        let shown = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        assert!(shown.contains("x-app-version: 41, expected x-app-version: ***"), "{shown}");
        let journal = fs::read_to_string(run.state.path().join("journal.jsonl")).unwrap();
        assert!(!shown.contains("opensesame") && !journal.contains("opensesame"), "{shown}{journal}");
    }
}

#[test]
fn targets_of_flags_and_of_a_file_are_probed_together() {
    let (one, other) = (Server::start(&[OK]), Server::start(&[DOWN]));
    let text = |rest: &str| format!("[[target]]\nname = 'other'\nurl = '{}'\n{rest}", other.url("/"));
    let run = with_file(&text("expect = { status = 503 }"), &format!("--url one={}", one.url("/")));
    assert_eq!(probes(&run.assert().code(0)).len(), 2);
    // The control group decides nothing.
    let run = with_file(&text("control = true"), &format!("--url one={} --min-success 2", one.url("/")));
    run.assert().code(2).stderr(contains("there is no [[target]] that is not in the control group"));
    let both = text("control = true\n[[target]]\nname = 'one'\nurl = '") + &one.url("/") + "'\n";
    let records = probes(&with_file(&both, "--min-success 3").assert().code(0));
    assert!(records.iter().any(|probe| probe["control"] == true && probe["ok"] == false), "{records:?}");
}

#[test]
fn each_target_of_a_file_has_its_own_tls() {
    let authority = Authority::new();
    let (ca, cert) = (authority.file(), authority.client());
    let target = |name: &str, flaw, tls: &str| {
        format!("[[target]]\nname = '{name}'\nurl = '{}'\n{tls}\n", authority.server(flaw))
    };
    let own = format!("ca = '{}'", ca.display());
    let good = [
        target("private", Flaw::None, &format!("tls = {{ {own} }}\nmin_cert_days = 1")),
        target("client", Flaw::DemandsClient, &format!("tls = {{ {own}, cert = '{}' }}", cert.display())),
        target("renamed", Flaw::WrongHost, &format!("tls = {{ {own}, name = 'other.example' }}")),
        target("insecure", Flaw::SelfSigned, "tls = { insecure = true }"),
    ];
    with_file(&good.concat(), "--deadline 1m --timeout 30s").assert().code(0);
    for (bad, says) in [
        (target("public", Flaw::None, ""), "UnknownIssuer"),
        (target("nobody", Flaw::DemandsClient, &format!("tls = {{ {own} }}")), "client certificate"),
        (target("wrong", Flaw::WrongHost, &format!("tls = {{ {own} }}")), "other.example"),
    ] {
        with_file(&bad, "--max-fail 1 --timeout 30s").assert().code(1).stderr(contains(says));
    }
    let missing = target("missing", Flaw::None, "tls = { ca = '/no/such.pem' }");
    with_file(&missing, "").assert().code(5).stderr(contains("cannot read the certificates in /no/such.pem"));
}

#[test]
fn a_target_of_a_file_can_have_a_time_limit_of_its_own() {
    let (slow, quick) = (Server::start(&[Reply::Hang]), Server::start(&[OK]));
    let text = format!(
        "[[target]]\nname = 'slow'\nurl = '{}'\ntimeout = '200ms'\n[[target]]\nname = 'quick'\nurl = '{}'\n",
        slow.url("/"),
        quick.url("/")
    );
    // Only its own limit can end the first probe.
    let assert = with_file(&text, "--max-fail 1 --timeout 1h").assert().code(1);
    let records = probes(&assert);
    let of_slow = records.iter().find(|probe| probe["name"] == "slow").unwrap();
    assert!(of_slow["reason"].as_str().unwrap().ends_with("timeout"), "{of_slow}");
}

#[test]
fn an_error_in_the_file_has_its_position() {
    let check = |text: &str, flags: &str| with_file(text, flags).assert();
    let bad = "[[target]]\nurl = 'http://h/'\nexpect = { stauts = 200 }\n\n[[target]]\nurl = 'tcp://h'\n";
    check(bad, "").code(2).stderr(
        contains("health.toml:3:12: unknown field `stauts`, did you mean `status`?")
            .and(contains(" dm-health: "))
            .and(contains("health.toml:6:7: tcp:// needs a host and a port")),
    );
    for (target, says) in [
        ("name = 'a'", "missing field `url`"),
        ("url = 'tcp://h:1'\nheaders = { a = 'b' }", "http://, https://, grpc:// and grpcs:// take headers"),
        ("url = 'grpc://h:1'\nmethod = 'HEAD'", "only http:// and https:// take a method"),
        ("url = 'grpc://h:1'\ntls = { insecure = true }", "tls only applies to TLS"),
        ("url = 'https://h/'\ntls = { key = 'k' }", "key needs cert"),
        ("url = 'https://h/'\ntimeout = '0s'", "must be longer than zero"),
        ("url = 'tcp://h:1'\nexpect = { status = 200 }", "have a status"),
        ("url = 'tcp://h:1'\nversion = '1'", "have a version"),
        ("url = 'http://h/'\nmethod = 'POST'", "the method is GET, HEAD or OPTIONS"),
        ("url = 'http://h/'\nmin_cert_days = 3", "min_cert_days only applies to TLS"),
        ("url = 'http://h/'\ncontrol = true\nversion = '1'", "no version is expected of the control group"),
        ("url = 'http://h/'\nversion_at = 'body'", "needs a version"),
        ("url = 'http://h/'\ncontrol = 'yes'", "expected true or false"),
        (
            "url = 'http://h/'\nexpect = { body_contains = '{{token}}' }",
            "only {{env.NAME}} can be inserted here",
        ),
        ("url = 'http://h/{{env.NO_SUCH}}'", "the environment variable NO_SUCH is not set"),
    ] {
        check(&format!("[[target]]\n{target}\n"), "").code(2).stderr(contains(says));
    }
    check("", "").code(2).stderr(contains("there is no [[target]]"));
    check("[[target]]\nurl = 'http://h/'", "--expect-status 204").code(2).stderr(contains("are for --url"));
    let mut url = Run::new("http://h/", "");
    url.args.remove(0);
    url.assert().code(2).stderr(contains("to probe a URL, use --url").and(contains("http://h/").not()));
    let twice = "[[target]]\nurl = 'http://h/'\n[[target]]\nurl = 'http://h/2'\n";
    check(twice, "").code(2).stderr(contains("two targets have the name h").and(contains("name = \"h-2\"")));
}

#[test]
fn a_file_is_checked_without_a_probe_or_the_environment() {
    let server = Server::start(&[OK]);
    let text = format!("[[target]]\nurl = '{}'\nbearer = '{{{{env.NO_SUCH}}}}'\n", server.url("/"));
    with_file(&text, "--check").assert().code(0).stdout("1 target\n").stderr(is_empty());
    assert_eq!(server.requests().len(), 0);
}

fn schema(name: &str) -> String {
    fs::read_to_string(format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The schema of the file, with the definitions of a suite's, to which it refers.
fn validator() -> Validator {
    let own = schema("health.schema.json").replace("smoke.schema.json#", "#");
    let mut own: Value = serde_json::from_str(&own).unwrap();
    let suite: Value = serde_json::from_str(&schema("smoke.schema.json")).unwrap();
    for (name, definition) in suite["$defs"].as_object().unwrap() {
        if own["$defs"].get(name).is_none() {
            own["$defs"][name] = definition.clone();
        }
    }
    jsonschema::validator_for(&own).unwrap()
}

#[test]
fn the_schema_and_the_parser_agree() {
    let validator = validator();
    let target = |rest: &str| format!("[[target]]\nurl = 'https://h/'\n{rest}");
    let files = [
        target(""),
        target("name = 'a'\ncontrol = true\nmethod = 'HEAD'\nheaders = { a = 'b' }\nbearer = 'x'")
            + "\n[[target]]\nurl = 'tcp://h:1'\nexpect = { max_latency = '1s' }",
        target("basic_auth = { user = 'a', password = 'b' }\nmin_cert_days = 3"),
        target(
            "version = '1'\nversion_at = 'json:$.a'\nexpect = { status = [200, '3xx'], json = '$.a', body_size = 3 }",
        ),
        target("timeout = '5s'\ntls = { ca = 'a', cert = 'b', key = 'c', name = 'h', insecure = true }"),
        format!("[defaults]\nheaders = {{ a = 'b' }}\nbearer = 'x'\n{}", target("")),
        String::new(),
        "target = 3".to_owned(),
        "[[target]]\nname = 'a'".to_owned(),
        "[[test]]\nname = 'a'".to_owned(),
        target("method = 'POST'"),
        target("control = 1"),
        target("min_cert_days = 0"),
        target("bearer = 'x'\nbasic_auth = { user = 'a', password = 'b' }"),
        target("expect = { exit = 0 }"),
        target("expect = { redirects = 1 }"),
        target("expect = { message = 'x' }"),
        "[defaults]\ncookies = true\n[[target]]\nurl = 'http://h'".to_owned(),
        target("expect = { status = 42 }"),
        target("timeout = 5"),
        target("tls = { key = 'a' }"),
        target("version = ''"),
        target("version_at = 'somewhere'"),
    ];
    let mut taken = 0;
    for file in &files {
        let checked = with_file(file, "--check").assert();
        let is_taken = checked.get_output().status.code() == Some(0);
        taken += usize::from(is_taken);
        let is_valid = toml::from_str::<Value>(file).is_ok_and(|file| validator.is_valid(&file));
        let stderr = String::from_utf8_lossy(&checked.get_output().stderr).into_owned();
        assert_eq!(is_valid, is_taken, "{file}\n{stderr}");
    }
    assert_eq!(taken, 6);
}
