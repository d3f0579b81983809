//! The fields after the size of the response in the combined format: quoted ones, bare ones, and `name=value`. Pure.

use super::entry::{Upstream, seconds_of_nginx, upstream_seconds};

/// The names of nginx's `$request_time`.
const REQUEST_TIME: [&str; 2] = ["rt", "request_time"];
/// The names of nginx's `$upstream_status`.
const UPSTREAM_STATUS: [&str; 2] = ["us", "upstream_status"];
/// The names of nginx's `$upstream_response_time`.
const UPSTREAM_TIME: [&str; 2] = ["urt", "upstream_response_time"];

/// What the fields say about a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    /// The user agent: the second quoted field.
    pub(super) agent: Option<&'a str>,
    /// What nginx says about the application.
    pub(super) upstream: Option<Upstream>,
    /// The duration in seconds: that of the application, if the line has it. A client can stretch that of the request.
    pub(super) seconds: Option<f64>,
}

impl<'a> Fields<'a> {
    /// Parses the fields. Quoted ones without a name are texts of the client and say nothing else.
    pub(super) fn parse(text: &'a str) -> Self {
        let mut fields = Self::default();
        let (mut quoted, mut bare_times, mut named) = (0, Bare::default(), Unique::None);
        let (mut upstream, mut of_upstream) = (Unique::None, Unique::None);
        let mut rest = text.trim_ascii_start();
        while !rest.is_empty() {
            let field = first_field(rest);
            rest = rest[field.len()..].trim_ascii_start();
            if let Some(text) = unquote(field) {
                quoted += 1;
                if quoted == 2 {
                    fields.agent = Some(text);
                }
                continue;
            }
            let Some((name, value)) = field.split_once('=') else {
                bare_times.add(field);
                continue;
            };
            let value = unquote(value).unwrap_or(value);
            if UPSTREAM_STATUS.contains(&name) {
                upstream.add(Upstream::parse(&list(value, &mut rest)));
            } else if UPSTREAM_TIME.contains(&name) {
                of_upstream.add(upstream_seconds(&list(value, &mut rest)));
            } else if REQUEST_TIME.contains(&name) {
                named.add(seconds_of_nginx(value));
            } else if seconds_of_nginx(value).is_some() {
                bare_times.others += 1;
            }
        }
        fields.upstream = upstream.value();
        fields.seconds = match (of_upstream, named) {
            (Unique::None, Unique::None) => bare_times.only(),
            (Unique::None, named) => named.value(),
            (of_upstream, _) => of_upstream.value(),
        };
        fields
    }
}

/// A value that counts only if the line has it once: otherwise the second may be a text of the client.
enum Unique<T> {
    None,
    One(Option<T>),
    Many,
}

impl<T> Unique<T> {
    fn add(&mut self, value: Option<T>) {
        *self = if matches!(self, Self::None) { Self::One(value) } else { Self::Many };
    }

    fn value(self) -> Option<T> {
        if let Self::One(value) = self { value } else { None }
    }
}

/// Numbers without a name that look like nginx's `$request_time`.
#[derive(Default)]
struct Bare {
    seconds: Option<f64>,
    /// Other fields that may be it, or that are such a time in other lines.
    others: u64,
}

impl Bare {
    fn add(&mut self, field: &str) {
        match seconds_of_nginx(field.trim_end_matches(',')) {
            seconds @ Some(_) if self.seconds.is_none() => self.seconds = seconds,
            Some(_) => self.others += 1,
            None => self.others += u64::from(field == "-"),
        }
    }

    fn only(&self) -> Option<f64> {
        self.seconds.filter(|_| self.others == 0)
    }
}

/// The whole of a list, which nginx writes with spaces: 502, 200 or 502 : 200. `rest` follows its first element.
fn list(first: &str, rest: &mut &str) -> String {
    let mut list = first.to_owned();
    while list.ends_with([',', ':']) || rest.starts_with(": ") {
        let next = first_field(rest);
        if next.is_empty() {
            break;
        }
        list.push_str(next);
        *rest = rest[next.len()..].trim_ascii_start();
    }
    list
}

/// The text up to the first space outside quotes.
fn first_field(text: &str) -> &str {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.bytes().position(|byte| {
        let ends = byte == b' ' && !is_quoted;
        is_quoted ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    &text[..end.unwrap_or(text.len())]
}

fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_one_whose_unit_is_known() {
        for (text, seconds) in [
            (r#""-" "curl/8" 0.250"#, Some(0.25)),
            (r#""-" "curl/8" rt=0.250 len=512"#, Some(0.25)),
            // The application's own time, if the line has it: a client can stretch that of the request.
            (r#""-" "curl/8" rt=9.251 uct=0.001 uht="0.002" urt="5.000, 0.250""#, Some(5.25)),
            ("rt=60.000 urt=5.000, 0.250 : 0.001 us=502, 200 : 200", Some(5.251)),
            ("0.250 urt=0.001", Some(0.001)),
            ("urt=0.250", Some(0.25)),
            ("rt=60.000 urt=-", None),
            ("rt=60.000 urt=0.250 urt=0.001", None),
            ("uct=0.001 request_time=5.251", Some(5.251)),
            (r#"rt="5.251""#, Some(5.251)),
            // $request_time and $upstream_response_time in an unknown order; - is a time in other lines.
            ("0.250 0.001", None),
            ("0.250 -", None),
            ("0.001, 0.250", None),
            // Apache's %D is in microseconds, but the log does not state the unit.
            ("35210", None),
            ("rt=35210", None),
            (r#"-0.250 1.5 "a.250""#, None),
            ("rt=0.001 rt=5.251", None),
        ] {
            assert_eq!(Fields::parse(text).seconds, seconds, "{text}");
        }
    }

    #[test]
    fn texts_of_the_client_are_no_fields() {
        let text = r#""\" us=200 \"" "x\" rt=0.001 \" \\" "203.0.113.9" rt=5.251 us=503"#;
        let fields = Fields::parse(text);
        assert_eq!((fields.seconds, fields.upstream), (Some(5.251), Some(Upstream::Answered(503))));
        assert_eq!(fields.agent, Some(r#"x\" rt=0.001 \" \\"#));
    }

    #[test]
    fn the_status_of_several_servers_is_the_last_one() {
        for (text, upstream) in [
            ("us=503", Some(Upstream::Answered(503))),
            ("us=- rt=0.000", Some(Upstream::Silent)),
            ("us=502, 200 rt=0.100", Some(Upstream::Answered(200))),
            ("us=200, 502 : 504 rt=0.100", Some(Upstream::Answered(504))),
            (r#"upstream_status="502, 200" rt=0.100"#, Some(Upstream::Answered(200))),
            ("us=502,", None),
            ("us=200 us=503", None),
            ("", None),
        ] {
            assert_eq!(Fields::parse(text).upstream, upstream, "{text}");
        }
    }
}
