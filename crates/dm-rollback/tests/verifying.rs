//! What verifies a rollback: the service that failed is measured again, in live pipelines with `dm-health`.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use assert_cmd::Command;
use common::clock::{Clock as _, SystemClock};
use common::fs::atomic::write;
use testkit::bin::Machine;
use testkit::fault::{Recording, answer};

/// A watch that is longer than any of these tests.
const WATCH: &str = "--watch 1m..2m";

/// A machine with a service whose requests fail as long as a file is there. Its versions are in another file, one a line:
/// they answer in turn.
struct Shop {
    machine: Machine,
    service: Recording,
}

/// How the service fails while the file `fault` is there.
#[derive(Clone, Copy)]
enum Fault {
    /// This share of the requests, in percent.
    Errors(u64),
    /// All requests after this number of good ones.
    Outage {
        /// The good requests.
        after: u64,
    },
    /// All requests after this number of good ones, by what the answers say: their status is good.
    WrongBody {
        /// The good requests.
        after: u64,
    },
    /// An outage; but a controller puts the file back after this number of requests without it.
    Reverted {
        /// The good requests.
        after: u64,
    },
}

impl Shop {
    fn with(fault: Fault) -> Self {
        let machine = Machine::new().with("DM_VERSION", "2.0").with("DM_BUCKET", "100ms");
        std::fs::create_dir(machine.folder().join("live")).unwrap();
        let live = machine.folder().join("live");
        write(&live.join("fault"), b"").unwrap();
        write(&live.join("version"), b"2.0").unwrap();
        let counts = Arc::new([const { AtomicU64::new(0) }; 4]);
        let service = Recording::answering(move |head| respond(head, fault, &live, &counts));
        Self { machine, service }
    }

    /// The output of `dm-health HEALTH | dm-rollback ROLLBACK`, and the exit codes of both.
    fn deploys(&self, health: &str, rollback: &str) -> (Output, [i32; 2]) {
        let url = &self.service.url;
        let script = format!(
            "dm-health --url {url}/orders --interval 20ms {health} | dm-rollback {rollback}; \
             echo ${{PIPESTATUS[@]}} > codes"
        );
        let output = Command::from_std(self.machine.shell(&script)).output().unwrap();
        let codes = std::fs::read_to_string(self.machine.folder().join("codes")).unwrap();
        let codes: Vec<i32> = codes.split_whitespace().map(|code| code.parse().unwrap()).collect();
        (output, codes.try_into().unwrap())
    }
}

