//! Stories of which version answered.

use super::*;

const FAILED: Reply =
    Reply::Raw("HTTP/1.1 500 X\r\nX-Version: 2.0\r\ncontent-length: 23\r\n\r\n{\"app\":{\"version\":2.1}}");

/// The versions in the records of a run that fails at once.
fn versions(run: &Run) -> Vec<Value> {
    probes(&run.assert().code(1)).iter().map(|probe| probe["version"].clone()).collect()
}

#[test]
fn a_failed_response_names_its_version_too() {
    let server = Server::start(&[FAILED]);
    for (location, version) in [
        ("header:X-Version", "2.0".into()),
        ("json:$.app.version", "2.1".into()),
        ("body:version\":([0-9.]+)", "2.1".into()),
        ("body:[0-9.]+", "2.1".into()),
        ("json:$.version", Value::Null),
        ("header:X-Other", Value::Null),
    ] {
        let run = Run::new(&server.url("/"), &format!("--max-fail 1 --version-at {location}"));
        assert_eq!(versions(&run), [version], "{location}");
    }
    assert_eq!(versions(&Run::new(&server.url("/"), "--max-fail 1")), [Value::Null]);
}

#[test]
fn an_incomplete_response_names_the_version_in_its_head() {
    let head = "HTTP/1.1 200 OK\r\nX-Version: 2.0\r\ncontent-length: 10\r\n\r\n";
    let server = Server::start(&[Reply::RawHang(head)]);
    let run = Run::new(&server.url("/"), "--max-fail 1 --timeout 1s --version-at header:x-version");
    let assert = run.assert().code(1);
    let probe = &probes(&assert)[0];
    assert_eq!((&probe["version"], &probe["status"]), (&"2.0".into(), &200.into()));
    assert_eq!(probe["reason"], "read_timeout");
}

#[test]
fn each_target_has_its_own_version_and_the_variable_is_the_flag() {
    let (old, new) = (Server::start(&[Reply::Version("1.9")]), Server::start(&[Reply::Version("2.0")]));
    let mut run = Run::new(&format!("old={}", old.url("/")), "");
    run.args.extend(["--url".to_owned(), format!("new={}", new.url("/"))]);
    run.args.extend(["--url".to_owned(), format!("port=tcp://{}", new.address())]);
    let records = |variable: &str| {
        let mut command = run.command();
        command.env("DM_VERSION_AT", variable);
        probes(&Command::from_std(command).timeout(Duration::from_mins(2)).assert().code(0))
    };
    for probe in records("json:$.version") {
        let expected = match probe["name"].as_str() {
            Some("old") => "1.9".into(),
            Some("new") => "2.0".into(),
            _ => Value::Null,
        };
        assert_eq!(probe["version"], expected, "{probe}");
    }
    assert!(records("").iter().all(|probe| probe["version"].is_null()));
    let mut command = run.command();
    command.env("DM_VERSION_AT", "version");
    Command::from_std(command).assert().code(2).stderr(contains("--version-at").and(contains("use json:")));
}

#[test]
fn a_version_is_a_short_printable_text_without_secrets() {
    let page =
        "HTTP/1.1 500 X\r\n\r\nno /x?token=hunter2, user pa55word, key abcdef123456; \u{1b}[31m2\n0\u{202e}";
    let server = Server::start(&[Reply::Raw(page)]);
    let url = server.url("/x?token=hunter2").replace("http://", "http://user:pa55word@");
    for (regex, version) in [
        ("token=([a-z0-9]+)", Value::Null),
        ("user.(\\S+),", Value::Null),
        ("key.(\\w+)", Value::Null),
        ("(?s);.(.*)", "_[31m2_0_".into()),
    ] {
        let run = Run::new(&url, &format!("--max-fail 1 --version-at body:{regex}"));
        let mut command = run.command();
        command.env("DEPLOY_KEY", "abcdef123456");
        let assert = Command::from_std(command).timeout(Duration::from_mins(2)).assert().code(1);
        assert_eq!(probes(&assert)[0]["version"], version, "{regex}");
    }
    let long = Server::start(&[Reply::Json(5000)]);
    let run = Run::new(&long.url("/"), "--expect-status 500 --max-fail 1 --version-at json:$.x");
    let recorded = versions(&run);
    let [Value::String(version)] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert!(version.len() == 128 && version.starts_with(&("x".repeat(115) + "~")), "{version}");
}

#[test]
fn the_expected_version_may_be_at_an_expression() {
    let server = Server::start(&[Reply::Version("41"), Reply::Version("42")]);
    let run = Run::new(&server.url("/"), "--expect-version 42 --version-at body:\"version\":\"(.*)\"");
    let records = probes(&run.assert().code(0));
    assert_eq!(oks(&records), [false, true]);
    assert_eq!((&records[0]["version"], &records[1]["version"]), (&"41".into(), &"42".into()));
}
