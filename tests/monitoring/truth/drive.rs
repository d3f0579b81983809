//! Real deployments with every kind of ending, four at once.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use testkit::bin::Machine;
use testkit::fault;
use testkit::sample::Sample;

/// Coprime to the number of services and environments, so that each of them has every ending.
const ENDINGS: [&str; 7] =
    ["success", "failed_build", "failed_migration", "failed_smoke", "rolled_back", "cancelled", "killed"];
const SERVICES: [&str; 3] = ["shop", "search", "mail"];
const ENVIRONMENTS: [&str; 2] = ["production", "staging"];

const DEPLOY: &str = "set -u
    dm-stage build -- bash -c 'sleep $BUILD; [ $ENDING != failed_build ]' || exit
    dm-stage deploy -- sleep 0.05
    dm-health --url $BASE/health --interval 10ms --min-success 3 || exit
    dm-migrate -- bash -c '[ $ENDING != failed_migration ]' || exit
    dm-smoke $ENDING.toml --base-url $BASE || exit
    case $ENDING in
        cancelled) kill -TERM $PPID; exec sleep 60 ;;
        killed) dm-health --url $REFUSED --interval 10ms --max-fail 5; kill -KILL $PPID; exit ;;
    esac
    dm-health --url $BASE/api/orders --interval 10ms --watch 100ms..1m --format jsonl |
        dm-rollback --if-error-rate 20 --cool-down 0s --target 0 --verify-url $BASE/health -- $ROLLBACK";

/// The machine that deploys, and the services that it deploys.
pub(crate) struct Fleet {
    pub(crate) machine: Machine,
    good: Sample,
    /// Seconds of a long stage.
    long: &'static str,
    next: AtomicUsize,
}

impl Fleet {
    /// A fleet that pushes to this Pushgateway; `long` is the duration of a long stage, in seconds.
    pub(crate) fn new(gateway: &str, long: &'static str) -> Self {
        let machine = Machine::new()
            .with("PUSHGATEWAY_URL", gateway)
            .with("DM_EXPORT_BUDGET", "30s")
            .with("DM_MAX_ROLLBACKS_PER_DAY", "1000")
            .with("DM_RUNNER_PRICE_PER_MINUTE", "0.6");
        let test =
            |name: &str, path: &str| format!("[[test]]\nname = \"{name}\"\nhttp = {{ url = \"{path}\" }}\n");
        for ending in ENDINGS {
            let last = if ending == "failed_smoke" { "/missing" } else { "/api/orders" };
            let suite = [test("health", "/health"), test("orders", last)].concat();
            let file = machine.folder().join(format!("{ending}.toml"));
            common::fs::atomic::write(&file, suite.as_bytes()).unwrap();
        }
        Self { machine, good: Sample::start(0), long, next: AtomicUsize::new(0) }
    }

    /// Runs this number of deployments, four at a time. With `newcomer`, some deploy a service for the first time.
    pub(crate) fn deploy(&self, times: usize, newcomer: bool) {
        let end = self.next.load(Ordering::Relaxed) + times;
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while let Ok(number) =
                        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                            (next < end).then_some(next + 1)
                        })
                    {
                        self.deploy_once(number, newcomer);
                    }
                });
            }
        });
    }

    fn deploy_once(&self, number: usize, newcomer: bool) {
        let (ending, service) = (ENDINGS[number % 7], SERVICES[number % 3]);
        let is_new = newcomer && number.is_multiple_of(3);
        let bad = (ending == "rolled_back").then(|| Sample::start(60));
        let target = bad.as_ref().unwrap_or(&self.good);
        let mut command = self.machine.tool("dm-stage");
        command.args(["deployment", "--", "bash", "-c", DEPLOY]).env("ENDING", ending);
        command.env("DM_SERVICE", if is_new { "newcomer" } else { service });
        command.env("DM_ENVIRONMENT", ENVIRONMENTS[number / 3 % 2]);
        command.env("DM_VERSION", number.to_string()).env("DM_BUCKET", "100ms");
        command.env("DM_COMMIT_TIME", "2026-01-01T00:00:00Z");
        command.env("BASE", target.health().replace("/health", "")).env("REFUSED", fault::refused());
        command.env("ROLLBACK", target.roll_back(&self.machine));
        command.env("BUILD", if number.is_multiple_of(5) { self.long } else { "0.05" });
        if service == "shop" {
            // In CI.
            let id = (1000 + number).to_string();
            command.env("GITHUB_ACTIONS", "true").env("GITHUB_RUN_ID", &id);
            command.env("GITHUB_RUN_ATTEMPT", "1").env("GITHUB_REPOSITORY", "acme/shop");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().unwrap();
        assert_eq!(status.success(), ending == "success", "deployment {number}: {ending}: {status}");
    }

    /// Pushes what has not been pushed.
    pub(crate) fn flush(&self) {
        testkit::server::eventually("everything is pushed", || {
            let output = self.machine.tool("dm-stage").arg("--flush").output().unwrap();
            if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
        });
    }
}
