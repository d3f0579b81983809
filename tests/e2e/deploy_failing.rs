//! Whatever fails in a deployment, and whichever safeguard is in force: every cause with every safeguard. One way to roll
//! back serves all causes.

use std::fmt::Write as _;
use std::process::Command;
use std::sync::Mutex;

use testkit::fault::{Recording, answer};
use testkit::site::Site;

/// Something that fails when version 2 is deployed.
struct Cause {
    name: &'static str,
    components: &'static [&'static str],
    /// What makes it fail, as lines of the configuration.
    config: &'static str,
    /// The page of version 2 that fails.
    fault: &'static str,
    is_watched: bool,
    /// What the last line says of it.
    sentence: &'static str,
}

const CAUSES: [Cause; 7] = [
    Cause {
        name: "deploy command",
        components: &["api"],
        config: "API_DEPLOY+='; exit 7'",
        fault: "",
        is_watched: false,
        sentence: "FAILED at deploy: exit code 7",
    },
    Cause {
        name: "health check",
        components: &["api"],
        config: "HEALTH_DEADLINE=400ms",
        fault: "health",
        is_watched: false,
        sentence: "FAILED at health check: ",
    },
    Cause {
        name: "migration",
        components: &["api"],
        config: "MIGRATE=after DATABASE_MIGRATE='echo no column z >&2; exit 3'",
        fault: "",
        is_watched: false,
        sentence: "FAILED at migration: ",
    },
    Cause {
        name: "sibling",
        components: &["api", "web"],
        // Nothing of it went live, so it needs no rollback.
        config: "WEB_DEPLOY='exit 6'",
        fault: "",
        is_watched: false,
        sentence: "FAILED at deploy (web): exit code 6",
    },
    Cause {
        name: "smoke tests",
        components: &["api"],
        config: "SMOKE_SUITE=smoke.toml",
        fault: "page",
        is_watched: false,
        sentence: "FAILED at smoke test: ",
    },
    Cause {
        name: "watch",
        components: &["api"],
        config: "",
        fault: "orders",
        is_watched: true,
        sentence: "FAILED at watch: ",
    },
    Cause {
        name: "inconclusive",
        components: &["api"],
        config: "ON_INCONCLUSIVE=rollback WATCH=60ms WATCH_INTERVAL=20ms",
        fault: "",
        is_watched: true,
        sentence: "FAILED: the watch proved nothing",
    },
];

/// Something that stops a rollback.
struct Safeguard {
    name: &'static str,
    config: &'static str,
    variable: Option<(&'static str, &'static str)>,
    prepare: fn(&Site),
    exit: i32,
    says: &'static str,
}

/// A rollback of version 2 in this deployment, which was verified.
fn rolled_back(site: &Site, deployment: &str) {
    let of = format!("\"deployment\":\"{deployment}\"");
    let intent = format!("{of},\"type\":\"intent\",\"failed\":\"2\",\"target\":\"1\",\"pid\":1");
    let outcome = format!("{of},\"type\":\"outcome\",\"result\":\"verified\"");
    site.append_ledger("api", &[&intent, &outcome]);
}

const SAFEGUARDS: [Safeguard; 7] = [
    Safeguard {
        name: "kill switch: variable",
        config: "",
        variable: Some(("DM_ROLLBACK_DISABLED", "1")),
        prepare: |_| {},
        exit: 11,
        says: "switched off by the variable DM_ROLLBACK_DISABLED",
    },
    Safeguard {
        name: "kill switch: file",
        config: "",
        variable: None,
        prepare: |site| site.write("state/rollback.disabled", ""),
        exit: 11,
        says: "switched off by the file",
    },
    Safeguard {
        name: "budget",
        config: "MAX_ROLLBACKS_PER_DAY=0",
        variable: None,
        prepare: |_| {},
        exit: 11,
        says: "0 rollbacks in 24 hours, and 0 are allowed",
    },
    Safeguard {
        name: "cool-down",
        config: "ALLOW_REFUSED=yes COOL_DOWN=5m",
        variable: None,
        prepare: |site| rolled_back(site, "d-1b"),
        exit: 11,
        says: "Cool-down after the rollback of d-1b",
    },
    Safeguard {
        name: "already rolled back",
        config: "ALLOW_REFUSED=yes",
        variable: None,
        prepare: |site| rolled_back(site, "d-2"),
        exit: 10,
        says: "deployment d-2 was rolled back before, verified at",
    },
    Safeguard {
        name: "newer deployment",
        config: "API_DEPLOY=\"env -u DM_PARENT_STAGE DM_DEPLOYMENT_ID=d-3 dm-stage deploy -- true; $API_DEPLOY\"",
        variable: None,
        prepare: |_| {},
        exit: 11,
        says: "deployment d-3 began at",
    },
    Safeguard {
        name: "no target",
        config: "REQUIRE_TARGET=yes",
        variable: None,
        prepare: |site| {
            std::fs::remove_file(site.machine().folder().join("state/rollback/production/api.jsonl"))
                .unwrap();
        },
        exit: 11,
        says: "no other version is known to be good",
    },
];

