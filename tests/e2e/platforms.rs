//! scripts/rollback: each platform's command line is a fake that records how it was called; Railway's API is one that
//! knows its schema.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use testkit::bin::Machine;
use testkit::railway::{DEPLOYMENTS, Manner, TOKEN, railway};

/// A machine with one more program, which records its arguments and answers by `cases` of them, as `bash` has it.
fn with_fake(name: &str, cases: &str) -> Machine {
    let machine = Machine::new();
    let folder = machine.folder().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let text = format!(
        "#!/bin/bash\nprintf '%s\\n' \"$*\" >> \"${{0%/bin/*}}/calls\"\ncd \"${{0%/bin/*}}\"\ncase \"$*\" in\n{cases}\n\
         *) echo \"unexpected: $*\" >&2; exit 64 ;;\nesac\n"
    );
    let path = folder.join(name);
    common::fs::atomic::write(&path, text.as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    machine
}

/// Runs `scripts/rollback/NAME.sh`.
fn script(machine: &Machine, name: &str, verb: &str, variables: &[(&str, &str)]) -> Output {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rollback");
    let mut command =
        machine.shell(&format!("PATH=$PWD/bin:$PATH exec '{}/{name}.sh' {verb}", scripts.display()));
    command.envs(variables.iter().copied()).output().unwrap()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn refused(output: &Output, why: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains(why), "{output:?}");
}

/// How the fake was called.
fn calls(machine: &Machine) -> Vec<String> {
    let text = std::fs::read_to_string(machine.folder().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Whether anything was changed: every call but those that only look.
fn changes(machine: &Machine, looks: &[&str]) -> Vec<String> {
    calls(machine).into_iter().filter(|call| !looks.iter().any(|look| call.contains(look))).collect()
}

/// `kubectl` with the ReplicaSets of two deployments; after `rollout undo` the good one is the last revision.
const KUBECTL: &str = r#"
*'get deployment web'*) cat live 2>/dev/null || printf 7 ;;
*'get replicasets'*)
    printf 'Deployment/other other-1 6\nDeployment/web web-good %s\nDeployment/web web-bad 7\n' "$(cat good 2>/dev/null || echo 6)" ;;
*'rollout undo deployment/web --to-revision=6') echo 8 > live; echo 8 > good ;;
*'rollout status deployment/web --timeout=150s') ;;"#;

#[test]
fn kubernetes_goes_back_to_the_revision_that_a_replicaset_has_now() {
    let machine = with_fake("kubectl", KUBECTL);
    let run = |verb: &str, release: &str| {
        let variables =
            [("K8S_DEPLOYMENT", "web"), ("K8S_NAMESPACE", "shop"), ("DM_ROLLBACK_RELEASE", release)];
        script(&machine, "kubernetes", verb, &variables)
    };
    assert_eq!(good(&run("current", "")), "web-bad");
    refused(&run("", ""), "is not a ReplicaSet: record versions with DM_RELEASE");
    refused(&run("", "--all"), "is not a ReplicaSet");
    refused(&run("", "web-gone"), "has no ReplicaSet web-gone (any more)");
    refused(&run("", "other-1"), "has no ReplicaSet other-1");
    assert!(good(&run("", "web-bad")).contains("already live"));
    assert_eq!(changes(&machine, &[" get "]), Vec::<String>::new());
    good(&run("", "web-good"));
    let changed = [
        "--namespace shop rollout undo deployment/web --to-revision=6",
        "--namespace shop rollout status deployment/web --timeout=150s",
    ];
    assert_eq!(changes(&machine, &[" get "]), changed);
    assert_eq!(good(&run("current", "")), "web-good");
    refused(&script(&machine, "kubernetes", "", &[]), "set K8S_DEPLOYMENT");
}

const HELM: &str = r"
'history web --max 256 --namespace shop')
    printf 'REVISION\tUPDATED                 \tSTATUS         \tCHART    \tAPP VERSION\tDESCRIPTION\n'
    printf '3       \tMon Jan  5 10:00:00 2026\tsuperseded     \tweb-1.0.0\t1.0        \tUpgrade complete\n'
    printf '4       \tMon Jan  5 11:00:00 2026\tfailed         \tweb-1.1.0\t1.1        \tUpgrade failed: not deployed\n'
    printf '5       \tMon Jan  5 12:00:00 2026\tdeployed       \tweb-1.2.0\t1.2        \tUpgrade complete\n' ;;
