//! What single platforms do beyond the contract.

use super::table::{DOCKER, HELM, HEROKU, KUBERNETES, NOMAD, RAILWAY};
use testkit::script::install;

use super::{Platform, Stage};

/// Exit code, stdout and stderr in one text, and the calls that change something.
fn outcome(
    platform: &Platform,
    scenario: &str,
    changed: &[(&str, &str)],
) -> (Option<i32>, String, Vec<String>) {
    let stage = Stage::new(platform, scenario);
    let output = stage.run_with(platform, &[], changed);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned(), stage.changes(platform))
}

fn assert_nothing_done(outcome: &(Option<i32>, String, Vec<String>), cause: &str) {
    assert!(outcome.0 == Some(1) && outcome.1.contains(cause) && outcome.2.is_empty(), "{outcome:?}");
}

#[test]
fn a_release_that_was_never_good_is_not_restored() {
    for (platform, release, cause) in [
        (&HELM, "4", "revision 4 of web is failed and was never good"),
        (&HEROKU, "v41", "release v41 of shop is failed and was never good"),
        (&NOMAD, "2", "version 2 of shop is not stable"),
    ] {
        assert_nothing_done(&outcome(platform, "good", &[("DM_ROLLBACK_RELEASE", release)]), cause);
    }
}

#[test]
fn kubernetes_changes_nothing_before_every_workload_can_be_rolled_back() {
    assert_nothing_done(&outcome(&KUBERNETES, "paused", &[]), "deployment/web is paused");
    let changed = [("DM_ROLLBACK_RELEASE", "web-good,queue-gone")];
    assert_nothing_done(
        &outcome(&KUBERNETES, "good", &changed),
        "statefulset/queue has no queue-gone any more",
    );
    let changed = [("DM_ROLLBACK_RELEASE", "web-good")];
    assert_nothing_done(&outcome(&KUBERNETES, "good", &changed), "has 1 names for 2 workloads");
    // Another Deployment's ReplicaSet.
    let changed = [("DM_ROLLBACK_RELEASE", "other-1,queue-good")];
    assert_nothing_done(&outcome(&KUBERNETES, "good", &changed), "deployment/web has no other-1 any more");
}

#[test]
fn kubernetes_takes_the_name_of_one_deployment() {
    let changed = [("K8S_WORKLOADS", ""), ("K8S_DEPLOYMENT", "web"), ("DM_ROLLBACK_RELEASE", "web-good")];
    let (code, text, calls) = outcome(&KUBERNETES, "good", &changed);
    assert!(code == Some(0) && text.ends_with("web-good is live\n") && calls.len() == 1, "{text} {calls:?}");
}

#[test]
fn a_service_that_sleeps_on_railway_is_live() {
    let (code, text, _) = outcome(&RAILWAY, "sleeping", &[]);
    assert!(code == Some(0) && text.contains("is live again"), "{text}");
}

/// Without Compose, a program of the team replaces the container.
#[test]
fn docker_without_compose_calls_the_program_that_replaces_the_container() {
    let stage = Stage::new(&DOCKER, "good");
    let program = stage.folder().join("replace");
    let text = "#!/bin/bash\n[ $# = 1 ] && printf 'replace %s\\n' \"$1\" >> calls && touch rolled\n";
    install(&program, text);
    let program = program.display().to_string();
    let changed = [("COMPOSE_SERVICE", ""), ("DOCKER_CONTAINER", "web"), ("DOCKER_RUN", &program)];
    let output = stage.run_with(&DOCKER, &[], &changed);
    assert!(output.status.success(), "{output:?}");
    assert!(stage.world.calls().contains(&format!("replace {}", DOCKER.target)));
    let output = stage.run_with(&DOCKER, &[], &[changed[0], changed[1]]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
