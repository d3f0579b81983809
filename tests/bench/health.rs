//! The cost of dm-health, and the accuracy of its latencies.

use std::process::{Command, Stdio};

use testkit::bin::Machine;
use testkit::https::{Authority, Flaw};
use testkit::sample::Sample;

use crate::{Contender, with};

/// Rounds, in each of which both programs send one request.
const ROUNDS: usize = 200;

/// Rounds of five TLS probes.
const TLS_ROUNDS: usize = 20;

/// Targets that are polled concurrently, each once per second.
const TARGETS: usize = 1000;

/// Compares dm-health with curl, and polls many targets.
pub(crate) fn measure() {
    let sample = Sample::start(0);
    let url = sample.health();
    first_verdict(&url);
    println!();
    latencies(&url);
    println!();
    first_tls();
    println!();
    many(&url);
}

fn curl(url: &str) -> Command {
    with(Command::new("curl"), &["-sf", "-o", "/dev/null", "-w", "%{time_total}", url])
}

fn health(machine: &Machine, url: &str) -> Command {
    with(machine.tool("dm-health"), &["--url", url, "--format", "jsonl"])
}

fn first_verdict(url: &str) {
    let machine = Machine::new();
    let quiet = |mut command: Command| {
        command.stdout(Stdio::null());
        command
    };
    let (curl_url, health_url) = (url.to_owned(), url.to_owned());
    let mut contenders = [
        Contender::new("curl", move || quiet(curl(&curl_url))),
        Contender::new("dm-health", move || quiet(health(&machine, &health_url))),
    ];
    for _ in 0..ROUNDS {
        contenders.iter_mut().for_each(Contender::run);
    }
    let curl = contenders[0].median();
    println!("from the start to the first verdict on a healthy service, median of {ROUNDS} rounds");
    for contender in &contenders {
        let median = contender.median().as_secs_f64();
        println!(
            "  {:<12} {:>7.2} ms   {:>5.2} x curl",
            contender.name,
            median * 1e3,
            median / curl.as_secs_f64()
        );
    }
}

/// The latency of one probe, and curl's `time_total` of one request, each in its own process.
fn latencies(url: &str) {
    let machine = Machine::new();
    let output = |mut command: Command| {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (mut curl_times, mut our_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        curl_times.push(output(curl(url)).parse::<f64>().unwrap() * 1e3);
        let stream = output(health(&machine, url));
        let probe: serde_json::Value = serde_json::from_str(stream.lines().nth(1).unwrap()).unwrap();
        our_times.push(probe["latency_ms"].as_f64().unwrap());
    }
    let (curl, ours) = (median(curl_times), median(our_times));
    println!("latency of the same endpoint, median of {ROUNDS} rounds");
    println!(
        "  curl's time_total {curl:>6.3} ms, dm-health's latency_ms {ours:>6.3} ms: difference {:.3} ms",
        ours - curl
    );
}

/// The latency of the first TLS probe of a process, and of those after it: the start of the tool must not count.
fn first_tls() {
    let machine = Machine::new();
    let authority = Authority::new();
    let url = authority.server(Flaw::None);
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for _ in 0..TLS_ROUNDS {
        let mut command = health(&machine, &url);
        command.args(["--min-success", "5", "--interval", "50ms"]).env("SSL_CERT_FILE", authority.file());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let stream = String::from_utf8(output.stdout).unwrap();
        let mut latencies = stream.lines().filter_map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["latency_ms"].as_f64()
        });
        first.extend(latencies.next());
        later.extend(latencies);
    }
    let (first, later) = (median(first), median(later));
    println!("latency of the first TLS probe, median of {TLS_ROUNDS} rounds");
    println!("  first {first:>6.2} ms, later {later:>6.2} ms: {:.1} times", first / later);
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Many targets at the same time; the kernel measures their cost for the child of a stage.
fn many(url: &str) {
    let machine = Machine::new();
    let mut command = with(machine.tool("dm-stage"), &["many", "--", "dm-health", "--watch", "20s"]);
    for target in 0..TARGETS {
        command.args(["--url", &format!("t{target}={url}")]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stream = String::from_utf8(output.stdout).unwrap();
    let stage = machine.journal().into_iter().rfind(|event| event["stage"] == "many").unwrap();
    let [cpu, duration, bytes] =
        ["cpu_s", "duration_s", "max_rss_bytes"].map(|name| stage[name].as_f64().unwrap());
    let probes: Vec<f64> = stream
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|record| record["latency_ms"].as_f64())
        .collect();
    println!("{TARGETS} targets, each once per second, for {duration:.0} s");
    println!("  {} probes, median latency {:.2} ms", probes.len(), median(probes));
    println!("  {:.0} % of one core, {:.1} MiB", 100.0 * cpu / duration, bytes / 1024.0 / 1024.0);
}
