//! What hurl's own integration tests use, in suites: 25 of 103 features, drawn at random (`random.seed(19)`) from those that
//! concern requests and responses, and not hurl's command line and output. The server answers as theirs does.

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

/// The features; those that can be expressed have tests of the same name.
const DRAW: [(&str, Verdict); 25] = [
    ("assert_body", Yes),
    ("assert_match", Yes),
    ("bom", Yes),
    ("bytes_empty", Yes),
    ("charset", Yes),
    ("delay", Yes),
    // hurl writes the response to a file, and uploads that; here it is captured.
    ("fileroot", Awkward),
    // Base64, HTML and URL encodings of a value.
    ("filter", No),
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

#[test]
fn the_features_that_can_be_expressed_pass() {
    let suite = include_str!("suite.toml");
    for (feature, verdict) in &DRAW {
        let has_tests = suite.contains(&format!("name = \"{feature}"));
        assert_eq!(has_tests, *verdict != No, "{feature}");
    }
    let count = |verdict: &Verdict| DRAW.iter().filter(|(_, of)| of == verdict).count();
    assert_eq!([Yes, Awkward, No].map(|verdict| count(&verdict)), [21, 1, 3]);

    let echo = Echo::with_script(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hurl_draw/server.mjs"));
    let place = Place::with_suite(&echo.fill(suite));
    for (name, content) in [
        ("assert_body.bin", "line1\nline2\nline3\n"),
        ("crlf.bin", "line1\nline2\r\nline3\n"),
        ("fileroot.bin", "a file of the suite"),
    ] {
        common::fs::atomic::write(&place.path(name), content.as_bytes()).unwrap();
    }
    let mut command = place.command();
    command
        .args(["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .env("HTTP_PROXY", testkit::fault::refused())
        .env("NO_PROXY", "127.0.0.1,localhost");
    assert_cmd::Command::from_std(command).assert().stdout(contains(" passed in ")).code(0);
}
