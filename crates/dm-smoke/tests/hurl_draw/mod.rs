//! What hurl's own integration tests use, in suites: features drawn at random from those that concern requests and
//! responses, and not hurl's command line and output. The server answers as theirs does.

use predicates::str::contains;

use crate::support::Place;
use crate::support::echo::Echo;

/// How well a feature can be expressed.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Yes,
    /// In a roundabout way.
    Awkward,
    No,
}

use Verdict::{Awkward, No, Yes};

/// The first draw: 25 of 103 features, with `random.seed(19)`. Those that can be expressed have tests of the same name.
const DRAW: [(&str, Verdict); 25] = [
    ("assert_body", Yes),
    ("assert_match", Yes),
    ("bom", Yes),
    ("bytes_empty", Yes),
    ("charset", Yes),
    ("delay", Yes),
    // hurl writes the response to a file, and uploads that; here it is captured.
    ("fileroot", Awkward),
    ("filter", Yes),
    ("follow_redirect", Yes),
    ("follow_redirect_trusted", Yes),
    ("function", Yes),
    ("graphql", Yes),
    ("http_version_11", Yes),
    ("http_version_3", No),
    ("limit_rate", Yes),
    ("max_redirect_infinite", Yes),
    ("method", Yes),
    ("no_proxy", Yes),
    ("ntlm", No),
    ("options", Yes),
    ("post_json", Yes),
    ("post_multilines", Yes),
    ("post_xml", Yes),
    ("predicates_string", Yes),
    ("url", Yes),
];

/// Another draw: 25 of 108 features, with `random.seed(20)`.
const SECOND: [(&str, Verdict); 25] = [
    ("assert_header", Yes),
    // There is no well-kept library for XPath whose licence and size fit.
    ("assert_xpath", No),
    ("basic_authentication_per_request", Yes),
    ("bom", Yes),
    ("capture_and_assert", Yes),
    ("compressed", Yes),
    ("content_type", Yes),
    ("cookies", Yes),
    ("delay", Yes),
    ("expect", Yes),
    ("form_params", Yes),
    ("function", Yes),
    ("insecure", Yes),
    ("jsonpath_types", Yes),
    ("max_redirect", Yes),
    ("override_header", Yes),
    ("patch", Yes),
    ("post_json", Yes),
    ("predicates_string", Yes),
    // For all tests of a run, by HTTP_PROXY: hurl also has an option of a request.
    ("proxy", Awkward),
    ("repeat", Yes),
    ("resolve", Yes),
    ("retry", Yes),
    ("ssl_certificate", Yes),
    ("timeout", Yes),
];

#[test]
fn the_features_of_the_first_draw_pass() {
    let proxy = |_: &Echo| testkit::fault::refused();
    passes(&DRAW, include_str!("suite.toml"), [22, 1, 2], proxy);
}

#[test]
fn the_features_of_the_second_draw_pass() {
    passes(&SECOND, include_str!("second.toml"), [23, 1, 1], Echo::url);
}

/// Every feature has a test if it can be expressed, and all tests pass. `counts` are those of the verdicts.
fn passes(draw: &[(&str, Verdict)], suite: &str, counts: [usize; 3], proxy: impl Fn(&Echo) -> String) {
    for (feature, verdict) in draw {
        let has_tests = suite.contains(&format!("name = \"{feature}"));
        assert_eq!(has_tests, *verdict != No, "{feature}");
    }
    let count = |verdict: &Verdict| draw.iter().filter(|(_, of)| of == verdict).count();
    assert_eq!([Yes, Awkward, No].map(|verdict| count(&verdict)), counts);

    let echo = Echo::with_script(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hurl_draw/server.mjs"));
    let place = Place::with_suite(&echo.fill(suite));
    for (name, content) in [
        ("assert_body.bin", "line1\nline2\nline3\n"),
        ("crlf.bin", "line1\nline2\r\nline3\n"),
        ("fileroot.bin", "a file of the suite"),
        ("hello.txt", "Hello World!"),
    ] {
        common::fs::atomic::write(&place.path(name), content.as_bytes()).unwrap();
    }
    let mut command = place.command();
    command
        .args(["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .env("NAME", "Bruce")
        .env("HTTP_PROXY", proxy(&echo))
        .env("NO_PROXY", "127.0.0.1,localhost");
    assert_cmd::Command::from_std(command).assert().stdout(contains(" passed in ")).code(0);
}
