//! The combined format of nginx and Apache, with or without fields at its end. Pure.
//!
//! `ADDRESS IDENT USER [TIME] "REQUEST" STATUS BYTES "REFERER" "AGENT" …`, maybe after the name of the virtual host. The
//! user's name is any text that a client sends, with spaces and brackets. But both servers escape the quotes in it, so the
//! first quote after `] ` begins the request, and the time is in the last brackets before it.

use std::borrow::Cow;

use super::entry::{Entry, parse_request_line};
use super::fields::Fields;
use super::time::PlausibleTimes;

/// Parses a line.
pub(super) fn parse<'a>(line: &'a str, times: &PlausibleTimes) -> Option<Entry<'a>> {
    let quote = request_begin(line)?;
    let head = line[..quote].strip_suffix("] ")?;
    let (client, time) = head.rsplit_once('[')?;
    // The address, and what identd says. The user's name may be empty.
    client.split_ascii_whitespace().nth(1)?;
    let quoted = &line[quote + 1..];
    let (request, rest) = quoted.split_at(quoted_length(quoted)?);
    let mut words = rest.strip_prefix("\" ")?.splitn(3, ' ');
    let (status, bytes) = (words.next()?, words.next()?);
    if bytes != "-" && !is_digits(bytes) {
        return None;
    }
    let status = match status {
        "-" => 0,
        _ => status.parse().ok().filter(|_| status.len() == 3 && is_digits(status))?,
    };
    let fields = Fields::parse(words.next().unwrap_or_default());
    let (is_garbage, path) = parse_request_line(request);
    Some(Entry {
        ts: times.parse(time)?,
        status,
        upstream: fields.upstream,
        is_garbage,
        milliseconds: fields.seconds.map(|seconds| seconds * 1000.0),
        path: path.map(Cow::Borrowed),
        agent: fields.agent.map(Cow::Borrowed),
    })
}

/// The position of the request's first quote. Apache writes `""` for an empty user name: that does not follow a bracket.
fn request_begin(line: &str) -> Option<usize> {
    let mut is_escaped = false;
    line.bytes().enumerate().find_map(|(at, byte)| {
        let begins = byte == b'"' && !is_escaped && line[..at].ends_with("] ");
        is_escaped = byte == b'\\' && !is_escaped;
        begins.then_some(at)
    })
}

/// The length of a quoted text up to its closing quote.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn parsed(line: &str) -> Option<Entry<'_>> {
        let now = DateTime::from_timestamp(1_767_225_660, 0).unwrap();
        parse(line, &PlausibleTimes::at(now))
    }

    #[test]
    fn no_user_name_hides_the_request() {
        let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        for user in [
            "-",
            "ada",
            "[",
            "[:x",
            "] [",
            "a b c",
            r"\x22",
            r"\x22] \x22GET / HTTP/1.1\x22 200 1",
            r#"\"] \"GET / HTTP/1.1\" 200 1"#,
            "x [01/Jan/2020:00:00:00 +0000] x",
            "[01/Jan/2020:00:00:00 +0000]",
            r"\\",
            r#""""#,
            "",
            "ä",
        ] {
            for client in ["203.0.113.9", "2001:db8::1", "www.example.com:443 203.0.113.9", "unix:"] {
                let line = format!(
                    r#"{client} - {user} [01/Jan/2026:00:00:00 +0000] "GET /a?b HTTP/1.1" 503 12 "-" "curl/8""#
                );
                let path = Some(Cow::Borrowed("/a"));
                let agent = Some(Cow::Borrowed("curl/8"));
                let entry = Entry { ts, status: 503, path, agent, ..Entry::default() };
                assert_eq!(parsed(&line), Some(entry), "{line}");
            }
        }
    }

    #[test]
    fn garbage_that_a_client_sent_is_read() {
        for (request, status) in [
            ("", 400),
            ("-", 408),
            (r"\x16\x03\x01\x02\x00\x01", 400),
            (r#"\"] \"GET / HTTP/1.1\" 200 1"#, 400),
            (r#"x\\\" 200 1 \"-"#, 400),
            ("GET /", 9),
            ("] [", 0),
        ] {
            let line =
                format!(r#"203.0.113.9 - - [01/Jan/2026:01:00:00 +0100] "{request}" {status:03} 0 "-" "-""#);
            let entry = parsed(&line).unwrap();
            assert_eq!((entry.status, entry.is_garbage), (status, true), "{line}");
        }
        let common = r#"203.0.113.9 - - [01/Jan/2026:01:00:00 +0100] "GET / HTTP/1.1" 200 -"#;
        assert_eq!(parsed(common).unwrap().status, 200);
    }

    #[test]
    fn other_lines_are_not_read() {
        for line in [
            "",
            r#"203.0.113.9 - - [noon] "GET / HTTP/1.1" 200 12 "-" "-""#,
            r#"203.0.113.9 - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.1" 200 12 "-" "-""#,
            r#"203.0.113.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 2000 12 "-" "-""#,
            r#"203.0.113.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 x "-" "-""#,
            r#"203.0.113.9 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1"#,
            r#"[01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 12"#,
            r#"2026/01/01 00:00:00 [error] 7#7: *1 open() "/a" failed"#,
        ] {
            assert_eq!(parsed(line), None, "{line}");
        }
    }
}
