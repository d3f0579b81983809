//! After a good and a bad deployment, Prometheus and the textfile have the right values.

use std::process::{Command, Stdio};

use testkit::bin::Machine;
use testkit::prometheus::Prometheus;
use testkit::pushgateway::Pushgateway;
use testkit::sample::Sample;

const SUITE: &str = "[[test]]\nname = \"health\"\nhttp = { url = \"/health\" }\n\
    [[test]]\nname = \"orders\"\nhttp = { url = \"/api/orders\" }\n\
    [[test]]\nname = \"orders again\"\nhttp = { url = \"/api/orders\" }\n";

/// All stages of a deployment, as in a deploy script. `HOLD` is a named pipe: the deployment waits until a line is
/// written to it. The watch is recorded, so that a rollback does not end it early.
/// On a busy machine, the watch takes longer until it proves something.
const DEPLOY: &str = "set -u
    dm-stage build -- true
    [ -z \"${HOLD:-}\" ] || read -r _ < \"$HOLD\"
    dm-stage deploy -- true
    dm-health --url \"$BASE/health\" --interval 10ms --min-success 4 --format jsonl > health
    dm-migrate -- true
    dm-smoke smoke.toml --base-url \"$BASE\" --format jsonl > smoke || true
    dm-health --url \"$BASE/api/orders\" --interval 5ms --watch 3s..1m --max-fail 50 --format jsonl |
        dm-rollback --if-error-rate 5 --verify-url \"$BASE/health\" -- $ROLLBACK > verdict";

fn deploy(machine: &Machine, sample: &Sample) -> Command {
    common::fs::atomic::write(&machine.folder().join("smoke.toml"), SUITE.as_bytes()).unwrap();
    let mut command = machine.tool("dm-stage");
    command.args(["deployment", "--", "bash", "-c", DEPLOY]);
    command.env("BASE", sample.health().replace("/health", "")).env("ROLLBACK", sample.roll_back(machine));
    command.env("DM_BUCKET", "100ms");
    command
}

fn code(mut command: Command) -> Option<i32> {
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches("not pushed").count(), 0, "{output:?}");
    output.status.code()
}

/// The numbers of failed and of all probes in the verdict of the last deployment.
fn verdict(machine: &Machine) -> (f64, f64) {
    let text = std::fs::read_to_string(machine.folder().join("verdict")).unwrap();
    let verdict: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    (verdict["errors"].as_f64().unwrap(), verdict["total"].as_f64().unwrap())
}

