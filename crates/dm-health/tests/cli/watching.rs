//! Stories of watches whose reader judges.

use std::iter;

use super::*;

/// Reads `count` probe records, which all have this value of `ok`.
fn read_probes(stdout: &mut impl BufRead, ok: bool, count: usize) {
    for _ in 0..count {
        read_probe(stdout, ok);
    }
}

/// Reads a probe record, which has this value of `ok`.
fn read_probe(stdout: &mut impl BufRead, ok: bool) -> Value {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let record: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    assert_eq!((&record["type"], &record["ok"]), (&"probe".into(), &ok.into()), "{record}");
    record
}

/// When the probe was sent, in milliseconds.
fn sent(probe: &Value) -> i64 {
    chrono::DateTime::parse_from_rfc3339(probe["ts"].as_str().unwrap()).unwrap().timestamp_millis()
}

#[test]
fn an_outage_neither_ends_a_watch_nor_lets_it_end() {
    let server = Server::start(&[OK, OK, DOWN]);
    // Longer than a busy machine takes until the first failure.
    let run = Run::new(&server.url("/"), "--watch 5s");
    let mut child = run.spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    read_probes(&mut stdout, true, 2);
    // More failures than --max-fail allows by default, until the watch would have ended.
    let first = read_probe(&mut stdout, false);
    read_probes(&mut stdout, false, 10);
    while sent(&read_probe(&mut stdout, false)) - sent(&first) < 5_000 {}
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), b"".as_slice()));
    assert_eq!(
        (&run.event()["status"], &run.event()["error_type"]),
        (&"failure".into(), &"bad_status".into())
    );
}

#[test]
fn a_blip_at_the_end_of_a_watch_extends_it_by_ten_good_seconds() {
    // It begins before the watch ends, and lasts longer, however busy the machine is.
    let blip: Vec<Reply> = iter::once(OK).chain([DOWN; 200]).chain([OK]).collect();
    let server = Server::start(&blip);
    let assert = Run::new(&server.url("/"), "--watch 3s").assert().code(0).stderr(is_empty());
    let probes = probes(&assert);
    let (_, after) = probes.split_at(201);
    assert!(oks(after).iter().all(|ok| *ok), "{after:?}");
    let good = sent(after.last().unwrap()) - sent(&after[0]);
    assert!(good > 9_000, "{good} ms");
}

#[test]
fn too_few_failures_in_a_row_do_not_make_a_closed_watch_unhealthy() {
    let server = Server::start(&[OK, DOWN, DOWN, DOWN, DOWN, Reply::Hang]);
    let run = Run::new(&server.url("/"), "--watch 1h --timeout 1h");
    let mut child = run.spawn();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    read_probes(&mut stdout, true, 1);
    read_probes(&mut stdout, false, 4);
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_start_states_how_long_the_watch_is() {
    for (watch, limits) in
        [("--watch 600ms..1s", [600.into(), 1000.into()]), ("--watch 1s", [Value::Null, 1000.into()])]
    {
        let server = Server::start(&[OK]);
        let mut run = Run::new(&server.url("/"), watch);
        // The default interval of a watch whose reader judges.
        run.args.drain(2..4);
        let output = run.assert().code(0).get_output().stdout.clone();
        let records = lines(std::str::from_utf8(&output).unwrap());
        let start = &records[0];
        assert_eq!([&start["watch_min_ms"], &start["watch_max_ms"]], limits.each_ref(), "{watch}");
        assert_eq!(start["interval_ms"], 500, "{watch}");
    }
    let mut run = Run::new(&Server::start(&[OK]).url("/"), "");
    run.args.drain(2..4);
    let output = run.assert().code(0).get_output().stdout.clone();
    let start = &lines(std::str::from_utf8(&output).unwrap())[0];
    assert_eq!((&start["interval_ms"], &start["watch_max_ms"]), (&1000.into(), &Value::Null));
}

#[test]
fn a_clock_that_differs_from_the_servers_is_reported_once() {
    const LONG_AGO: &str =
        "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(&[Reply::Raw(LONG_AGO)]);
    for format in ["jsonl", "human"] {
        let once = predicate::function(|text: &str| text.lines().count() == 1);
        let run = Run::new(&server.url("/"), &format!("--min-success 3 --format {format}"));
        run.assert()
            .code(0)
            .stderr(contains("the clock of this machine is").and(contains("ahead of")).and(once));
    }
}
