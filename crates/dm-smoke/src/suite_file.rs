//! The suite's file: read, and checked as a whole before anything runs.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use common::http::parse_url;
use common::label::Label;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use toml::Spanned;
use url::Url;

use crate::assertion::{CommandExpected, HttpExpected};
use crate::document::{Document, ExpectEntry, HttpEntry, TestEntry};
use crate::excerpt::Secrets;
use crate::suite::{CommandTest, HttpTest, Kind, Suite, Test};

/// The methods that a test can use.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// What the command line gives to every test.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// What relative URLs are put behind.
    pub base_url: Option<&'a Url>,
    /// The time limit of a test that has none of its own.
    pub timeout: Duration,
}

/// Something in the file that cannot be meant.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    /// Where, in bytes.
    at: Option<Range<usize>>,
    /// What.
    message: String,
}

impl Fault {
    fn at<T>(part: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { at: Some(part.span()), message: message.into() }
    }
}

/// Reads and checks the file. An error says where in it.
pub fn read(path: &Path, given: &Given<'_>) -> Result<Suite> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&text, &stem, given).map_err(|Fault { at, message }| {
        // Messages of the parser have several lines.
        let message = message.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        match at {
            Some(at) => {
                let (line, column) = position(&text, at.start);
                anyhow!("{}:{line}:{column}: {message}", path.display())
            }
            None => anyhow!("{}: {message}", path.display()),
        }
    })
}

fn parse(text: &str, stem: &str, given: &Given<'_>) -> Result<Suite, Fault> {
    let document: Document = toml::from_str(text)
        .map_err(|error| Fault { at: error.span(), message: error.message().to_owned() })?;
    let mut lines = HashMap::new();
    let mut tests = Vec::with_capacity(document.test.len());
    for entry in document.test {
        let name = &entry.get_ref().name;
        check_name(name)?;
        let (line, _) = position(text, name.span().start);
        if let Some(first) = lines.insert(name.get_ref().clone(), line) {
            return Err(Fault::at(name, format!("a test of this name is already in line {first}")));
        }
        tests.push(Arc::new(test(entry, given)?));
    }
    let name = document.name.or_else(|| Label::nearest(stem));
    let name = name.ok_or(Fault { at: None, message: "give the suite a name".to_owned() })?;
    Ok(Suite { name, tests })
}

/// Line and column, both from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn check_name(name: &Spanned<String>) -> Result<(), Fault> {
    if name.get_ref().trim().is_empty() {
        return Err(Fault::at(name, "the name of a test must not be empty"));
    }
    if name.get_ref().chars().any(char::is_control) {
        return Err(Fault::at(name, "the name of a test is one line, without control characters"));
    }
    Ok(())
}

fn test(entry: Spanned<TestEntry>, given: &Given<'_>) -> Result<Test, Fault> {
    let whole = entry.span();
    let TestEntry { name, http, command, expect, timeout } = entry.into_inner();
    let (kind, secrets) = match (http, command) {
        (Some(http), None) => {
            let http = http_test(http, expect, given.base_url)?;
            let secrets = Secrets::in_url(&http.url);
            (Kind::Http(Box::new(http)), secrets)
        }
        (None, Some(argv)) => {
            // It may show the variable that it finds the URL in.
            let secrets = given.base_url.map(Secrets::in_url).unwrap_or_default();
            (Kind::Command(command_test(&argv, expect)?), secrets)
        }
        (Some(_), Some(argv)) => return Err(Fault::at(&argv, "a test has either http or command, not both")),
        (None, None) => {
            return Err(Fault { at: Some(whole), message: "a test has either http or command".to_owned() });
        }
    };
    let limit = timeout.map_or(given.timeout, |limit| limit.0);
    Ok(Test { name: name.into_inner(), limit, kind, secrets })
}

