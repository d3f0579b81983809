//! A runner that is lost in the middle of a deployment.

use std::process::Stdio;

use testkit::process::kill_tree;
use testkit::server::eventually;
use testkit::site::Site;

use crate::deploy_failing::run;

#[test]
fn a_killed_deployment_is_interrupted_and_the_next_one_says_so() {
    let site = Site::with_good_version();
    // The deploy command never ends.
    let config = "API_DEPLOY='mkfifo never; read -r line < never'";
    let mut deployment = site.deploy(&["api"], "2", config);
    let mut runner = deployment.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The command may begin before it is on record.
    eventually("the deploy command on record", || {
        let timeline = timeline(&site);
        let is_running = |line: &str| line.contains("api/deploy ") && line.contains("running");
        if timeline.lines().any(is_running) { Ok(()) } else { Err(timeline) }
    });
    kill_tree(runner.id().cast_signed());
    runner.wait().unwrap();

    let timeline = timeline(&site);
    let row = timeline.lines().find(|line| line.contains("shop/deployment")).unwrap();
    assert!(row.contains("interrupted"), "{timeline}");
    let (code, said) = run(site.deploy(&["api"], "3", ""));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("was interrupted at deploy: 2 may be live"), "{said}");
}

fn timeline(site: &Site) -> String {
    let output = site.machine().tool("dm-stage").arg("--timeline").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
