//! The configuration of scripts/deploy-all.sh: what is wrong in it is said before anything is built.

use testkit::site::Site;

use crate::deploy_failing::run;

/// The exit code and the complaint about this configuration, which deploys an API.
fn complaint(config: &str) -> (i32, String) {
    let site = Site::with_good_version();
    let (code, said) = run(site.deploy(&["api"], "2", config));
    let is_refused = code == 2;
    assert_eq!(site.read("live/api"), if is_refused { "1" } else { "2" }, "{config}: {said}");
    (code, said)
}

#[test]
fn a_misspelt_setting_is_an_error_that_names_the_nearest() {
    for (config, hint) in [
        ("API_ROLBACK=./back.sh", "sets API_ROLBACK, which is not a setting: did you mean API_ROLLBACK;"),
        ("HEALTH_DEADLNE=3m", "sets HEALTH_DEADLNE, which is not a setting: did you mean HEALTH_DEADLINE;"),
        ("WORKER_DEPLOY=true", r#"is its component missing in COMPONENTS="api";"#),
        ("DM_VERSON_AT=header:X", "sets DM_VERSON_AT, which is not a setting"),
        ("declare API_WACTH_URL=http://x/", "did you mean API_WATCH_URL;"),
    ] {
        let (code, said) = complaint(config);
        assert!(code == 2 && said.contains(hint), "{config}: {said}");
        assert_eq!(said.lines().count(), 1, "once: {said}");
    }
}

#[test]
fn a_team_has_variables_of_its_own() {
    let (code, said) =
        complaint("region=eu-1\nexport TEAM=shop\nfor component in a b; do last=$component; done");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_wrong_value_is_an_error_that_names_the_setting() {
    for (config, said) in [
        ("COOL_DOWN=soon", "COOL_DOWN: invalid value 'soon'"),
        ("MAX_ROLLBACKS_PER_DAY=many", "MAX_ROLLBACKS_PER_DAY: invalid value 'many'"),
        ("WATCH=60", "WATCH: invalid value '60'"),
        ("ERROR_RATE=200", "ERROR_RATE: invalid value '200'"),
        ("API_HEALTH_URL=nonsense", "API_HEALTH_URL: invalid value"),
        ("API_VERSION_AT=json:[", "VERSION_AT: invalid value"),
        ("MIGRATE=first", "MIGRATE is 'first', and must be one of: before after"),
        ("ON_INCONCLUSIVE=maybe", "ON_INCONCLUSIVE is 'maybe', and must be one of: fail keep rollback"),
        ("SCHEMA_COMPATIBLE=1", "SCHEMA_COMPATIBLE is '1', and must be one of: yes no"),
        ("EXCLUSIVE=perhaps", "EXCLUSIVE: invalid value 'perhaps'"),
        ("COMPONENTS='api a_b'", "COMPONENTS: 'a_b' is not a name"),
        ("COMPONENTS='api API'", "COMPONENTS: two components have the same variable API_DEPLOY"),
        ("API_DEPLOY=", "there is nothing to do: set API_DEPLOY"),
        ("no-such-command", "a command in ./deploy-2.env failed"),
    ] {
        let (code, complaint) = complaint(config);
        assert!(code == 2 && complaint.contains(said), "{config}: {code}: {complaint}");
    }
}

#[test]
fn the_configuration_is_read_once() {
    let (code, said) = complaint("echo read >> reads; API_DEPLOY+='; test $(wc -l < reads) = 1'");
    assert_eq!(code, 0, "{said}");
}

#[test]
fn settings_do_not_reach_the_commands_unless_they_are_exported() {
    let command = "API_DEPLOY+='; test -z \"${WATCH-}${DM_DEPLOY_SETTINGS-}\" -a \"$MIGRATE\" = after'";
    let (code, said) = complaint(&format!("export MIGRATE=after; {command}"));
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_component_may_have_any_name() {
    let site = Site::new();
    let config =
        "COMPONENTS='api job-runner'\nJOB_RUNNER_BUILD='echo runner > built'\nJOB_RUNNER_DEPLOY='cat built'";
    let (code, said) = run(site.deploy(&["api"], "2", config));
    assert!(code == 0 && said.contains("ok      job-runner deploy "), "{said}");
}

#[test]
fn an_exclusive_deployment_does_not_run_beside_another() {
    let site = Site::new();
    let state = format!("file://{}", site.machine().folder().join("shared").display());
    let _ = site.deploy(&["api"], "3", "SERVICE=shop EXCLUSIVE=yes");
    let other = format!(
        "env -u DM_PARENT_STAGE DM_DEPLOYMENT_ID=d-9 '{}' --config deploy-3.env\necho \"code $?\" > other\n",
        site.script()
    );
    site.write("other.sh", &other);
    let config = "EXCLUSIVE='wait 1m'\nAPI_DEPLOY='bash other.sh'\nAPI_RELEASE= API_HEALTH_URL=";
    let mut command = site.deploy(&["api"], "2", config);
    command.env("DM_STATE_URL", state);
    let (code, said) = run(command);
    assert_eq!((code, site.read("other").trim()), (0, "code 75"), "{said}");
}
