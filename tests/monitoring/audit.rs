//! `dm-stage --audit`: no difference where there is none, and the cause of each that there is.

use std::process::Output;
use std::time::Duration;

use testkit::bin::Machine;
use testkit::fault;
use testkit::pushgateway::Pushgateway;
use testkit::server::eventually_within;
use testkit::tsdb::{Product, Settings, Tsdb};

use crate::truth::{Fleet, fast_rules};

/// Compares all services at once, although an event may take some time to be counted.
fn audit(machine: &Machine, prometheus: &str) -> Output {
    let mut tool = machine.tool("dm-stage");
    tool.env_remove("DM_SERVICE").env_remove("DM_ENVIRONMENT");
    tool.args(["--audit", "--settle", "0s", "--prometheus", prometheus]).output().unwrap()
}

/// Waits until the audit ends like this, and says this.
fn expect(machine: &Machine, database: &Tsdb, code: i32, says: &[&str]) {
    eventually_within(Duration::from_mins(2), "the audit", || {
        let output = audit(machine, &database.url());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_said = output.status.code() == Some(code) && says.iter().all(|part| text.contains(part));
        if is_said { Ok(()) } else { Err(format!("{}: {output:?}", database.product.name())) }
    });
}

#[test]
fn each_difference_between_prometheus_and_the_journal_has_a_cause() {
    let (gateway, folder) = (Pushgateway::start(), tempfile::tempdir().unwrap());
    let settings = Settings {
        gateway: gateway.address().to_owned(),
        scrape: Duration::from_secs(1),
        evaluation: Duration::from_secs(3),
        latency: Some(Duration::from_secs(2)),
        rules: fast_rules(folder.path()),
    };
    let start = |product| Tsdb::start(product, settings.clone());
    let databases = Product::ALL.map(start);
    for database in &databases {
        database.wait_for_marker();
    }
    let fleet = Fleet::new(&gateway.url(), "0.1");
    fleet.deploy(7, false);
    fleet.flush();
    for database in &databases {
        expect(&fleet.machine, database, 0, &["rules of 6 services compared with", ": no difference"]);
    }

    // An event that waits on this machine.
    let mut unsent = fleet.machine.tool("dm-migrate");
    unsent.env("PUSHGATEWAY_URL", fault::refused()).args(["--", "true"]);
    assert!(unsent.output().unwrap().status.success());
    let says = [
        "slo:events:increase30d{environment=\"production\",service=\"shop\",slo=\"migrations\"}: Prometheus has",
        "1 event waits on this machine for the Pushgateway: run dm-stage --flush",
    ];
    expect(&fleet.machine, &databases[1], 1, &says);
    fleet.flush();
    expect(&fleet.machine, &databases[1], 0, &["no difference"]);

    // A database that began too late, and one without rules.
    let late = start(Product::Prometheus3);
    late.wait_for_marker();
    expect(&fleet.machine, &late, 1, &["Prometheus has scraped the Pushgateway only since"]);
    let bare = Tsdb::start(Product::Prometheus2, Settings { rules: Vec::new(), ..settings });
    expect(&fleet.machine, &bare, 1, &["Prometheus has no such rule: load the files in config/prometheus"]);

    // A machine of which this one knows nothing.
    let other = Fleet::new(&gateway.url(), "0.1");
    other.deploy(1, false);
    other.flush();
    let says = ["the journal begins at"];
    expect(&fleet.machine, &databases[1], 3, &says);

    gateway.shut_down();
    let mut lost = fleet.machine.tool("dm-stage");
    lost.env("PUSHGATEWAY_URL", "disabled").args(["deployment", "--", "true"]);
    assert!(lost.output().unwrap().status.success());
    expect(&fleet.machine, &databases[0], 1, &["the Pushgateway does not answer Prometheus"]);
}

#[test]
fn an_audit_needs_a_prometheus_and_a_wrong_variable_stops_no_stage() {
    let machine =
        Machine::new().with("PROMETHEUS_URL", "not a url").with("PROMETHEUS_TOKEN", "file:/nowhere");
    assert!(machine.tool("dm-stage").args(["build", "--", "true"]).output().unwrap().status.success());
    let run = |machine: &Machine| {
        let output = machine.tool("dm-stage").arg("--audit").output().unwrap();
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run(&machine).contains("PROMETHEUS_URL is not a URL"));
    let machine = Machine::new();
    assert!(run(&machine).contains("--audit needs a Prometheus"));
    let output = audit(&machine, &fault::refused());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(125) && stderr.contains("cannot read Prometheus"), "{stderr}");
}
