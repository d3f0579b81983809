//! How fast dm-rollback reads a stream, and how much memory it needs.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::Stdio;
use std::time::Instant;

use testkit::bin::Machine;

use crate::with;

/// Probe lines of the stream.
const LINES: u64 = 10_000_000;

/// Requests per second, by the timestamps of the lines.
const TRAFFIC: u64 = 100;

/// Writes a stream like that of a watch of a healthy service, and measures its evaluation.
pub(crate) fn measure() {
    let machine = Machine::new().with("DM_DEPLOYMENT_ID", "d-42");
    let path = machine.folder().join("stream.jsonl");
    let mut out = BufWriter::new(File::create(&path).unwrap());
    writeln!(
        out,
        r#"{{"v":1,"type":"start","tool":"dm-health","run":"r","service":"shop","environment":"production","deployment":"d-42","ts":"2026-01-01T00:00:00.000Z","interval_ms":1000}}"#
    )
    .unwrap();
    for seq in 0..LINES {
        let (seconds, ms) = (seq / TRAFFIC, seq % TRAFFIC * 1000 / TRAFFIC);
        let (day, hour, minute, second) =
            (1 + seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        // Two in a hundred fail.
        let (ok, status, reason) =
            if seq % 50 == 0 { (false, 503, r#""bad_status""#) } else { (true, 200, "null") };
        writeln!(
            out,
            r#"{{"v":1,"type":"probe","seq":{seq},"ts":"2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z","name":"shop","target":"https://shop.example.com/health","src":"probe","ok":{ok},"status":{status},"latency_ms":41.217,"phase_ms":{{"resolve":0.913,"connect":3.201,"tls":9.004,"wait":27.911,"transfer":0.188}},"address":"203.0.113.9:443","reason":{reason}}}"#
        )
        .unwrap();
    }
    writeln!(out, r#"{{"v":1,"type":"end","ts":"2026-01-02T03:46:40.000Z","exit":0,"records":{LINES}}}"#)
        .unwrap();
    out.into_inner().unwrap();
    let bytes = std::fs::metadata(&path).unwrap().len();
    // The kernel measures the peak memory of the stage's child.
    let words = ["judge", "--", "dm-rollback", "--if-error-rate", "5", "--if-latency", "1s", "--dry-run"];
    let mut command = with(machine.tool("dm-stage"), &words);
    command.stdin(File::open(&path).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    assert!(command.status().unwrap().success());
    let seconds = started.elapsed().as_secs_f64();
    let stage = machine.journal().into_iter().rfind(|event| event["stage"] == "judge").unwrap();
    let [cpu, peak] = ["cpu_s", "max_rss_bytes"].map(|name| stage[name].as_f64().unwrap());
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let (lines, bytes) = (LINES as f64, bytes as f64);
    println!(
        "a stream of {LINES} probes, {:.1} GiB, evaluated by errors and latency",
        bytes / 1024_f64.powi(3)
    );
    println!("  {:.2} million lines/s, {:.2} in CPU time", lines / seconds / 1e6, lines / cpu / 1e6);
    println!("  {:.1} MiB", peak / 1024.0 / 1024.0);
}