/// The answer to a request. The health page works always.
fn respond(head: &str, fault: Fault, live: &Path, counts: &[AtomicU64; 4]) -> String {
    let versions = std::fs::read_to_string(live.join("version")).unwrap_or_default();
    let versions: Vec<&str> = versions.lines().collect();
    // Each page has turns of its own: two observers that alternate would each meet one version only.
    let is_health = head.starts_with("GET /health");
    let turn = usize::try_from(counts[2 + usize::from(is_health)].fetch_add(1, Ordering::Relaxed)).unwrap();
    let body = format!("{{\"version\":\"{}\"}}", versions[turn % versions.len()]);
    if is_health {
        return answer("200 OK", &body);
    }
    let is_faulty = live.join("fault").exists();
    let number = counts[usize::from(is_faulty)].fetch_add(1, Ordering::Relaxed);
    let fails = match fault {
        Fault::Errors(percent) => is_faulty && number % 10 >= 10 - percent / 10,
        Fault::WrongBody { after } if is_faulty && number >= after => return answer("200 OK", "closed"),
        Fault::WrongBody { .. } => false,
        Fault::Outage { after } => is_faulty && number >= after,
        Fault::Reverted { after } => {
            if number >= after && !is_faulty {
                write(&live.join("fault"), b"").unwrap();
            }
            is_faulty && number >= 5
        }
    };
    answer(if fails { "500 Internal Server Error" } else { "200 OK" }, &body)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The result of the last rollback, according to the journal.
fn result(shop: &Shop) -> String {
    let journal = shop.machine.journal();
    let event = journal.iter().rev().find(|event| event["tool"] == "dm-rollback").unwrap();
    event["result"].as_str().unwrap().to_owned()
}

const OUTAGE: Fault = Fault::Outage { after: 5 };

const RATE: &str = "--if-error-rate 5";

#[test]
fn a_command_that_does_nothing_is_not_verified() {
    let shop = Shop::with(Fault::Errors(30));
    let (output, [_, code]) = shop.deploys(WATCH, &format!("{RATE} --verify-deadline 2s -- true"));
    let said = stderr(&output);
    assert_eq!(code, 12, "{said}");
    assert!(said.contains("NOT verified: the fault is not proven to be gone after 2.0s: "), "{said}");
    assert!(said.contains("requests failed (probe"), "{said}");
    assert_eq!(result(&shop), "unverified");
}

#[test]
fn the_stream_goes_on_during_the_rollback_and_verifies_it() {
    for fault in [Fault::Errors(30), OUTAGE] {
        let shop = Shop::with(fault);
        let (output, codes) = shop.deploys(WATCH, &format!("{RATE} -- rm live/fault"));
        let said = stderr(&output);
        // dm-health was watching until its reader ended.
        assert_eq!(codes, [0, 10], "{said}");
        assert!(said.contains("rolled back and verified"), "{said}");
        assert!(!said.contains("the stream has ended"), "{said}");
        assert_eq!(result(&shop), "verified");
    }
}

/// A rollback whose command waits until dm-health has given up.
fn after_the_stream(fault: Fault, health: &str, flags: &str, command: &str) -> Output {
    let shop = Shop::with(fault);
    let url = &shop.service.url;
    let pipe = format!(
        "mkfifo ended; (dm-health --url {url}/orders --interval 20ms --watch 2m --max-fail 60 {health}; echo > ended) | \
         dm-rollback {RATE} {flags} -- sh -c 'read -r end < ended; {command}'"
    );
    Command::from_std(shop.machine.shell(&pipe)).output().unwrap()
}

#[test]
fn if_the_stream_has_ended_its_target_is_probed_again() {
    let output = after_the_stream(OUTAGE, "", "", "rm live/fault");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(10), "{said}");
    assert!(said.contains("the stream has ended: its target is probed again"), "{said}");
    assert!(said.contains("rolled back and verified"), "{said}");
}

#[test]
fn a_target_that_still_fails_when_it_is_probed_again_verifies_nothing() {
    let output = after_the_stream(OUTAGE, "", "--verify-deadline 3s", "true");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(12), "{said}");
    assert!(said.contains("the stream has ended: its target is probed again"), "{said}");
    assert!(said.contains("NOT verified: the fault is not proven to be gone after 3.0s: "), "{said}");
}

#[test]
fn what_only_dm_health_expects_is_not_verified_by_other_probes() {
    // Whether the failures are due to what is expected, or not: other probes would not expect it.
    for (fault, command) in [(Fault::WrongBody { after: 5 }, "true"), (OUTAGE, "rm live/fault")] {
        let output = after_the_stream(fault, "--expect-body version", "", command);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(12), "{said}");
        assert!(said.contains("NOT verified: the stream ended before the rollback was proven"), "{said}");
    }
}

#[test]
fn the_source_that_failed_has_to_be_observed_again() {
    let shop = Shop::with(Fault::Errors(0));
    // Users' requests fail, and are not counted any more after the verdict. The probes were good all the time.
    let counts = r#"while IFS= read -r line; do
            printf '%s\n' "$line"
            case $line in *'"probe"'*) [ $((n += 1)) -gt 40 ] || printf '%s\n' "$line" |
                sed 's/"type":"probe".*"ts":\("[^"]*"\).*/"type":"count","ts":\1,"src":"nginx","total":10,"errors":5}/' ;;
            esac
        done"#;
    let url = &shop.service.url;
    let pipe = format!(
        "dm-health --url {url}/orders --interval 20ms {WATCH} --format jsonl | {{ n=0; {counts}; }} | \
         dm-rollback {RATE} --verify-deadline 4s -- true"
    );
    let output = Command::from_std(shop.machine.shell(&pipe)).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(12), "{said}");
    assert!(said.contains("requests failed (nginx"), "{said}");
    assert!(said.contains("NOT verified: the source nginx"), "{said}");
}