'history web --max 1 --namespace shop' | 'rollback web 3 --wait --timeout 150s --cleanup-on-fail --namespace shop') ;;";

#[test]
fn helm_goes_back_to_a_revision_that_was_deployed_and_never_to_a_failed_one() {
    let machine = with_fake("helm", HELM);
    let run = |verb: &str, release: &str| {
        let variables =
            [("HELM_RELEASE", "web"), ("HELM_NAMESPACE", "shop"), ("DM_ROLLBACK_RELEASE", release)];
        script(&machine, "helm", verb, &variables)
    };
    assert_eq!(good(&run("current", "")), "5");
    refused(&run("", ""), "is not a revision");
    refused(&run("", "0"), "is not a revision");
    refused(&run("", "4"), "revision 4 of web is failed: it was never good");
    refused(&run("", "2"), "no revision 2 (any more)");
    assert!(good(&run("", "5")).contains("already live"));
    assert_eq!(changes(&machine, &["history"]), Vec::<String>::new());
    good(&run("", "3"));
    assert_eq!(
        changes(&machine, &["history"]),
        ["rollback web 3 --wait --timeout 150s --cleanup-on-fail --namespace shop"]
    );
}

const FLY: &str = r"
'releases --app shop --image')
    printf 'VERSION\tSTATUS  \tDESCRIPTION\tUSER     \tDATE   \tDOCKER IMAGE                        \n'
    [ ! -e rolled ] || printf 'v10\tcomplete\tRelease\ta@b.example\t1s ago\tregistry.fly.io/shop:deployment-7\n'
    printf 'v9 \tfailed  \tRelease    \ta@b.example\t1m ago \tregistry.fly.io/shop:deployment-9\n'
    printf 'v8 \tcomplete\tRelease    \ta@b.example\t9m ago \tregistry.fly.io/shop:deployment-8\n'
    printf 'v7 \tcomplete\tRelease    \ta@b.example\t1h ago \tregistry.fly.io/shop:deployment-7\n' ;;
'deploy --app shop --image registry.fly.io/shop:deployment-7 --yes') touch rolled ;;";

#[test]
fn fly_deploys_an_image_again_that_a_release_completed_with() {
    let machine = with_fake("fly", FLY);
    let run = |verb: &str, release: &str| {
        script(&machine, "fly", verb, &[("FLY_APP", "shop"), ("DM_ROLLBACK_RELEASE", release)])
    };
    assert_eq!(good(&run("current", "")), "registry.fly.io/shop:deployment-8");
    refused(&run("", "1.4.2"), "is not an image");
    refused(&run("", "registry.fly.io/shop:deployment-9"), "is not an image of a recent release");
    refused(&run("", "registry.fly.io/shop:deployment-"), "is not an image of a recent release");
    assert!(good(&run("", "registry.fly.io/shop:deployment-8")).contains("already live"));
    assert_eq!(changes(&machine, &["releases"]), Vec::<String>::new());
    good(&run("", "registry.fly.io/shop:deployment-7"));
    assert_eq!(
        changes(&machine, &["releases"]),
        ["deploy --app shop --image registry.fly.io/shop:deployment-7 --yes"]
    );
}

const HEROKU: &str = r#"
'releases:info --app shop --json')
    version=42 status=succeeded; [ ! -e rolled ] || { version=43; status=$(cat rolled); }
    printf '{\n  "app": {\n    "id": "0", "name": "shop"\n  },\n  "id": "0",\n  "status": "%s",\n  "version": %s,\n  "current": true\n}\n' $status $version ;;
'releases:info v41 --app shop --json') printf '{\n  "status": "failed",\n  "version": 41\n}\n' ;;
'releases:info v40 --app shop --json') printf '{\n  "status": "succeeded",\n  "version": 40\n}\n' ;;
'releases:info v42 --app shop --json') printf '{\n  "status": "succeeded",\n  "version": 42\n}\n' ;;
'releases:rollback v40 --app shop') cat outcome > rolled ;;"#;

