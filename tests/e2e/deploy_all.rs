//! scripts/deploy-all.sh, deploying the sample service for real.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use testkit::platform::Platform;

/// Runs a command; returns its exit code and its output.
fn run(mut command: Command) -> (i32, String) {
    let output = command.output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), text)
}

/// A platform on which version 1 is live, and known to be good.
fn with_good_version() -> Platform {
    let platform = Platform::new();
    let (code, text) = run(platform.deploy("1", ""));
    assert_eq!(code, 0, "{text}");
    platform
}

/// The stages that a deployment recorded, as `service/stage status`.
fn stages(platform: &Platform, version: &str) -> Vec<String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    let events = platform.machine().journal();
    let matching = events.iter().filter(|event| event["version"] == version);
    matching
        .map(|event| {
            format!("{}/{} {}", text(&event["service"]), text(&event["stage"]), text(&event["status"]))
        })
        .collect()
}

#[test]
fn a_good_version_is_kept_and_a_bad_one_is_rolled_back_entirely() {
    let platform = with_good_version();
    let first = stages(&platform, "1");
    for stage in [
        "api/build success",
        "web/deploy success",
        "api/health_check success",
        "database/migration success",
        "tea-shop/smoke_test success",
        "tea-shop/deployment success",
    ] {
        assert!(first.iter().any(|recorded| recorded == stage), "{stage} in {first:#?}");
    }

    let mut bad = platform.deploy("2", "");
    bad.env("SAMPLE_FLAGS", "--error-percent 30");
    let (code, text) = run(bad);
    assert_eq!(code, 10, "{text}");
    assert!(text.contains("[api] rolled back and verified"), "{text}");
    assert_eq!((platform.live("api"), platform.live("web")), ("1".to_owned(), "1".to_owned()));
    let second = stages(&platform, "2");
    assert!(second.contains(&"tea-shop/deployment failure".to_owned()), "{second:#?}");
    assert!(second.contains(&"web/rollback success".to_owned()), "deployed together with api: {second:#?}");

    let (code, text) = run(platform.deploy("2", ""));
    assert!(code == 1 && text.contains("version 2 was rolled back at"), "{text}");
    assert!(text.contains("this version was rolled back before; nothing was deployed"), "{text}");
    assert_eq!(platform.live("api"), "1");
    let (code, text) = run(platform.deploy("2", "ALLOW_REFUSED=yes"));
    assert_eq!(code, 0, "it is no longer faulty: {text}");
}

#[test]
fn a_version_that_never_gets_healthy_is_rolled_back() {
    let platform = with_good_version();
    let mut down = platform.deploy("2", "HEALTH_DEADLINE=1s");
    down.env("SAMPLE_FLAGS", "--down");
    let (code, text) = run(down);
    assert_eq!(code, 10, "{text}");
    assert!(text.contains("did not become healthy"), "{text}");
    assert_eq!(platform.live("api"), "1");
}

#[test]
fn a_deployment_waits_for_a_version_that_starts_slowly() {
    let platform = Platform::new();
    let mut slow = platform.deploy("1", "");
    slow.env("SAMPLE_FLAGS", "--start-delay 1s");
    let (code, text) = run(slow);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn a_failed_build_deploys_nothing() {
    let platform = with_good_version();
    let mut bad = platform.deploy("2", "WEB_BUILD='echo ::add-mask::hush; exit 10'");
    bad.env("GITHUB_ACTIONS", "true").env("DM_GITHUB", "error");
    let (code, text) = run(bad);
    assert_eq!(code, 1, "{text}");
    // Lines of the output start with their component, but not those for GitHub, which would not find them.
    for expected in ["::error title=web/build failed after ", "FAILED  web build ", "::add-mask::hush"] {
        assert!(text.lines().any(|line| line.starts_with(expected)), "{text}");
    }
    assert_eq!(text.matches("hush").count(), 1, "what the command masks is masked everywhere: {text}");
    assert!(text.lines().last().unwrap().starts_with("FAILED at build (web): "), "{text}");
    assert_eq!(platform.live("api"), "1");
    let deploys: Vec<String> =
        stages(&platform, "2").into_iter().filter(|stage| stage.contains("/deploy ")).collect();
    assert_eq!(deploys, ["api/deploy skipped", "web/deploy skipped"]);
}

#[test]
fn a_failed_deploy_command_or_migration_rolls_everything_back() {
    let platform = with_good_version();
    let migration = "MIGRATE=after DATABASE_MIGRATE='exit 12'";
    for (version, broken) in [("2", "WEB_DEPLOY='exit 1'"), ("3", migration)] {
        let (code, text) = run(platform.deploy(version, broken));
        assert_eq!(code, 10, "{text}");
        assert_eq!(platform.live("api"), "1", "{text}");
    }
}

#[test]
fn failed_smoke_tests_roll_everything_back() {
    let platform = with_good_version();
    let suite = platform.machine().folder().join("smoke.toml");
    let text = "[[test]]\nname = \"no such page\"\nhttp = { url = \"/nowhere\" }\n";
    common::fs::atomic::write(&suite, text.as_bytes()).unwrap();
    let (code, text) = run(platform.deploy("2", &format!("SMOKE_SUITE={}", suite.display())));
    assert_eq!(code, 10, "{text}");
    assert!(text.contains("smoke tests failed"), "{text}");
    assert_eq!((platform.live("api"), platform.live("web")), ("1".to_owned(), "1".to_owned()));
}

#[test]
fn without_a_rollback_command_a_person_is_needed() {
    let platform = Platform::new();
    let mut bad = platform.deploy("1", "API_ROLLBACK=");
    bad.env("SAMPLE_FLAGS", "--error-percent 50");
    let (code, text) = run(bad);
    // No version is known to be good, so the web front end cannot be rolled back either, and that failure is worse.
    assert_eq!(code, 12, "{text}");
    assert!(text.contains("not every component was rolled back and verified; act now"), "{text}");
    assert!(text.contains("dry run: nothing was rolled back; no rollback command was given"), "{text}");
}

#[test]
fn too_little_data_is_inconclusive_unless_the_team_decides_otherwise() {
    let platform = Platform::new();
    let few = "WATCH=1s WATCH_INTERVAL=200ms";
    let (code, text) = run(platform.deploy("1", few));
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("at least 90 are needed"), "{text}");
    let (code, text) = run(platform.deploy("1", &format!("{few}\nON_INCONCLUSIVE=keep")));
    assert_eq!(code, 0, "{text}");
}

