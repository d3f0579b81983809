//! Which release a deployment records, and what it does when nothing went live, or the same again.

use testkit::server::eventually;
use testkit::site::Site;

use crate::deploy_failing::run;

/// What was rolled back on a site, a line each.
fn rollbacks(site: &Site) -> Vec<String> {
    site.read("rollbacks").lines().map(str::to_owned).collect()
}

#[test]
fn a_deploy_command_that_fails_before_anything_is_live_rolls_nothing_back() {
    let site = Site::with_good_version();
    let (code, said) = run(site.deploy(&["api", "web"], "2", "API_DEPLOY='exit 9'\nWEB_DEPLOY='exit 9'"));
    assert_eq!((code, rollbacks(&site).len()), (1, 0), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("FAILED at deploy (api, web): exit code 9; nothing of "), "{said}");
    assert!(last.contains("nothing of api went live, release r-1 is live as before"), "{said}");
    assert!(!last.contains("may be live"), "{said}");
    // Without a way to learn the release, it may have gone live.
    let config = "API_DEPLOY='exit 9'\nAPI_RELEASE=";
    let (code, said) = run(site.deploy(&["api"], "2", config));
    assert_eq!((code, rollbacks(&site)), (10, vec!["api 2 to 1 r-1".to_owned()]), "{said}");
}

#[test]
fn the_release_on_record_is_the_one_after_the_deployment() {
    let site = Site::with_good_version();
    let mut good = site.deploy(&["api"], "2", "");
    good.env("DM_RELEASE", "r-STALE");
    let (code, said) = run(good);
    assert!(code == 0 && said.contains("DM_RELEASE is not used"), "{said}");
    assert!(said.lines().last().unwrap().starts_with("deployed 2 in "), "{said}");
    site.write("faults/3", "health");
    let (code, said) = run(site.deploy(&["api"], "3", "HEALTH_DEADLINE=400ms"));
    assert_eq!((code, rollbacks(&site)), (10, vec!["api 3 to 2 r-2".to_owned()]), "{said}");
    // What cannot be learned, or is no name, is unknown.
    for (version, release) in [("4", "exit 3"), ("5", "echo two words"), ("6", "yes | head -c 100000")] {
        let (code, said) = run(site.deploy(&["api"], version, &format!("API_RELEASE='{release}'")));
        assert!(code == 0 && said.contains("WARNING: the live release of api is not known"), "{said}");
        let good = site.read("state/rollback/production/api.jsonl");
        let last = good.lines().last().unwrap();
        assert!(last.contains(&format!("\"version\":\"{version}\"")) && !last.contains("release"), "{last}");
    }
}

#[test]
fn the_migration_runs_first_unless_the_team_wants_it_last() {
    let migrate = "DATABASE_MIGRATE='touch migrated' HEALTH_DEADLINE=500ms";
    for (order, expected) in [("", 0), ("MIGRATE=after", 10)] {
        let site = Site::with_good_version();
        site.write("faults/2", "schema");
        let (code, said) = run(site.deploy(&["api"], "2", &format!("{migrate} {order}")));
        assert_eq!(code, expected, "{said}");
    }
    let site = Site::with_good_version();
    let (code, said) = run(site.deploy(&["api"], "2", "DATABASE_MIGRATE='echo no column z >&2; exit 3'"));
    assert_eq!((code, &*site.read("live/api"), rollbacks(&site).len()), (1, "1", 0), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("FAILED at migration: ")
            && last.ends_with("; nothing was deployed; release r-1 is live"),
        "{said}"
    );
}

#[test]
fn of_three_bad_deployments_twelve_minutes_apart_none_stays_live() {
    let site = Site::with_good_version();
    for version in ["2", "3", "4"] {
        site.write(&format!("faults/{version}"), "health");
        let (code, said) = run(site.deploy(&["api"], version, "HEALTH_DEADLINE=400ms"));
        assert_eq!((code, &*site.read("live/api")), (10, "1"), "{said}");
        site.advance("api", 12);
    }
    let expected = ["api 2 to 1 r-1", "api 3 to 1 r-1", "api 4 to 1 r-1"];
    assert_eq!(rollbacks(&site), expected);
}

#[test]
fn a_deployment_that_ships_nothing_is_not_good() {
    let site = Site::with_good_version();
    let (code, said) = run(site.deploy(&["api"], "2", "API_DEPLOY=true HEALTH_DEADLINE=400ms"));
    assert!(code != 0 && said.contains("FAILED at health check: "), "{said}");
    assert!(
        !site.read("state/rollback/production/api.jsonl").contains("\"version\":\"2\",\"release\""),
        "{said}"
    );
}

#[test]
fn a_version_that_appears_late_and_is_bad_is_rolled_back_and_verified() {
    let site = Site::with_good_version();
    site.write("faults/2", "health");
    let command = site.deploy(&["api"], "2", "API_DEPLOY=true API_RELEASE= HEALTH_DEADLINE=2s");
    let (code, said) = std::thread::scope(|scope| {
        let deployment = scope.spawn(|| run(command));
        // The platform goes on in the background: the previous version answers the first probes.
        eventually("a probe", || {
            site.was_asked("/api/health").then_some(()).ok_or_else(|| "none".to_owned())
        });
        site.write("live/api", "2");
        deployment.join().unwrap()
    });
    assert_eq!((code, rollbacks(&site)), (10, vec!["api 2 to 1 r-1".to_owned()]), "{said}");
}

#[test]
fn a_failed_step_shows_the_end_of_its_output_and_nothing_else_does() {
    let site = Site::with_good_version();
    let noise = "API_BUILD='seq 1000'";
    let config = format!(
        "{noise}\nAPI_DEPLOY='seq 2000; echo ::error::forged; printf \"\\033[31mred\\n\"; exit 4'\nAPI_RELEASE='echo r'"
    );
    let (code, said) = run(site.deploy(&["api"], "2", &config));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("ok      api build ") && said.contains("FAILED  api deploy "), "{said}");
    assert!(said.contains("  | 2000") && !said.lines().any(|line| line.ends_with("| 999")), "{said}");
    assert!(
        !said.contains('\u{1b}') && !said.lines().any(|line| line.starts_with("::error::forged")),
        "{said}"
    );
    assert!(said.lines().count() < 60, "{said}");
    let (_, live) = run(site.deploy(&["api"], "3", &format!("{noise}\nOUTPUT=live")));
    assert!(live.contains("[api] 1000"), "{live}");
}