/// A site on which version 2 will fail, and the command that deploys it.
fn failing(cause: &Cause, config: &str) -> (Site, Command) {
    let site = Site::with_good_version();
    site.write("faults/2", cause.fault);
    let watch = if cause.is_watched { site.watch("api") } else { String::new() };
    let config = format!("{watch}\n{config}\n{}", cause.config);
    let mut command = site.deploy(cause.components, "2", &config);
    command.env("DM_DEPLOYMENT_ID", "d-2");
    (site, command)
}

/// Runs a command; returns its exit code and its stderr.
pub(crate) fn run(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What went differently than it should in one cell of the table; `None` if nothing did.
fn tried(cause: &Cause, safeguard: &Safeguard) -> Option<String> {
    let (site, mut command) = failing(cause, safeguard.config);
    (safeguard.prepare)(&site);
    command.envs(safeguard.variable);
    let (code, said) = run(command);
    let rollbacks = site.read("rollbacks");
    let is_right = code == safeguard.exit
        && said.contains(safeguard.says)
        && rollbacks.is_empty()
        && site.read("live/api") == "2";
    (!is_right).then(|| format!("{} × {}: exit {code}, {rollbacks:?}\n{said}", cause.name, safeguard.name))
}

#[test]
fn every_safeguard_holds_whatever_failed() {
    let wrong = Mutex::new(Vec::new());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for cause in &CAUSES {
            scope.spawn(|| {
                let mut row = format!("{:<15}", cause.name);
                for safeguard in &SAFEGUARDS {
                    let answer = tried(cause, safeguard);
                    let cell = answer.as_ref().map_or(safeguard.exit.to_string(), |_| "WRONG".to_owned());
                    write!(row, " | {cell:^width$}", width = safeguard.name.len()).unwrap();
                    wrong.lock().unwrap().extend(answer);
                }
                rows.lock().unwrap().push(row);
            });
        }
    });
    let names: Vec<&str> = SAFEGUARDS.iter().map(|safeguard| safeguard.name).collect();
    println!("{:<15} | {}\n{}", "exit code", names.join(" | "), rows.lock().unwrap().join("\n"));
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_failure_is_rolled_back_recorded_counted_and_told() {
    for cause in &CAUSES {
        let alertmanager = Recording::answering(|_| answer("200 OK", "[]"));
        let (site, mut command) = failing(cause, "");
        command.env("ALERTMANAGER_URL", &alertmanager.url);
        command.env("DM_TEXTFILE", site.machine().folder().join("dm.prom"));
        let (code, said) = run(command);
        let name = cause.name;
        assert_eq!(code, 10, "{name}: {said}");
        assert_eq!(
            (&*site.read("rollbacks"), &*site.read("live/api")),
            ("api 2 to 1 r-1\n", "1"),
            "{name}: {said}"
        );
        let last = said.lines().last().unwrap();
        println!("{name:<15} {last}");
        assert!(
            last.starts_with(cause.sentence) && last.contains("api rolled back to 1, verified"),
            "{name}: {said}"
        );
        assert!(!said.contains("{\"v\""), "{name}: JSON is for programs: {said}");

        let posted = alertmanager.requests();
        assert!(
            posted.iter().any(|post| String::from_utf8_lossy(&post.body).contains("DeploymentRolledBack")),
            "{name}"
        );
        let metrics = site.read("dm.prom");
        let counted = metrics.lines().any(|line| {
            line.starts_with("deployment_rollback_total{")
                && line.contains("verified")
                && line.ends_with(" 1")
        });
        assert!(counted, "{name}: {metrics}");
        let ledger = site.read("state/rollback/production/api.jsonl");
        assert!(
            ledger.contains("\"type\":\"intent\"") && ledger.contains("\"result\":\"verified\""),
            "{name}: {ledger}"
        );
        let refused = run(site.deploy(&["api"], "2", ""));
        assert!(
            refused.0 == 1 && refused.1.contains("version 2 was rolled back at"),
            "{name}: {}",
            refused.1
        );
        assert_eq!(site.read("live/api"), "1", "{name}");
    }
}
