//! Runners that are lost, and runners that get in each other's way.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;

use nix::fcntl::OFlag;
use testkit::process::kill_tree;
use testkit::server::eventually;

use super::app::App;
use super::ending::Ending;

#[test]
fn a_runner_that_is_killed_half_way_is_reported_by_the_next() {
    let app = App::with_good_version();
    // The API is live already; the front end never will be.
    let mut deployment = app.deploy("2", "WEB_DEPLOY='mkfifo never; touch deploying; read -r line < never'");
    let mut runner = deployment.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("half a deployment", || {
        // Its last line may not be complete yet.
        let journal = std::fs::read_to_string(app.machine().folder().join("state/journal.jsonl")).unwrap();
        let is_half = |event: &serde_json::Value| {
            event["stage"] == "deploy" && event["service"] == "api" && event["version"] == "2"
        };
        let mut events = journal.lines().filter_map(|line| serde_json::from_str(line).ok());
        let is_deploying =
            app.machine().folder().join("checkout/deploying").exists() && is_recorded(&app, "web");
        let live = app.live();
        let is_half =
            is_deploying && events.any(|event| is_half(&event)) && live == ("2".to_owned(), "1".to_owned());
        if is_half { Ok(()) } else { Err(format!("{live:?} is live")) }
    });
    kill_tree(runner.id().cast_signed());
    runner.wait().unwrap();
    assert_eq!(app.live(), ("2".to_owned(), "1".to_owned()));

    let last_line = r"deployed 3 in \S+, kept: \d+ of \d+ requests failed";
    let ending = Ending { case: "after a killed runner", code: 0, last_line, live: ("3", "3") };
    let said = ending.check(&app, app.deploy("3", ""));
    let line = said.lines().find(|line| line.starts_with("dm-stage: ")).unwrap_or_default();
    println!("and before: {line}");
    assert!(line.starts_with("dm-stage: the previous deployment (2, started "), "{said}");
    assert!(line.ends_with(") was interrupted at deploy: 2 may be live"), "{said}");
}

/// Whether the deployment of a component is on record as running: its command may begin before that.
fn is_recorded(app: &App, service: &str) -> bool {
    let running = std::fs::read_dir(app.machine().folder().join("state/running")).unwrap().flatten();
    let works = running.filter_map(|entry| serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok());
    let mut works = works.filter(|work: &serde_json::Value| work["stage"] == "deploy");
    works.any(|work| work["service"] == service)
}

#[test]
fn of_two_deployments_at_once_the_second_is_refused() {
    let app = App::with_good_version();
    let folder = app.machine().folder().to_owned();
    let deploy = |version: &str, config: &str| {
        let mut command = app.deploy(version, &format!("EXCLUSIVE=yes\n{config}"));
        // Each runs on a machine of its own.
        command.env("DM_STATE_DIR", folder.join(format!("state-{version}")));
        command.env("DM_STATE_URL", format!("file://{}", folder.join("store").display()));
        command
    };
    let mut first = deploy("2", "WEB_DEPLOY+='; mkfifo go; touch waits; read -r line < go || true'");
    let first = first.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the first deployment", || {
        let live = app.live();
        let is_waiting = folder.join("checkout/waits").exists() && live == ("2".to_owned(), "2".to_owned());
        if is_waiting { Ok(()) } else { Err(format!("{live:?} is live")) }
    });
    let last_line = r"dm-stage: not started, nothing was deployed: deployment \S+ of version 2 has held the lease of shop in production since .*; 2 may be live\. If it is dead, its lease expires in .*";
    let refused = Ending { case: "second of two", code: 75, last_line, live: ("2", "2") };
    refused.check(&app, deploy("3", ""));
    let mut go = File::options();
    go.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    eventually("the first deployment goes on", || {
        go.open(folder.join("checkout/go")).map(drop).map_err(|error| error.to_string())
    });
    let output = first.wait_with_output().unwrap();
    let last_line = r"deployed 2 in \S+, kept: \d+ of \d+ requests failed";
    let kept = Ending { case: "first of two", code: 0, last_line, live: ("2", "2") };
    kept.check_ended(&app, output.status.code().unwrap(), &String::from_utf8_lossy(&output.stderr));
}
