//! Measures the cost of the tools, as ratios within one run: the contenders take turns, so that a moment of load on the
//! machine affects all of them. Called by `scripts/bench.sh`.
#![expect(clippy::unwrap_used, reason = "a benchmark that fails has no result")]
#![expect(clippy::print_stdout, reason = "the output is the result")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

mod health;
mod rollback;
mod smoke;

use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reqwest::Client;
use testkit::bin::{Machine, path};
use testkit::fault;
use testkit::proxy::{self, Fate};
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;
use tokio::runtime::Builder;

/// Rounds, in each of which every contender runs once.
const ROUNDS: usize = 300;

/// Stages one after the other.
const STAGES: usize = 100;

/// A budget that is long compared with the rest of a run.
const BUDGET: Duration = Duration::from_millis(500);

struct Contender {
    name: &'static str,
    work: Box<dyn FnMut()>,
    /// Waits for what a run has left behind: it belongs to no other contender's time.
    settle: Box<dyn FnMut()>,
    times: Vec<Duration>,
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("wrapping") => {
            wrapping();
            throughput();
        }
        Some("health") => health::measure(),
        Some("smoke") => smoke::measure(),
        Some("rollback") => rollback::measure(),
        Some(section) => panic!("the sections are wrapping, health, smoke and rollback, not {section}"),
        None => {
            wrapping();
            println!();
            throughput();
            println!();
            outages();
            println!();
            memory();
            println!();
            health::measure();
            println!();
            smoke::measure();
            println!();
            rollback::measure();
        }
    }
}

fn wrapping() {
    let gateway = Pushgateway::start();
    // About 30 KB, and about 3 MB.
    gateway.fill_with_foreign_groups(20);
    let busy = Pushgateway::start();
    busy.fill_with_foreign_groups(2000);
    let slow = proxy::start(gateway.address(), |_| Fate::IsLate(Duration::from_secs(1)));
    let pushing = |url: &str| Machine::new().with("PUSHGATEWAY_URL", url).with("DM_EXPORT", "detached");
    let by_hand = by_hand(&gateway.url());
    let mut contenders = vec![
        Contender::new("bare fork, exec, wait", || with(Command::new(path("bare-wrapper")), &["true"])),
        Contender::stage("dm-stage, pushing disabled", Machine::new()),
        Contender::stage("the same, a full journal", with_full_journal()),
        Contender::stage("dm-stage, live gateway", pushing(&gateway.url())),
        Contender::stage("the same, 2,000 groups", pushing(&busy.url())),
        Contender::stage(
            "the same, in the foreground",
            Machine::new().with("PUSHGATEWAY_URL", &gateway.url()),
        ),
        Contender::new("bash and curl, live gateway", move || with(Command::new("bash"), &["-c", &by_hand])),
        Contender::with_work("the gateway's three answers", three_requests(gateway.url())),
    ];
    // Programs that are not installed are left out.
    if Path::new("/usr/bin/time").exists() {
        contenders.push(Contender::new("GNU time", || {
            with(Command::new("/usr/bin/time"), &["-o", "/dev/null", "true"])
        }));
    }
    if Command::new("sentry-cli").arg("--version").stdout(Stdio::null()).status().is_ok() {
        contenders.push(Contender::new("sentry-cli, a loopback sink", sentry_cli(&fault::internal_error())));
    }
    for _ in 0..ROUNDS {
        for contender in &mut contenders {
            contender.run();
        }
    }
    let bare = contenders[0].median();
    println!("a wrapped `true`, median of {ROUNDS} rounds, the contenders taking turns");
    for contender in &contenders {
        let median = contender.median();
        let ratio = median.as_secs_f64() / bare.as_secs_f64();
        println!("  {:<28} {:>7.2} ms   {ratio:>5.2} x bare", contender.name, median.as_secs_f64() * 1e3);
    }
    let hundred = |machine: &Machine| {
        let started = Instant::now();
        for _ in 0..STAGES {
            assert!(with(machine.tool("dm-stage"), &["build", "--", "true"]).status().unwrap().success());
        }
        let elapsed = started.elapsed();
        machine.wait_for_exporter();
        elapsed.as_secs_f64()
    };
    let (without, before_slow) = (hundred(&Machine::new()), hundred(&pushing(&slow.url)));
    println!(
        "{STAGES} stages: {without:.2} s without a gateway, {before_slow:.2} s before one that answers after 1 s"
    );
}

impl Contender {
    fn new(name: &'static str, command: impl Fn() -> Command + 'static) -> Self {
        Self::with_work(name, move || {
            let status = command().status().unwrap();
            assert!(status.success(), "{name}: {status}");
        })
    }

    /// `dm-stage` around `true`.
    fn stage(name: &'static str, machine: Machine) -> Self {
        let machine = Rc::new(machine);
        let its = Rc::clone(&machine);
        let stage = move || with(its.tool("dm-stage"), &["build", "--", "true"]);
        Self { settle: Box::new(move || machine.wait_for_exporter()), ..Self::new(name, stage) }
    }

    fn with_work(name: &'static str, work: impl FnMut() + 'static) -> Self {
        Self { name, work: Box::new(work), settle: Box::new(|| ()), times: Vec::new() }
    }

    fn run(&mut self) {
        let started = Instant::now();
        (self.work)();
        self.times.push(started.elapsed());
        (self.settle)();
    }

    fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[times.len() / 2]
    }
}

fn with(mut command: Command, args: &[&str]) -> Command {
    command.args(args);
    command
}