#[test]
fn heroku_goes_back_to_a_release_that_succeeded() {
    let machine = with_fake("heroku", HEROKU);
    let outcome =
        |text: &str| common::fs::atomic::write(&machine.folder().join("outcome"), text.as_bytes()).unwrap();
    let run = |verb: &str, release: &str| {
        script(&machine, "heroku", verb, &[("HEROKU_APP", "shop"), ("DM_ROLLBACK_RELEASE", release)])
    };
    assert_eq!(good(&run("current", "")), "v42");
    refused(&run("", "42"), "is not a release");
    refused(&run("", "v41"), "release v41 of shop is 'failed', not succeeded");
    assert!(good(&run("", "v42")).contains("already live"));
    assert_eq!(changes(&machine, &["info"]), Vec::<String>::new());
    outcome("failed");
    refused(&run("", "v40"), "the rollback to v40 failed");
    outcome("succeeded");
    good(&run("", "v40"));
    assert_eq!(changes(&machine, &["info"]), ["releases:rollback v40 --app shop"; 2]);
}

/// What comes of railway.sh where Railway is like this, and every body that it sent.
fn at_railway(manner: Manner, verb: &str, release: &str) -> (Output, Vec<String>) {
    let (machine, server) = (Machine::new(), railway(manner));
    // curl as it is, and a record of its arguments, which every user of the machine can read.
    let folder = machine.folder().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let text = "#!/bin/bash\nprintf '%s\\n' \"$*\" >> \"${0%/bin/*}/calls\"\nexec /usr/bin/curl \"$@\"\n";
    common::fs::atomic::write(&folder.join("curl"), text.as_bytes()).unwrap();
    std::fs::set_permissions(folder.join("curl"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let variables = [
        ("RAILWAY_API_URL", server.url.as_str()),
        ("RAILWAY_TOKEN", TOKEN),
        ("RAILWAY_PROJECT_ID", "00000000-0000-4000-8000-00000000000a"),
        ("RAILWAY_ENVIRONMENT_ID", "00000000-0000-4000-8000-00000000000b"),
        ("RAILWAY_SERVICE_ID", "00000000-0000-4000-8000-00000000000c"),
        ("RAILWAY_INTERVAL", "0.01"),
        ("RAILWAY_TIMEOUT", "2"),
        ("DM_ROLLBACK_RELEASE", release),
    ];
    let output = script(&machine, "railway", verb, &variables);
    let arguments = calls(&machine);
    assert!(!arguments.iter().any(|call| call.contains(TOKEN)), "{arguments:?}");
    let bodies =
        server.requests().into_iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
    (output, bodies.collect())
}

fn asks_to_roll_back(bodies: &[String]) -> usize {
    bodies.iter().filter(|body| body.contains("mutation")).count()
}

const WELL: Manner = Manner { can_rollback: true, course: &["BUILDING", "DEPLOYING", "SUCCESS"] };

#[test]
fn railway_rolls_back_by_its_api_and_waits_until_it_is_live() {
    let [target, bad, new] = DEPLOYMENTS;
    let (output, bodies) = at_railway(WELL, "", target);
    assert!(good(&output).ends_with(&format!("{new} is live")), "{output:?}");
    let asked: Vec<&String> = bodies.iter().filter(|body| body.contains("mutation")).collect();
    let query = "mutation($id: String!) { deploymentRollback(id: $id) }";
    assert_eq!(asked, [&format!("{{\"query\":\"{query}\",\"variables\":{{\"id\":\"{target}\"}}}}")]);
    assert_eq!(good(&at_railway(WELL, "current", "").0), bad);
}

#[test]
fn railway_is_not_asked_for_what_it_cannot_do_and_its_own_words_are_told() {
    let [target, bad, new] = DEPLOYMENTS;
    let gone = Manner { can_rollback: false, ..WELL };
    let (output, bodies) = at_railway(gone, "", target);
    refused(&output, "its image is gone. Deploy that version again");
    assert_eq!(asks_to_roll_back(&bodies), 0);
    let (output, bodies) = at_railway(WELL, "", bad);
    refused(
        &output,
        "Railway rejected the request: {\"data\":null,\"errors\":[{\"message\":\"Deployment not found\"}]}",
    );
    assert_eq!(asks_to_roll_back(&bodies), 0);
    let (output, bodies) = at_railway(WELL, "", "1.4.2");
    refused(&output, "'1.4.2' is not a deployment");
    assert_eq!(bodies.len(), 0);
    let crashes = Manner { course: &["DEPLOYING", "CRASHED"], ..WELL };
    refused(&at_railway(crashes, "", target).0, &format!("{new}, the rollback to {target}, is CRASHED"));
    let hangs = Manner { course: &["DEPLOYING"], ..WELL };
    refused(&at_railway(hangs, "", target).0, "is still DEPLOYING");
}
