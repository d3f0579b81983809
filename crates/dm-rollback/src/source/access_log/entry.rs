//! One request, as a line of the log states it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// One request.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Entry<'a> {
    /// When the server logged it, by the server's clock.
    pub(super) ts: DateTime<Utc>,
    /// The status that the server logged; 0 if it sent none.
    pub(super) status: u16,
    /// What nginx says about the application behind it, if the log has that field.
    pub(super) upstream: Option<Upstream>,
    /// Whether the server could not read the request at all.
    pub(super) is_garbage: bool,
    /// The duration, if its unit is known: that of the application's answer, if the log has it.
    pub(super) milliseconds: Option<f64>,
    /// The path, without its query.
    pub(super) path: Option<Cow<'a, str>>,
    /// The client's name for itself.
    pub(super) agent: Option<Cow<'a, str>>,
}

/// nginx's `$upstream_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upstream {
    /// The application was never asked, or has not answered.
    Silent,
    /// The application's last answer.
    Answered(u16),
}

impl Upstream {
    /// Parses the field: `200`, `-`, or a list such as `502, 200` if several servers were asked. nginx writes an absent
    /// variable as nothing where it escapes as in JSON, or not at all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::Silent);
        }
        let last = text.rsplit([',', ':']).next()?.trim();
        if last == "-" {
            return Some(Self::Silent);
        }
        last.parse().ok().filter(|status| (100..1000).contains(status)).map(Self::Answered)
    }
}

/// Parses nginx's `$upstream_response_time` in seconds: that of all servers together, if several were asked. `None` if it is
/// not known, because the application was not asked or has not answered.
pub(super) fn upstream_seconds(text: &str) -> Option<f64> {
    let times = text.split([',', ':']).map(str::trim).filter(|time| *time != "-");
    times.map(seconds_of_nginx).sum::<Option<f64>>().filter(|_| text.contains('.'))
}

/// Parses seconds with three decimals, as nginx writes them. Any other number may have another unit, or be no duration.
pub(super) fn seconds_of_nginx(text: &str) -> Option<f64> {
    let (whole, decimals) = text.split_once('.')?;
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole) && is_number(decimals) && decimals.len() == 3).then(|| text.parse().ok())?
}

/// Parses the request line: whether it is garbage, and its path without the query. A target in absolute form
/// (`http://host/path`) has a path, too.
pub(super) fn parse_request_line(text: &str) -> (bool, Option<&str>) {
    let parts = text.split_once(' ').and_then(|(method, rest)| Some((method, rest.rsplit_once(' ')?)));
    let Some((method, (target, protocol))) = parts else { return (true, None) };
    let is_method =
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
    if !is_method || !protocol.starts_with("HTTP/") {
        return (true, None);
    }
    // Servers refuse a target with a space; older ones accepted it.
    (target.contains(' '), Some(path_of(target)))
}

/// The path of a request's target.
pub(super) fn path_of(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or(target);
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_server_that_was_asked_decides() {
        assert_eq!(Upstream::parse("503"), Some(Upstream::Answered(503)));
        assert_eq!(Upstream::parse("502, 200"), Some(Upstream::Answered(200)));
        assert_eq!(Upstream::parse("200 : 504"), Some(Upstream::Answered(504)));
        assert_eq!(Upstream::parse("-"), Some(Upstream::Silent));
        for absent in ["", " "] {
            assert_eq!(Upstream::parse(absent), Some(Upstream::Silent), "escape=json");
        }
        assert_eq!(Upstream::parse("502,"), None);
        assert_eq!(Upstream::parse("0.250"), None);
    }

    #[test]
    fn the_times_of_all_servers_are_added() {
        for (text, seconds) in [
            ("0.250", Some(0.25)),
            ("5.000, 0.250", Some(5.25)),
            ("5.000 : -", Some(5.0)),
            ("-", None),
            ("", None),
            ("0.250,", None),
            ("250", None),
        ] {
            assert_eq!(upstream_seconds(text), seconds, "{text}");
        }
    }

    #[test]
    fn a_request_line_has_a_path_or_is_garbage() {
        for (line, path) in [
            ("GET /a?b=/c HTTP/1.1", "/a"),
            ("GET http://h:80/a HTTP/1.1", "/a"),
            ("GET http://h HTTP/1.1", "/"),
            ("VERSION-CONTROL /?u=http://h/x HTTP/9.9", "/"),
            ("OPTIONS * HTTP/1.1", "*"),
        ] {
            assert_eq!(parse_request_line(line), (false, Some(path)), "{line}");
        }
        assert_eq!(parse_request_line("GET /a b HTTP/1.1"), (true, Some("/a b")));
        for line in ["", "-", r"\x16\x03\x01", "GET /", "get / HTTP/1.1", " / HTTP/1.1", "GET / FTP/1"] {
            assert_eq!(parse_request_line(line), (true, None), "{line}");
        }
    }
}