fn http_test(entry: HttpEntry, expect: ExpectEntry, base_url: Option<&Url>) -> Result<HttpTest, Fault> {
    let ExpectEntry { status, body_contains, max_latency, exit, stdout_contains } = expect;
    let fits = "does not fit an http test, which takes status, body_contains and max_latency";
    refuse(exit.as_ref(), "exit", fits)?;
    refuse(stdout_contains.as_ref(), "stdout_contains", fits)?;
    let method = match entry.method {
        None => Method::GET,
        Some(typed) => {
            METHODS.into_iter().find(|method| method.as_str() == typed.get_ref()).ok_or_else(|| {
                Fault::at(
                    &typed,
                    format!("the method is one of {}", METHODS.map(|m| m.to_string()).join(", ")),
                )
            })?
        }
    };
    let mut headers = HeaderMap::new();
    for (name, value) in entry.headers {
        let checked = HeaderName::try_from(name.get_ref())
            .map_err(|_| Fault::at(&name, "a header's name is letters, digits and -"))?;
        // The value may be a secret and is not shown.
        let mut content = HeaderValue::try_from(value.get_ref())
            .map_err(|_| Fault::at(&value, "a header's value is one line, without control characters"))?;
        content.set_sensitive(true);
        headers.append(checked, content);
    }
    let url = resolve(&entry.url, base_url)?;
    Ok(HttpTest {
        method,
        url,
        headers,
        body: entry.body,
        expected: HttpExpected {
            status: status.map(Spanned::into_inner).unwrap_or_default(),
            body_contains: part("body_contains", body_contains)?,
            max_latency: max_latency.map(|limit| limit.into_inner().0),
        },
    })
}

fn command_test(argv: &Spanned<Vec<String>>, expect: ExpectEntry) -> Result<CommandTest, Fault> {
    let ExpectEntry { status, body_contains, max_latency, exit, stdout_contains } = expect;
    let fits = "does not fit a command test, which takes exit and stdout_contains";
    refuse(status.as_ref(), "status", fits)?;
    refuse(body_contains.as_ref(), "body_contains", fits)?;
    refuse(max_latency.as_ref(), "max_latency", fits)?;
    let [program, rest @ ..] = argv.get_ref().as_slice() else {
        return Err(Fault::at(argv, "a command has a program and its arguments"));
    };
    if program.is_empty() {
        return Err(Fault::at(argv, "the command's program must not be empty"));
    }
    Ok(CommandTest {
        program: program.clone(),
        args: rest.to_vec(),
        expected: CommandExpected {
            exit: exit.map(Spanned::into_inner).unwrap_or_default(),
            stdout_contains: part("stdout_contains", stdout_contains)?,
        },
    })
}

fn refuse<T>(expectation: Option<&Spanned<T>>, name: &str, fits: &str) -> Result<(), Fault> {
    expectation.map_or(Ok(()), |expectation| Err(Fault::at(expectation, format!("{name} {fits}"))))
}

/// Everything contains nothing: such an expectation would only look like one.
fn part(name: &str, text: Option<Spanned<String>>) -> Result<Option<String>, Fault> {
    match text {
        Some(text) if text.get_ref().is_empty() => Err(Fault::at(&text, format!("{name} must not be empty"))),
        text => Ok(text.map(Spanned::into_inner)),
    }
}

