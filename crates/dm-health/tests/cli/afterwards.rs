//! Stories of waiting for a service, and of the command after it; and of the requests.

use super::*;

#[test]
fn a_deadline_alone_waits_for_a_service_that_starts_late() {
    // More failures than the five that otherwise prove a service unhealthy.
    let replies = [[DOWN; 12].as_slice(), &[OK]].concat();
    let run = Run::new(&Server::start(&replies).url("/"), "--deadline 1m");
    let oks = oks(&probes(&run.assert().code(0)));
    assert_eq!(oks.iter().filter(|ok| !**ok).count(), 12);
    // An explicit number counts from the start, and without a deadline there is one.
    for flags in ["--deadline 1m --max-fail 5", ""] {
        let run = Run::new(&Server::start(&replies).url("/"), flags);
        assert_eq!(probes(&run.assert().code(1)).len(), 5, "{flags}");
    }
    // After a success, failures count.
    let replies = [[DOWN; 7].as_slice(), &[OK], &[DOWN]].concat();
    let run = Run::new(&Server::start(&replies).url("/"), "--deadline 1m --min-success 2");
    assert_eq!(probes(&run.assert().code(1)).len(), 13);
}

#[test]
fn the_command_runs_once_the_service_is_healthy() {
    let run = |replies: &[Reply], flags: &str, command: &[&str]| {
        let mut run = Run::new(&Server::start(replies).url("/"), flags);
        run.args.push("--".to_owned());
        run.args.extend(command.iter().map(|word| (*word).to_owned()));
        let mut command = run.command();
        command.env("PATH", "/usr/bin:/bin");
        (Command::from_std(command).timeout(Duration::from_mins(2)).assert(), run)
    };
    let (assert, state) = run(&[DOWN, OK], "", &["sh", "-c", "echo ran; exit 7"]);
    assert.code(7).stdout(contains("\"type\":\"end\"").and(predicates::str::ends_with("\nran\n")));
    assert_eq!(state.event()["status"], "success");
    run(&[DOWN], "--max-fail 1", &["echo", "ran"]).0.code(1).stdout(contains("ran\n").not());
    run(&[OK], "", &["no-such-program"]).0.code(127).stderr(contains("no-such-program: not found in PATH"));
    run(&[OK], "--watch 1s", &["true"]).0.code(2).stderr(contains("exclude each other"));
}

#[test]
fn requests_have_the_headers_and_the_method_of_the_flags() {
    let server = Server::start(&[OK]);
    let mut run = Run::new(&server.url("/health"), "--method HEAD");
    for header in ["Host: shop.example", "Authorization: Bearer hush-hush", "X-A: 1", "X-A: 2"] {
        run.args.extend(["--header".to_owned(), header.to_owned()]);
    }
    run.assert().code(0);
    let request = server.requests().remove(0);
    assert!(request.starts_with("HEAD /health HTTP/1.1\r\n"), "{request}");
    for line in ["host: shop.example\r\n", "authorization: Bearer hush-hush\r\n", "x-a: 1\r\n", "x-a: 2\r\n"]
    {
        assert_eq!(request.matches(line).count(), 1, "{line} {request}");
    }
    assert_eq!(request.matches("host:").count(), 1);
    let mut run = Run::new(&server.url("/health"), "");
    run.args.extend(["--header".to_owned(), "Authorization Bearer hush-hush".to_owned()]);
    run.assert().code(2).stderr(contains("hush").not());
    Run::new(&server.url("/health"), "--method POST")
        .assert()
        .code(2)
        .stderr(contains("GET, HEAD or OPTIONS"));
}

#[test]
fn each_record_says_why_in_a_sentence() {
    let run = Run::new(&Server::start(&[DOWN, OK]).url("/"), "");
    let probes = probes(&run.assert().code(0));
    assert_eq!(probes[0]["message"], "status 503, expected 2xx");
    assert!(probes[1].get("message").is_none());
}

#[test]
fn a_flag_that_no_target_can_meet_is_an_error() {
    let tcp = format!("tcp://{}", Server::start(&[OK]).address());
    for flags in ["--expect-status 500", "--method HEAD", "--header X:1", "--reject-body x"] {
        Run::new(&tcp, flags).assert().code(2).stderr(contains("http://"));
    }
}

#[test]
fn headers_that_other_clients_take_are_taken() {
    let odd = "HTTP/1.1 200 OK\r\nx-folded: one\r\n  two\r\nx-space : yes\r\ncontent-length: 0\r\n\r\n";
    let mut run = Run::new(&Server::start(&[Reply::Raw(odd)]).url("/"), "--max-fail 1");
    run.args.extend(
        ["--expect-header", "x-space: yes", "--expect-header", "x-folded: one two"].map(str::to_owned),
    );
    run.assert().code(0);
}

#[test]
fn a_tls_connection_that_fails_says_what_to_do() {
    let authority = testkit::https::Authority::new();
    let run = Run::new(&authority.server(testkit::https::Flaw::DemandsClient), "--max-fail 1");
    let probed = |file: &std::path::Path| {
        let mut command = run.command();
        command.env("SSL_CERT_FILE", file);
        Command::from_std(command).timeout(Duration::from_mins(2)).assert()
    };
    probed(&authority.file()).code(1).stderr(contains("demand").and(contains("a client certificate")));
    probed(std::path::Path::new("/nonexistent.pem")).code(5).stderr(contains(
        "cannot read /nonexistent.pem, the file of certificate authorities in SSL_CERT_FILE",
    ));
}
