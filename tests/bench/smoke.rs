//! A suite of many small tests: dm-smoke compared with `hurl --test` and a loop of Bash and curl; memory by size.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::bin::Machine;
use testkit::sample::Sample;

/// Tests in the suite that is timed.
const TESTS: usize = 1000;

/// Rounds, in each of which every contender runs once.
const ROUNDS: usize = 5;

/// Measures times and memory.
pub(crate) fn measure() {
    times();
    println!();
    memory();
}

/// Measures a suite of GET requests, each with a check of the status and of a JSONPath.
fn times() {
    let sample = Sample::start(0);
    let machine = Machine::new();
    let folder = machine.folder().to_owned();
    let base = sample.health().replace("/health", "");
    write(&folder.join("smoke.toml"), &suite(TESTS));
    let entry = format!("GET {base}/health\nHTTP 200\n[Asserts]\njsonpath \"$.status\" == \"ok\"\n\n");
    // hurl runs files concurrently, not entries. One file per test is what dm-smoke does: each test has its own connection,
    // and fails alone. As many files as may run at the same time is the best case of hurl: each file keeps its connection,
    // as dm-smoke --reuse does.
    for test in 0..TESTS {
        write(&folder.join(format!("test{test}.hurl")), &entry);
    }
    for file in 0..4 {
        write(&folder.join(format!("part{file}.hurl")), &entry.repeat(TESTS / 4));
    }
    write(
        &folder.join("loop.sh"),
        &format!(
            "set -eu\nfor _ in $(seq {TESTS}); do\n  curl -sf {base}/health | grep -q '\"status\":\"ok\"'\ndone\n"
        ),
    );
    println!("{TESTS} GET tests with a status and a JSONPath, best of {ROUNDS} rounds");
    let contenders = [
        ("dm-smoke --jobs 4", format!("dm-smoke smoke.toml --base-url {base} --jobs 4 > /dev/null")),
        (
            "dm-smoke --jobs 4 --reuse",
            format!("dm-smoke smoke.toml --base-url {base} --jobs 4 --reuse > /dev/null"),
        ),
        ("hurl, one file per test", "hurl --test --parallel --jobs 4 test*.hurl 2> /dev/null".to_owned()),
        ("hurl, four files", "hurl --test --parallel --jobs 4 part*.hurl 2> /dev/null".to_owned()),
        ("bash and curl, one by one", "bash loop.sh".to_owned()),
    ];
    let mut best = [Duration::MAX; 5];
    for _ in 0..ROUNDS {
        for ((name, script), best) in contenders.iter().zip(&mut best) {
            if name.starts_with("hurl") && !is_installed("hurl") {
                continue;
            }
            let mut command = machine.shell(script);
            let started = Instant::now();
            let status = command.current_dir(&folder).stdout(Stdio::null()).status().unwrap();
            assert!(status.success(), "{name}: {status}");
            *best = started.elapsed().min(*best);
        }
    }
    for ((name, _), time) in contenders.iter().zip(best) {
        if time == Duration::MAX {
            println!("  {name:<28} is not installed");
            continue;
        }
        let ratio = time.as_secs_f64() / best[0].as_secs_f64();
        println!("  {name:<28} {:>7.0} ms   {ratio:>5.2} x dm-smoke", time.as_secs_f64() * 1e3);
    }
}

/// The peak memory by the size of the suite, and the memory per test.
fn memory() {
    println!("dm-smoke, peak resident memory by the size of the suite");
    let sample = Sample::start(0);
    let machine = Machine::new();
    let base = sample.health().replace("/health", "");
    let mut smallest = None;
    for tests in [1, 1000, 10_000] {
        write(&machine.folder().join("smoke.toml"), &suite(tests));
        let script = format!("exec dm-smoke smoke.toml --base-url {base}");
        let mut command = machine.tool("dm-stage");
        command
            .args(["probe", "--", "bash", "-c", &script])
            .current_dir(machine.folder())
            .stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        let event = machine.journal().into_iter().rfind(|event| event["stage"] == "probe").unwrap();
        let kib = event["max_rss_bytes"].as_f64().unwrap() / 1024.0;
        let smallest = *smallest.get_or_insert(kib);
        println!(
            "  {tests:>6} tests {:>6.1} MiB   {:>5.2} KiB per test",
            kib / 1024.0,
            (kib - smallest) / f64::from(tests)
        );
    }
}

fn suite(tests: impl TryInto<usize>) -> String {
    let mut suite = String::new();
    for n in 0..tests.try_into().unwrap_or_default() {
        // Writing to a String cannot fail.
        let _ = write!(
            suite,
            "[[test]]\nname = \"test {n}\"\nhttp = {{ url = \"/health\" }}\nexpect = {{ status = 200, json = '$.status == \"ok\"' }}\n"
        );
    }
    suite
}

fn write(path: &Path, text: &str) {
    common::fs::atomic::write(path, text.as_bytes()).unwrap();
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