#[test]
fn prometheus_has_every_metric_of_a_good_and_a_bad_deployment() {
    let gateway = Pushgateway::start();
    let prometheus = Prometheus::scraping(&gateway);
    let machine = Machine::new().with("PUSHGATEWAY_URL", &gateway.url()).with("DM_VERSION", "2.0");

    // A good one, which waits until Prometheus has scraped it as in progress.
    let hold = machine.folder().join("hold");
    assert!(Command::new("mkfifo").arg(&hold).status().unwrap().success());
    let good = Sample::start(0);
    let mut running = deploy(&machine, &good).env("HOLD", &hold).stderr(Stdio::inherit()).spawn().unwrap();
    prometheus
        .expect("deployment_in_progress{job=\"dm_run\",environment=\"production\",service=\"shop\"}", 1.0);
    assert!(
        Command::new("sh").arg("-c").arg(format!("echo go > {}", hold.display())).status().unwrap().success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let (_, probes_good) = verdict(&machine);

    // A bad one: 60 % of its orders fail, one of the first two among them, and it is rolled back.
    assert_eq!(code(deploy(&machine, &Sample::start(60))), Some(10));
    let (errors, probes_bad) = verdict(&machine);

    let shop = "environment=\"production\",service=\"shop\"";
    let expect = |name: &str, labels: &str, value: f64| {
        prometheus.expect(&format!("{name}{{{shop},{labels}}}"), value);
    };
    expect("deployment_total", "job=\"dm_counters\",slot=\"0\",stage=\"deployment\",status=\"success\"", 1.0);
    expect("deployment_total", "stage=\"deployment\",status=\"failure\"", 1.0);
    // What has not happened has no series, except failures.
    let expect_number = |name: &str, labels: &str, number: f64| {
        prometheus.expect(&format!("count({name}{{{shop},{labels}}}) or vector(0)"), number);
    };
    expect_number("deployment_total", "stage=\"deployment\"", 2.0);
    expect_number("deployment_errors_total", "stage=\"build\"", 0.0);
    expect_number("deployment_rollback_total", "stage=\"rollback\"", 1.0);
    for stage in ["build", "deploy", "migration"] {
        expect("deployment_total", &format!("stage=\"{stage}\",status=\"success\""), 2.0);
    }
    // Two checks per deployment: until it is healthy, and the watch.
    expect("deployment_total", "stage=\"health_check\",status=\"success\"", 4.0);
    expect("deployment_total", "stage=\"rollback\",status=\"success\"", 1.0);
    expect("deployment_errors_total", "stage=\"deployment\",error_type=\"exit_code\"", 1.0);
    expect("deployment_rollback_total", "stage=\"rollback\",reason=\"error_rate\",result=\"verified\"", 1.0);
    expect("smoke_test_total", "stage=\"smoke_test\",result=\"pass\"", 5.0);
    expect("smoke_test_total", "stage=\"smoke_test\",result=\"fail\"", 1.0);
    expect(
        "post_deployment_error_rate",
        "job=\"dm\",stage=\"rollback\",source=\"probe\"",
        100.0 * errors / probes_bad,
    );
    expect("post_deployment_requests_total", "source=\"probe\"", probes_good + probes_bad);
    expect("time_to_deploy_seconds_count", "stage=\"deployment\"", 2.0);
    expect("time_to_deploy_seconds_bucket", "stage=\"deployment\",le=\"720\"", 2.0);
    expect("database_migration_total", "stage=\"migration\",status=\"success\"", 2.0);

    // The measurements are those of the last run in the journal.
    let last = |stage: &str| machine.journal().into_iter().rfind(|event| event["stage"] == stage).unwrap();
    let duration = |stage: &str| last(stage)["duration_s"].as_f64().unwrap();
    expect("deployment_stage_duration_seconds", "stage=\"build\",status=\"success\"", duration("build"));
    expect(
        "deployment_stage_duration_seconds",
        "stage=\"deployment\",status=\"failure\"",
        duration("deployment"),
    );
    expect("database_migration_lag_seconds", "status=\"success\"", duration("migration"));
    let latency = &last("health_check")["latency_ms"];
    for (quantile, field) in [("0.5", "p50"), ("0.95", "p95"), ("1", "max")] {
        let labels = format!("job=\"dm\",stage=\"health_check\",quantile=\"{quantile}\"");
        expect("api_health_check_latency_ms", &labels, latency[field].as_f64().unwrap());
    }
    expect("deployment_info", "job=\"dm\",stage=\"deployment\",version=\"2.0\"", 1.0);
    let finished = gateway.series("deployment_in_progress", &[]);
    assert_eq!(finished, Vec::<String>::new(), "finished runs leave no group behind");
}

#[test]
fn promtool_accepts_the_textfile() {
    let machine = Machine::new();
    let file = machine.folder().join("dm.prom");
    let machine = machine.with("DM_TEXTFILE", file.to_str().unwrap());
    let sample = Sample::start(0);
    assert_eq!(code(deploy(&machine, &sample)), Some(0));
    let check = Command::new(testkit::bin::server("promtool"))
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .expect("promtool: ./scripts/test.sh installs it");
    let problems = String::from_utf8(check.stderr).unwrap();
    // The linter dislikes the units in two names, which are fixed; it may complain about no other.
    let others: Vec<&str> = problems
        .lines()
        .filter(|line| {
            !["api_health_check_latency_ms", "post_deployment_error_rate"]
                .iter()
                .any(|name| line.starts_with(name))
        })
        .collect();
    assert_eq!(others, Vec::<&str>::new());
    assert!(matches!(check.status.code(), Some(0 | 3)), "{:?}", check.status);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(
        "deployment_in_progress{environment=\"production\",service=\"shop\",stage=\"deployment\"} 0"
    ));
}
