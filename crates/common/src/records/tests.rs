//! The lines of streams.

use super::*;

#[test]
fn an_end_line_carries_the_exit_code_and_the_number_of_records() {
    let ts = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let start = Start {
        tool: "dm-health".to_owned(),
        run: "r".to_owned(),
        service: "api".to_owned(),
        environment: "production".to_owned(),
        deployment: "d-42".to_owned(),
        ts,
        interval_ms: Some(1000),
        expectations: false,
        watch_min_ms: None,
        watch_max_ms: None,
    };
    let mut out = Vec::new();
    let mut writer = RecordWriter::begin(&mut out, start.clone()).unwrap();
    let count = Record::Count { ts, window_ms: 10_000, src: "nginx".to_owned(), total: 120, errors: 3 };
    writer.record(&count).unwrap();
    writer.end(ts, 1).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with(r#"{"v":1,"type":"start","tool":"dm-health""#), "{text}");
    assert_eq!(parse(lines[0]), Ok(Record::Start(start)));
    assert_eq!(parse(lines[1]), Ok(count));
    assert_eq!(parse(lines[2]), Ok(Record::End { ts, exit: 1, records: 1 }));
}

#[test]
fn unknown_types_are_ignored_and_other_versions_are_errors() {
    assert_eq!(parse(r#"{"v":1,"type":"weather","sunny":true}"#), Ok(Record::Unknown));
    assert!(parse(r#"{"v":2,"type":"end","records":"many"}"#).unwrap_err().contains("format version 2"));
    assert!(parse(r#"{"v":1,"type":"end""#).is_err());
    assert!(parse("").is_err());
}

#[test]
fn a_reader_requires_only_what_a_verdict_depends_on() {
    for line in [
        r#"{"v":1,"type":"start","tool":"dm-health","deployment":"d-42"}"#,
        r#"{"v":1,"type":"probe","ts":"2026-01-01T00:00:00Z","target":"http://h","src":"probe","ok":true}"#,
        r#"{"v":1,"type":"count","ts":"2026-01-01T00:00:00Z","src":"nginx","total":2,"errors":1}"#,
        r#"{"v":1,"type":"test","result":"pass"}"#,
        r#"{"v":1,"type":"verdict","verdict":"keep"}"#,
        r#"{"v":1,"type":"end","exit":0,"records":4}"#,
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line));
    }
    assert!(parse(r#"{"v":1,"type":"count","ts":"2026-01-01T00:00:00Z","src":"nginx","total":2}"#).is_err());
}