/// The whole URL. A relative one is put behind the base as it is, so that a base can have a path of its own.
fn resolve(written: &Spanned<String>, base_url: Option<&Url>) -> Result<Url, Fault> {
    let text = written.get_ref();
    let whole = match (text.starts_with('/'), base_url) {
        (true, Some(base)) => format!("{}{text}", base.as_str().trim_end_matches('/')),
        (true, None) => return Err(Fault::at(written, "the url is relative: give --base-url")),
        (false, _) => text.clone(),
    };
    parse_url(&whole).map_err(|error| {
        Fault::at(written, format!("{error}, or a path that begins with / and is put behind --base-url"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suite that a text makes, or the error as `line:column: message`.
    fn told(text: &str) -> Result<Suite, String> {
        let base_url = Url::parse("http://user:secret@api/v2/").unwrap();
        let given = Given { base_url: Some(&base_url), timeout: Duration::from_secs(10) };
        parse(text, "shop", &given).map_err(|fault| {
            let (line, column) = position(text, fault.at.unwrap().start);
            format!("{line}:{column}: {}", fault.message)
        })
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let suite = told("[[test]]\nname = 'a'\nhttp = { url = '/health?x=1' }").unwrap();
        assert_eq!(suite.name.as_str(), "shop");
        let test = &suite.tests[0];
        assert_eq!(test.limit, Duration::from_secs(10));
        let Kind::Http(http) = &test.kind else { panic!("{test:?}") };
        assert_eq!(http.method, Method::GET);
        assert_eq!(http.url.as_str(), "http://user:secret@api/v2/health?x=1");
        assert_eq!(http.expected, HttpExpected::default());
        assert!(told("").unwrap().tests.is_empty());
    }

    #[test]
    fn everything_can_be_given() {
        let suite = told(
            r#"
            name = "web"
            [[test]]
            name = "login"
            http = { method = "POST", url = "https://other/login", headers = { accept = "*/*" }, body = "{}" }
            expect = { status = [201, "3xx"], body_contains = "ok", max_latency = "500ms" }
            timeout = "5s"
            [[test]]
            name = "tool"
            command = ["./check.sh", "--all"]
            expect = { exit = 3, stdout_contains = "1.2" }
            "#,
        )
        .unwrap();
        assert_eq!(suite.name.as_str(), "web");
        let [login, tool] = suite.tests.as_slice() else { panic!("{suite:?}") };
        assert_eq!(login.limit, Duration::from_secs(5));
        let Kind::Http(http) = &login.kind else { panic!("{login:?}") };
        assert_eq!((http.method.as_str(), http.url.as_str()), ("POST", "https://other/login"));
        assert_eq!(http.expected.status.to_string(), "201 or 3xx");
        assert_eq!(http.expected.max_latency, Some(Duration::from_millis(500)));
        let Kind::Command(command) = &tool.kind else { panic!("{tool:?}") };
        assert_eq!(
            (command.program.as_str(), command.args.as_slice()),
            ("./check.sh", &["--all".to_owned()][..])
        );
        assert_eq!(command.expected.exit, 3);
    }

    #[test]
    fn what_cannot_be_meant_is_named_with_its_place() {
        let test = |rest: &str| format!("[[test]]\nname = 'a'\n{rest}");
        let http = |expect: &str| test(&format!("http = {{ url = '/' }}\nexpect = {{ {expect} }}"));
        let command = |expect: &str| test(&format!("command = ['true']\nexpect = {{ {expect} }}"));
        let table = [
            ("nmae = 'x'".to_owned(), "1:1: unknown field `nmae`, expected `name` or `test`"),
            ("name = ''".to_owned(), "1:8: must not be empty"),
            ("name = 'ä' oops".to_owned(), "1:12: "),
            (
                test("comand = ['x']"),
                "3:1: unknown field `comand`, expected one of `name`, `http`, `command`",
            ),
            (test("http = { uri = '/' }"), "3:10: unknown field `uri`"),
            (test("timeout = 5"), "3:11: invalid type: integer `5`, expected a duration such as"),
            (test("timeout = '5'"), "3:11: a duration needs a unit"),
            (test(""), "1:1: a test has either http or command"),
            (
                test("command = ['x']\nhttp = { url = '/' }"),
                "3:11: a test has either http or command, not both",
            ),
            (test("command = []"), "3:11: a command has a program"),
            (test("command = ['']"), "3:11: the command's program must not be empty"),
            (test("command = 'x'"), "3:11: invalid type: string \"x\", expected a sequence"),
            (test("http = { url = 'health' }"), "3:16: not a URL"),
            (test("http = { url = 'ftp://h/' }"), "3:16: the scheme is \"ftp\""),
            (test("http = { url = '/', method = 'get' }"), "3:30: the method is one of GET, HEAD, POST"),
            (test("http = { url = '/', headers = { 'a b' = 'x' } }"), "3:33: a header's name"),
            (test("http = { url = '/', headers = { a = \"x\\n\" } }"), "3:37: a header's value"),
            (http("status = 42"), "4:21: 42 is no HTTP status; expected a status such as 200"),
            (http("status = '20x'"), "4:21: \"20x\" is no class"),
            (http("status = []"), "4:21: an empty list"),
            (http("status = [200, 'ok']"), "4:27: \"ok\" is no class"),
            (http("status = true"), "4:21: invalid type: boolean `true`, expected a status such as 200"),
            (http("body_contains = ''"), "4:28: body_contains must not be empty"),
            (http("exit = 0"), "4:19: exit does not fit an http test"),
            (command("status = 200"), "4:21: status does not fit a command test"),
            (command("exit = 256"), "4:19: "),
            ("[[test]]\nname = ' '\ncommand = ['x']".to_owned(), "2:8: the name of a test must not be empty"),
            ("[[test]]\nname = \"a\\nb\"\ncommand = ['x']".to_owned(), "2:8: the name of a test is one line"),
            (format!("{0}\n{0}", test("command = ['x']")), "5:8: a test of this name is already in line 2"),
        ];
        for (text, wanted) in table {
            let told = told(&text).map(|_| ()).unwrap_err();
            assert!(told.starts_with(wanted), "{text}\n got {told}\nwant {wanted}");
        }
    }
}