#[test]
fn an_old_version_that_still_answers_is_not_mistaken_for_the_new_one() {
    let platform = with_good_version();
    let (code, text) = run(platform.deploy("2", "API_DEPLOY=true HEALTH_DEADLINE=2s"));
    // The fault was not in a request to the new version, so the old one's answers do not prove that it is gone.
    assert_eq!(code, 12, "{text}");
    assert!(text.contains("NOT verified: no requests were observed"), "{text}");
    assert!(text.contains("version 1 responded, expected version 2"), "{text}");
    assert_eq!((platform.live("api").as_str(), platform.live("web").as_str()), ("1", "1"));
}

#[test]
fn a_cancelled_deployment_reports_what_is_live_and_rolls_nothing_back() {
    let platform = with_good_version();
    let mut command = platform.deploy("2", "WATCH=600s");
    let mut deployment = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_raw(deployment.id().try_into().unwrap());
    let mut text = String::new();
    for line in BufReader::new(deployment.stderr.take().unwrap()).lines().map_while(Result::ok) {
        if line.contains("watch for 600s") {
            signal::kill(id, Signal::SIGTERM).unwrap();
        }
        text += &line;
    }
    let status = deployment.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{text}");
    assert!(text.contains("the new version of api web may be live and was not judged"), "{text}");
    assert_eq!((platform.live("api").as_str(), platform.live("web").as_str()), ("2", "2"));
}

#[test]
fn a_dry_run_prints_every_command_and_runs_none() {
    let platform = Platform::new();
    let mut dry = platform.deploy("1", "WATCH=");
    dry.arg("--dry-run");
    let (code, text) = run(dry);
    assert_eq!(code, 0, "{text}");
    for tool in ["'dm-stage' 'build'", "'dm-health' '--url'", "'dm-migrate'", "'dm-smoke'", "'dm-rollback'"] {
        assert!(text.contains(tool), "{tool}: {text}");
    }
    // dm-rollback ends the watch, not the first failures.
    let watch =
        text.lines().find(|line| line.contains("'--watch' '60s..10m'")).unwrap_or_else(|| panic!("{text}"));
    assert!(!watch.contains("--max-fail"), "{watch}");
    assert_eq!((platform.live("api"), stages(&platform, "1").len()), (String::new(), 0));
}

#[test]
fn wrong_usage_is_reported() {
    let platform = Platform::new();
    let mut unknown = platform.deploy("1", "");
    unknown.arg("--unknown");
    let (code, text) = run(unknown);
    assert_eq!((code, text.trim()), (2, "deploy-all.sh: unknown argument '--unknown': see --help"));
    let (code, text) = run(platform.deploy("1", "ON_INCONCLUSIVE=maybe"));
    assert_eq!(code, 2, "{text}");
    let (code, text) =
        run(platform.deploy("1", "API_DEPLOY= WEB_DEPLOY= API_BUILD= WEB_BUILD= DATABASE_MIGRATE="));
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("there is nothing to do: set API_DEPLOY or DATABASE_MIGRATE"), "{text}");
}
