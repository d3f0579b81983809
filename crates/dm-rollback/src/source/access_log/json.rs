//! A log in JSON Lines, with a time and a status. Pure.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::entry::{Entry, Upstream, parse_request_line, path_of, upstream_seconds};
use super::time::PlausibleTimes;

const TIMES: [&str; 7] = ["time_iso8601", "time_local", "@timestamp", "timestamp", "time", "ts", "msec"];
const STATUS: [&str; 3] = ["status", "status_code", "code"];
const UPSTREAM: [&str; 2] = ["upstream_status", "us"];
const UPSTREAM_TIME: [&str; 2] = ["upstream_response_time", "urt"];
const PATHS: [&str; 3] = ["request_uri", "uri", "path"];
const AGENTS: [&str; 3] = ["http_user_agent", "user_agent", "agent"];
/// Names of the duration, with their unit in milliseconds. A bare `duration` is missing: its unit differs between servers.
const DURATIONS: [(&str, f64); 5] = [
    ("request_time", 1000.0),
    ("duration_seconds", 1000.0),
    ("duration_ms", 1.0),
    ("latency_ms", 1.0),
    ("response_time_ms", 1.0),
];

/// Parses a line.
pub(super) fn parse(line: &str, times: &PlausibleTimes) -> Option<Entry<'static>> {
    let fields: Map<String, Value> =
        serde_json::from_str(line).or_else(|_| serde_json::from_str(&without_hex_escapes(line))).ok()?;
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let text = |names: &[&str]| names.iter().find_map(|name| fields.get(*name)?.as_str());
    let ts = TIMES.iter().find_map(|name| {
        let value = fields.get(*name)?;
        value.as_str().and_then(|text| times.parse(text)).or_else(|| times.parse_epoch(number(value)?))
    })?;
    let status = STATUS.iter().find_map(|name| number(fields.get(*name)?))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    let status = (0.0..1000.0).contains(&status).then_some(status as u16)?;
    let upstream = UPSTREAM.iter().find_map(|name| match fields.get(*name)? {
        Value::String(text) => Upstream::parse(text),
        Value::Null => Some(Upstream::Silent),
        other => Upstream::parse(&other.to_string()),
    });
    // Where the application's time is logged, the time of the whole request is not: a client can stretch that.
    let of_upstream = UPSTREAM_TIME.iter().find_map(|name| fields.get(*name)).map(|value| match value {
        Value::String(text) => upstream_seconds(text),
        other => other.as_f64(),
    });
    let of_request =
        || DURATIONS.iter().find_map(|(name, unit)| number(fields.get(*name)?).map(|value| value * unit));
    let milliseconds = of_upstream.map_or_else(of_request, |seconds| Some(seconds? * 1000.0));
    let request = text(&["request"]).map(parse_request_line);
    let path = text(&PATHS).map(path_of).or(request.and_then(|(_, path)| path));
    Some(Entry {
        ts,
        status,
        upstream,
        is_garbage: request.map_or(path == Some(""), |(is_garbage, _)| is_garbage),
        milliseconds: milliseconds.filter(|ms| *ms >= 0.0),
        path: path.filter(|path| !path.is_empty()).map(|path| Cow::Owned(path.to_owned())),
        agent: text(&AGENTS).map(|agent| Cow::Owned(agent.to_owned())),
    })
}

/// nginx without `escape=json` writes a quote that a client sent as `\x22`, which JSON does not know.
fn without_hex_escapes(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        text.push(character);
        if character == '\\' {
            match characters.next() {
                Some('x') => text.push_str("u00"),
                Some(other) => text.push(other),
                None => {}
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn parsed(line: &str) -> Option<Entry<'static>> {
        let now = DateTime::from_timestamp(1_767_225_660, 0).unwrap();
        parse(line, &PlausibleTimes::at(now))
    }

    #[test]
    fn the_usual_names_are_known() {
        let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        for json in [
            r#"{"time_iso8601":"2026-01-01T01:00:00+01:00","status":503,"request_time":0.25}"#,
            r#"{"time":"01/Jan/2026:00:00:00 +0000","status":"503","request_time":"0.250"}"#,
            r#"{"ts":1767225600.0,"status":503,"duration_seconds":0.25}"#,
            r#"{"timestamp":1767225600000,"status_code":503,"latency_ms":250}"#,
            r#"{"ts":1767225600000000,"code":503,"duration_ms":250}"#,
        ] {
            let entry = Entry { ts, status: 503, milliseconds: Some(250.0), ..Entry::default() };
            assert_eq!(parsed(json), Some(entry), "{json}");
        }
        let entry = parsed(r#"{"ts":1767225600.0,"status":503,"duration":58.33}"#).unwrap();
        assert_eq!(entry.milliseconds, None);
        assert_eq!(parsed(r#"{"ts":58000000000000000,"status":503}"#), None);
        assert_eq!(parsed(r#"{"ts":1767225600,"status":1000}"#), None);
    }

    #[test]
    fn the_request_and_the_application_are_known() {
        let line = r#"{"ts":1767225600,"status":499,"request":"GET /a?b HTTP/1.1","upstream_status":"502, 504","http_user_agent":"ELB"}"#;
        let entry = parsed(line).unwrap();
        assert_eq!((entry.path.as_deref(), entry.agent.as_deref()), (Some("/a"), Some("ELB")));
        assert_eq!(entry.upstream, Some(Upstream::Answered(504)));
        assert_eq!(
            parsed(&line.replace(r#""502, 504""#, "503")).unwrap().upstream,
            Some(Upstream::Answered(503))
        );
        for absent in [r#""""#, r#""-""#, "null"] {
            let line = line.replace(r#""502, 504""#, absent);
            assert_eq!(parsed(&line).unwrap().upstream, Some(Upstream::Silent), "{line}");
        }
        assert!(parsed(&line.replace("GET /a?b HTTP/1.1", r"\u0016\u0003")).unwrap().is_garbage);
        assert!(parsed(r#"{"ts":1767225600,"status":400,"request_uri":""}"#).unwrap().is_garbage);
        assert!(!parsed(r#"{"ts":1767225600,"status":400}"#).unwrap().is_garbage);
    }

    #[test]
    fn the_application_s_time_is_that_of_the_request() {
        for (time, milliseconds) in [
            (r#""0.250""#, Some(250.0)),
            (r#""1.000, 0.250""#, Some(1250.0)),
            ("0.25", Some(250.0)),
            (r#""""#, None),
            (r#""-""#, None),
        ] {
            let line = format!(
                r#"{{"ts":1767225600,"status":200,"request_time":60.0,"upstream_response_time":{time}}}"#
            );
            assert_eq!(parsed(&line).unwrap().milliseconds, milliseconds, "{line}");
        }
    }

    #[test]
    fn a_quote_that_nginx_escapes_as_in_its_text_format_is_read() {
        let line = r#"{"ts":1767225600,"status":200,"http_user_agent":"a\x22,\x22status\x22:500\xC3\\x"}"#;
        let entry = parsed(line).unwrap();
        assert_eq!(entry.agent.as_deref(), Some("a\",\"status\":500Ã\\x"));
        assert_eq!(entry.status, 200);
    }
}