#[test]
fn smoke_tests_are_not_measured_again_but_the_version_may_be() {
    for (flags, why) in [
        ("", "NOT verified: smoke tests cannot be measured again; give --verify-url and --version-at"),
        ("--verify-url URL/health", "NOT verified: smoke tests cannot be measured again"),
        (
            "--verify-url URL/health --version-at 'json:$.version'",
            "NOT verified: a version other than 2.0 has not",
        ),
        ("--verify-url URL/health --version-at header:x-version", "do not name their version"),
    ] {
        let (code, said) = after_failed_smoke_tests("dm-rollback", &format!("{flags} -- true"));
        assert_eq!(code, 12, "{said}");
        assert!(said.contains(why), "{said}");
    }
}

/// What a rollback ends with whose smoke tests failed: its exit code, and stderr. `URL` in the flags is the service's.
fn after_failed_smoke_tests(tool: &str, flags: &str) -> (i32, String) {
    let shop = Shop::with(Fault::Errors(30));
    let now = SystemClock.now().to_rfc3339();
    let start = format!(r#"{{"v":1,"type":"start","tool":"dm-smoke","deployment":"","ts":"{now}"}}"#);
    let test = r#"{"v":1,"type":"test","name":"checkout","result":"fail"}"#;
    let end = r#"{"v":1,"type":"end","exit":1,"records":1}"#;
    let flags = flags.replace("URL", &shop.service.url);
    let pipe = format!(
        "printf '%s\n' '{start}' '{test}' '{end}' | {tool} --if-smoke-fails --verify-deadline 2s {flags}"
    );
    let output = Command::from_std(shop.machine.shell(&pipe)).output().unwrap();
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn if_no_version_is_known_no_answer_verifies_a_rollback() {
    let flags = "--verify-url URL/health --version-at 'json:$.version' -- true";
    let (code, said) = after_failed_smoke_tests("env -u DM_VERSION dm-rollback", flags);
    assert_eq!(code, 12, "{said}");
    assert!(
        said.contains("NOT verified: neither the version that failed nor the one to restore is known"),
        "{said}"
    );
}

/// Half of the fleet is still the version that was rolled back.
const HALF: &str = "sh -c 'rm live/fault; (echo 1.0; echo 2.0) > live/next; mv live/next live/version'";

const STILL_ANSWERS: &str = "version 2.0, which was rolled back, still answers";

#[test]
fn a_fleet_that_is_half_rolled_back_is_not_verified() {
    let version_at = "--version-at 'json:$.version'";
    let page = format!("--verify-url URL/health {version_at}");
    let (code, said) = after_failed_smoke_tests("dm-rollback", &format!("{page} --target 1.0 -- {HALF}"));
    assert!(code == 12 && said.contains(STILL_ANSWERS), "{code}: {said}");
    // The stream names the versions, or only the page does.
    for (health, flags) in [(version_at, ""), ("", &*page)] {
        let shop = Shop::with(Fault::Errors(50));
        let flags = flags.replace("URL", &shop.service.url);
        let rollback = format!("{RATE} --target 1.0 --verify-deadline 3s {flags} -- {HALF}");
        let (output, [_, code]) = shop.deploys(&format!("{WATCH} {health}"), &rollback);
        let said = stderr(&output);
        assert!(code == 12 && said.contains(STILL_ANSWERS), "{code}: {said}");
    }
}

/// A rollback because of an access log that goes on: half of its requests fail while the file is there.
fn by_access_log(flags: &[&str], command: &str) -> Output {
    let shop = Shop::with(Fault::Errors(0));
    let mut tool = shop.machine.tool("dm-rollback");
    tool.args(["--access-log", "-", "--watch", "1m..2m", "--if-error-rate", "5"]).args(flags);
    tool.args(["--", "sh", "-c", command]);
    tool.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    let mut log = child.stdin.take().unwrap();
    let fault = shop.machine.folder().join("live/fault");
    // The web server writes its log until nobody reads it. Nobody ever ticks: this only waits.
    let writer = std::thread::spawn(move || {
        let (_tick, ticks) = mpsc::channel::<()>();
        for number in 0_u64.. {
            let time = SystemClock.now().format("%d/%b/%Y:%H:%M:%S +0000");
            let status = if number % 2 == 1 && fault.exists() { 500 } else { 200 };
            let line = format!("203.0.113.9 - - [{time}] \"GET / HTTP/1.1\" {status} 12 \"-\" \"curl/8\"\n");
            if log.write_all(line.as_bytes()).is_err() {
                break;
            }
            let _ = ticks.recv_timeout(Duration::from_millis(20));
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn an_access_log_is_watched_again() {
    let output = by_access_log(&[], "rm live/fault");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(10), "{said}");
    assert!(said.contains("rolled back and verified"), "{said}");
}

#[test]
fn an_access_log_that_still_has_errors_verifies_nothing() {
    let output = by_access_log(&["--verify-deadline", "3s"], "true");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(12), "{said}");
    assert!(said.contains("NOT verified: the fault is not proven to be gone after 3.0s: "), "{said}");
}

#[test]
fn a_controller_that_reverts_the_rollback_prevents_its_verification() {
    let shop = Shop::with(Fault::Reverted { after: 5 });
    let (output, [_, code]) = shop.deploys(WATCH, &format!("{RATE} --verify-deadline 2s -- rm live/fault"));
    let said = stderr(&output);
    assert_eq!(code, 12, "{said}");
    assert!(said.contains("NOT verified: the fault is not proven to be gone"), "{said}");
    assert!(shop.machine.folder().join("live/fault").exists(), "it was reverted");
}

#[test]
fn a_page_that_was_healthy_all_along_verifies_nothing() {
    let shop = Shop::with(Fault::Errors(30));
    let page = format!("--verify-url {}/health --verify-deadline 2s", shop.service.url);
    let (output, [_, code]) = shop.deploys(WATCH, &format!("{RATE} {page} -- true"));
    let said = stderr(&output);
    assert_eq!(code, 12, "{said}");
    assert!(said.contains("NOT verified: the fault is not proven to be gone"), "{said}");
    assert!(!shop.service.heads().iter().any(|head| head.starts_with("GET /health")), "nobody asked it");
}

#[test]
fn the_restored_version_has_to_answer() {
    for (restored, expected, why) in [
        ("1.0", 10, "rolled back and verified"),
        ("2.0", 12, "NOT verified: version 1.0 has not answered: 2.0 answered "),
        ("1.5", 12, "NOT verified: version 1.0 has not answered: 1.5 answered "),
    ] {
        let shop = Shop::with(Fault::Errors(50));
        let deadline = if expected == 12 { "--verify-deadline 2s" } else { "" };
        // The fault is gone in each case.
        let command = format!("sh -c 'rm live/fault; echo {restored} > live/version'");
        let health = format!("{WATCH} --version-at 'json:$.version'");
        let rollback = format!("{RATE} --target 1.0 {deadline} -- {command}");
        let (output, [_, code]) = shop.deploys(&health, &rollback);
        let said = stderr(&output);
        assert_eq!(code, expected, "{restored}: {said}");
        assert!(said.contains(why), "{restored}: {said}");
    }
}

#[test]
fn without_a_target_another_version_has_to_answer() {
    for (restored, expected) in [("1.0", 10), ("2.0", 12)] {
        let shop = Shop::with(Fault::Errors(50));
        let deadline = if expected == 12 { "--verify-deadline 2s" } else { "" };
        let command = format!("sh -c 'rm live/fault; echo {restored} > live/version'");
        let health = format!("{WATCH} --version-at 'json:$.version'");
        let (output, [_, code]) = shop.deploys(&health, &format!("{RATE} {deadline} -- {command}"));
        let said = stderr(&output);
        assert_eq!(code, expected, "{restored}: {said}");
        assert_eq!(said.contains("a version other than 2.0 has not answered"), expected == 12, "{said}");
    }
}
