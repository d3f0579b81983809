//! What is sent, and how what comes back is read.

use predicates::prelude::*;
use predicates::str::contains;

use crate::support::Place;
use crate::support::echo::Echo;

#[test]
fn every_kind_of_body_is_sent() {
    let echo = Echo::start();
    let place = Place::with_suite(
        r#"
        [[test]]
        name = "from a file"
        http = { method = "PUT", url = "/", body = { file = "data.bin" }, headers = { content-type = "image/png" } }
        expect = { json = ['$.body == "\u0000\u0001{{"{{"}}"', '$.headers["content-length"] == "4"', '$.headers["content-type"] == "image/png"'] }
        [[test]]
        name = "Base64"
        http = { method = "PROPFIND", url = "/", body = { base64 = "AP8=" } }
        expect = { json = ['$.body == "\u0000ÿ"', '$.method == "PROPFIND"'] }
        [[test]]
        name = "a form"
        http = { method = "POST", url = "/", form = { tag = ["a b", "c"], x = "" }, query = { q = ["1", "2"] } }
        expect = { json = ['$.body == "tag=a+b&tag=c&x="', '$.url == "/?q=1&q=2"'] }
        [[test]]
        name = "parts"
        capture = { boundary = { json = "$.headers['content-type']", regex = "boundary=(.+)" } }
        [test.http]
        method = "POST"
        url = "/"
        [test.http.multipart]
        title = "one\ntwo"
        meta = { text = "{}", type = "application/json" }
        photo = [{ file = "data.bin" }, { file = "data.bin", filename = "x y.png", type = "image/png" }]
        [test.expect]
        json = '$.headers["content-type"] =~ "^multipart/form-data; boundary="'
        body_contains = [
            'Content-Disposition: form-data; name=\"title\"\r\n\r\none\ntwo\r\n',
            'name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{}\r\n',
            'name=\"photo\"; filename=\"data.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n\u0000\u0001{{"{{"}}\r\n',
            'filename=\"x y.png\"\r\nContent-Type: image/png\r\n',
        ]
        [[test]]
        name = "no such file"
        http = { method = "POST", url = "/", body = { file = "no.bin" } }
        "#,
    );
    common::fs::atomic::write(&place.path("data.bin"), b"\x00\x01{{").unwrap();
    place
        .smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .stdout(contains("4 passed, ").and(contains("cannot read no.bin: No such file or directory")))
        // A file that is missing here proves nothing about the service.
        .code(5);
}

#[test]
fn a_body_is_read_in_its_coding_and_charset() {
    let echo = Echo::start();
    let suite = r#"
        [[test]]
        name = "gzip"
        http = { url = "/gzip" }
        expect = { body_contains = "crème brûlée" }
        [[test]]
        name = "br"
        http = { url = "/br" }
        expect = { body_contains = "crème brûlée" }
        [[test]]
        name = "deflate"
        http = { url = "/deflate" }
        expect = { body_contains = "crème brûlée" }
        [[test]]
        name = "compression is asked for"
        http = { url = "/", compressed = true }
        expect = { json = '$.headers["accept-encoding"] == "gzip, deflate, br, zstd"' }
        [[test]]
        name = "it is not asked for"
        http = { url = "/" }
        expect = { json_absent = '$.headers["accept-encoding"]' }
        [[test]]
        name = "Latin 1"
        http = { url = "/latin1" }
        expect = { body_matches = "^café$" }
        capture = { word = { regex = "(f.)" } }
        [[test]]
        name = "UTF-16"
        http = { url = "/utf16" }
        expect = { json = '$.n == "ü"' }
    "#;
    Place::with_suite(suite)
        .smoke(&["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"])
        .stdout(contains("7 passed"))
        .code(0);
}

#[test]
fn a_compressed_bomb_stays_small() {
    let echo = Echo::start();
    let place = Place::with_suite(
        "[[test]]\nname = \"a\"\nhttp = { url = \"/bomb\" }\nexpect = { body_contains = \"x\" }",
    );
    let mut command = place.command();
    command.args(["--base-url", &echo.url(), "--format", "human", "--timeout", "2m"]);
    // 64 MiB of zeros; the limit of the address space leaves room for libraries and threads.
    let limited = format!("ulimit -v 100000; exec {}", shell_line(&command));
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &limited]).env_clear().current_dir(place.path(""));
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_cmd::Command::from_std(shell)
        .timeout(crate::PATIENCE)
        .assert()
        .stdout(contains("the first MiB of the body does not contain \"x\""))
        .code(1);
}

fn shell_line(command: &std::process::Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_file_is_chosen_by_the_suite_and_not_by_the_service() {
    let suite = |path: &str| {
        format!(
            "[[test]]\nname = 'a'\nhttp = {{ url = '/', body = {{ file = '{path}' }} }}\ncapture = {{ x = '$' }}"
        )
    };
    Place::with_suite(&suite("{{x}}"))
        .smoke(&["--check"])
        .code(2)
        .stderr(contains("3:37: only {{env.NAME}} can be inserted here, and no captured value such as x"));
    Place::with_suite(&suite("{{env.HOME}}/x")).smoke(&["--check"]).code(0);
    Place::with_suite(&suite("")).smoke(&["--check"]).code(2).stderr(contains("must not be empty"));
}
