//! A runner that is lost in the middle of a deployment.

use std::process::Stdio;

use testkit::process::kill_all;
use testkit::server::eventually;
use testkit::site::Site;

use crate::deploy_failing::run;

/// The process that started this one.
fn parent(pid: i32) -> i32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_killed_deployment_is_interrupted_and_the_next_one_says_so() {
    let site = Site::with_good_version();
    // The deploy command never ends.
    let config = "API_DEPLOY='mkfifo never; echo $$ > new; mv new deploying; read -r line < never'";
    let mut deployment = site.deploy(&["api"], "2", config);
    let mut runner = deployment.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let command: i32 = eventually("the deploy command", || {
        site.read("deploying").trim().parse().map_err(|_| "it does not run".to_owned())
    });
    let mut pids = vec![command];
    while pids[pids.len() - 1] != i32::try_from(runner.id()).unwrap() {
        pids.push(parent(pids[pids.len() - 1]));
    }
    pids.reverse();
    kill_all(&pids);
    runner.wait().unwrap();

    let timeline = site.machine().tool("dm-stage").arg("--timeline").output().unwrap();
    let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
    let row = timeline.lines().find(|line| line.contains("shop/deployment")).unwrap();
    assert!(row.contains("interrupted"), "{timeline}");
    let (code, said) = run(site.deploy(&["api"], "3", ""));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("was interrupted at deploy: 2 may be live"), "{said}");
}