/// A machine whose journal has almost the largest size of one file; the rounds add the rest.
fn with_full_journal() -> Machine {
    let machine = Machine::new();
    assert!(with(machine.tool("dm-stage"), &["build", "--", "true"]).status().unwrap().success());
    let path = machine.folder().join("state/journal.jsonl");
    let line = std::fs::read(&path).unwrap();
    common::fs::atomic::write(&path, &line.repeat(7 * 1024 * 1024 / line.len())).unwrap();
    machine
}

/// The same in Bash: run the command, measure its duration, read the counter, add one, push it, and push the state.
/// Without a lock, and without a way to know whether it was counted.
fn by_hand(gateway: &str) -> String {
    r#"set -eu
    started=$EPOCHREALTIME; true; ended=$EPOCHREALTIME
    count=$(curl -sf GATEWAY/metrics | awk '/^by_hand_total/ {print $2}')
    printf 'by_hand_total %s\n' $((${count:-0} + 1)) |
        curl -sf --data-binary @- -X PUT GATEWAY/metrics/job/by_hand
    printf 'by_hand_duration_seconds %s\n' "0.$((${ended/./} - ${started/./}))" |
        curl -sf --data-binary @- GATEWAY/metrics/job/by_hand_state"#
        .replace("GATEWAY", gateway)
}

/// The minimum for a tool that reads a counter, adds one and waits for the confirmation: the same three requests in
/// sequence, from a process that is already running and connected.
fn three_requests(gateway: String) -> impl FnMut() + 'static {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::builder().no_proxy().build().unwrap();
    move || {
        runtime.block_on(async {
            let state = client.post(format!("{gateway}/metrics/job/floor_state")).body("floor_seconds 1\n");
            let counters = client.put(format!("{gateway}/metrics/job/floor")).body("floor_total 1\n");
            for request in [client.get(format!("{gateway}/metrics")), state, counters] {
                request.send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
            }
        });
    }
}

/// `sentry-cli monitors run`, which sends to a server that keeps nothing.
fn sentry_cli(sink: &str) -> impl Fn() -> Command + 'static {
    let dsn = sink.replace("http://", "http://key@") + "/1";
    move || {
        let mut command = with(Command::new("sentry-cli"), &["monitors", "run", "build", "--", "true"]);
        command.env("SENTRY_DSN", &dsn).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The throughput of a command's output, with dm-stage and without.
fn throughput() {
    const MIB: u32 = 4096;
    let machine = Machine::new();
    let best = |wrapper: &str| {
        let script = format!("{wrapper} head -c {MIB}M /dev/zero | cat > /dev/null");
        let once = || {
            let started = Instant::now();
            assert!(machine.shell(&script).status().unwrap().success());
            started.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap().as_secs_f64()
    };
    let (bare, wrapped) = (best(""), best("dm-stage build --"));
    println!(
        "{MIB} MiB piped out of a command, best of 5: {:.2} of the speed without dm-stage",
        bare / wrapped
    );
}

/// The cost of a gateway that is down or slow: for one stage, and for a deployment of six.
fn outages() {
    println!("a gateway that is down or slow, relative to one export budget of {BUDGET:?}");
    let six = "for stage in build deploy health_check migration smoke_test rollback; do dm-stage $stage -- true; done";
    let one: &[&str] = &["build", "--", "true"];
    let deployment: &[&str] = &["deployment", "--", "bash", "-c", six];
    let busy = Pushgateway::start();
    busy.fill_with_foreign_groups(1000);
    let gateways = [
        ("refused", fault::refused()),
        ("answers 500", fault::internal_error()),
        ("never answers", fault::hanging()),
        ("1000 groups", busy.url()),
    ];
    for (name, url) in gateways {
        for (label, words) in [("one stage", one), ("six stages in a deployment", deployment)] {
            let budget = format!("{}ms", BUDGET.as_millis());
            let machine = Machine::new().with("PUSHGATEWAY_URL", &url).with("DM_EXPORT_BUDGET", &budget);
            let mut command = with(machine.tool("dm-stage"), words);
            let started = Instant::now();
            assert!(command.stderr(Stdio::null()).status().unwrap().success());
            let ratio = started.elapsed().as_secs_f64() / BUDGET.as_secs_f64();
            println!("  {name:<14} {label:<27} {ratio:>5.2} x budget");
        }
    }
}

/// The peak memory of each tool, which the kernel measures for the child of a stage.
fn memory() {
    println!("peak resident memory");
    let sample = Sample::start(0);
    let machine = Machine::new();
    let base = sample.health().replace("/health", "");
    let suite = machine.folder().join("smoke.toml");
    common::fs::atomic::write(&suite, b"[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n")
        .unwrap();
    let watch = format!("dm-health --url {base}/health --interval 10ms --watch 2s --format jsonl");
    let recorded = machine.folder().join("stream.jsonl");
    assert!(machine.shell(&format!("{watch} > {}", recorded.display())).status().unwrap().success());
    for (tool, script) in [
        ("dm-stage", "exec dm-stage inner -- true".to_owned()),
        ("dm-health", format!("exec {watch}")),
        ("dm-smoke", format!("exec dm-smoke smoke.toml --base-url {base}")),
        ("dm-migrate", "exec dm-migrate -- true".to_owned()),
        ("dm-rollback", format!("exec dm-rollback --if-error-rate 5 -- true < {}", recorded.display())),
    ] {
        let mut command = with(machine.tool("dm-stage"), &["probe", "--", "bash", "-c", &script]);
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{tool}");
        let event = machine.journal().into_iter().rfind(|event| event["stage"] == "probe").unwrap();
        let bytes = event["max_rss_bytes"].as_f64().unwrap();
        println!("  {tool:<12} {:>5.1} MiB", bytes / 1024.0 / 1024.0);
    }
}
