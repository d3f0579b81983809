//! scripts/rollback: the command-line tool of each platform is a fake that records how it is called; Railway's API is a
//! fake that checks requests against its schema.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use testkit::bin::Machine;
use testkit::railway::{Behaviour, DEPLOYMENTS, TOKEN, railway};

/// A machine with a fake program, which records its arguments. `cases` of a Bash `case` define its answers.
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

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn assert_refused(output: &Output, cause: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains(cause), "{output:?}");
}

/// The arguments of each call of the fake.
fn calls(machine: &Machine) -> Vec<String> {
    let text = std::fs::read_to_string(machine.folder().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The calls that change something: all but the queries.
fn changes(machine: &Machine, queries: &[&str]) -> Vec<String> {
    calls(machine).into_iter().filter(|call| !queries.iter().any(|query| call.contains(query))).collect()
}

/// `kubectl` with the ReplicaSets of two deployments; after `rollout undo` the good one is the last revision.
const KUBECTL: &str = r#"
*'get deployment web'*) cat live 2>/dev/null || printf 7 ;;
*'get replicasets'*)
    printf 'Deployment/other other-1 6\nDeployment/web web-good %s\nDeployment/web web-bad 7\n' "$(cat good 2>/dev/null || echo 6)" ;;
*'rollout undo deployment/web --to-revision=6') echo 8 > live; echo 8 > good ;;
*'rollout status deployment/web --timeout=150s') ;;"#;

#[test]
fn kubernetes_rolls_back_to_the_current_revision_of_a_replicaset() {
    let machine = with_fake("kubectl", KUBECTL);
    let run = |verb: &str, release: &str| {
        let variables =
            [("K8S_DEPLOYMENT", "web"), ("K8S_NAMESPACE", "shop"), ("DM_ROLLBACK_RELEASE", release)];
        script(&machine, "kubernetes", verb, &variables)
    };
    assert_eq!(succeeded(&run("current", "")), "web-bad");
    assert_refused(&run("", ""), "is not a ReplicaSet: record versions with DM_RELEASE");
    assert_refused(&run("", "--all"), "is not a ReplicaSet");
    assert_refused(&run("", "web-gone"), "has no ReplicaSet web-gone (any more)");
    assert_refused(&run("", "other-1"), "has no ReplicaSet other-1");
    assert!(succeeded(&run("", "web-bad")).contains("already live"));
    assert_eq!(changes(&machine, &[" get "]), Vec::<String>::new());
    succeeded(&run("", "web-good"));
    let changed = [
        "--namespace shop rollout undo deployment/web --to-revision=6",
        "--namespace shop rollout status deployment/web --timeout=150s",
    ];
    assert_eq!(changes(&machine, &[" get "]), changed);
    assert_eq!(succeeded(&run("current", "")), "web-good");
    assert_refused(&script(&machine, "kubernetes", "", &[]), "set K8S_DEPLOYMENT");
}

const HELM: &str = r"
'history web --max 256 --namespace shop')
    printf 'REVISION\tUPDATED                 \tSTATUS         \tCHART    \tAPP VERSION\tDESCRIPTION\n'
    printf '3       \tMon Jan  5 10:00:00 2026\tsuperseded     \tweb-1.0.0\t1.0        \tUpgrade complete\n'
    printf '4       \tMon Jan  5 11:00:00 2026\tfailed         \tweb-1.1.0\t1.1        \tUpgrade failed: not deployed\n'
    printf '5       \tMon Jan  5 12:00:00 2026\tdeployed       \tweb-1.2.0\t1.2        \tUpgrade complete\n' ;;
'history web --max 1 --namespace shop' | 'rollback web 3 --wait --timeout 150s --cleanup-on-fail --namespace shop') ;;";

#[test]
fn helm_rolls_back_to_a_deployed_revision_never_to_a_failed_one() {
    let machine = with_fake("helm", HELM);
    let run = |verb: &str, release: &str| {
        let variables =
            [("HELM_RELEASE", "web"), ("HELM_NAMESPACE", "shop"), ("DM_ROLLBACK_RELEASE", release)];
        script(&machine, "helm", verb, &variables)
    };
    assert_eq!(succeeded(&run("current", "")), "5");
    assert_refused(&run("", ""), "is not a revision");
    assert_refused(&run("", "0"), "is not a revision");
    assert_refused(&run("", "4"), "revision 4 of web is failed: it was never good");
    assert_refused(&run("", "2"), "no revision 2 (any more)");
    assert!(succeeded(&run("", "5")).contains("already live"));
    assert_eq!(changes(&machine, &["history"]), Vec::<String>::new());
    succeeded(&run("", "3"));
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
fn fly_deploys_the_image_of_a_complete_release_again() {
    let machine = with_fake("fly", FLY);
    let run = |verb: &str, release: &str| {
        script(&machine, "fly", verb, &[("FLY_APP", "shop"), ("DM_ROLLBACK_RELEASE", release)])
    };
    assert_eq!(succeeded(&run("current", "")), "registry.fly.io/shop:deployment-8");
    assert_refused(&run("", "1.4.2"), "is not an image");
    assert_refused(&run("", "registry.fly.io/shop:deployment-9"), "is not an image of a recent release");
    assert_refused(&run("", "registry.fly.io/shop:deployment-"), "is not an image of a recent release");
    assert!(succeeded(&run("", "registry.fly.io/shop:deployment-8")).contains("already live"));
    assert_eq!(changes(&machine, &["releases"]), Vec::<String>::new());
    succeeded(&run("", "registry.fly.io/shop:deployment-7"));
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
fn heroku_rolls_back_to_a_release_that_succeeded() {
    let machine = with_fake("heroku", HEROKU);
    let outcome =
        |text: &str| common::fs::atomic::write(&machine.folder().join("outcome"), text.as_bytes()).unwrap();
    let run = |verb: &str, release: &str| {
        script(&machine, "heroku", verb, &[("HEROKU_APP", "shop"), ("DM_ROLLBACK_RELEASE", release)])
    };
    assert_eq!(succeeded(&run("current", "")), "v42");
    assert_refused(&run("", "42"), "is not a release");
    assert_refused(&run("", "v41"), "release v41 of shop is 'failed', not succeeded");
    assert!(succeeded(&run("", "v42")).contains("already live"));
    assert_eq!(changes(&machine, &["info"]), Vec::<String>::new());
    outcome("failed");
    assert_refused(&run("", "v40"), "the rollback to v40 failed");
    outcome("succeeded");
    succeeded(&run("", "v40"));
    assert_eq!(changes(&machine, &["info"]), ["releases:rollback v40 --app shop"; 2]);
}

/// Runs railway.sh against a Railway that behaves like this; returns its output, and the body of each request.
fn at_railway(behaviour: Behaviour, verb: &str, release: &str) -> (Output, Vec<String>) {
    let (machine, server) = (Machine::new(), railway(behaviour));
    // The real curl, and a record of its arguments, which every user of the machine can see.
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
        ("RAILWAY_TIMEOUT", if behaviour.statuses == HANGING { "2" } else { "60" }),
        ("DM_ROLLBACK_RELEASE", release),
    ];
    let output = script(&machine, "railway", verb, &variables);
    let arguments = calls(&machine);
    assert!(!arguments.iter().any(|call| call.contains(TOKEN)), "{arguments:?}");
    let bodies =
        server.requests().into_iter().map(|request| String::from_utf8_lossy(&request.body).into_owned());
    (output, bodies.collect())
}

fn rollback_requests(bodies: &[String]) -> usize {
    bodies.iter().filter(|body| body.contains("mutation")).count()
}

/// The status of a deployment that never ends.
const HANGING: &[&str] = &["DEPLOYING"];

const SUCCESSFUL: Behaviour =
    Behaviour { can_rollback: true, statuses: &["BUILDING", "DEPLOYING", "SUCCESS"] };

#[test]
fn railway_rolls_back_through_its_api_and_waits_until_it_is_live() {
    let [target, bad, new] = DEPLOYMENTS;
    let (output, bodies) = at_railway(SUCCESSFUL, "", target);
    assert!(succeeded(&output).ends_with(&format!("{new} is live")), "{output:?}");
    let mutations: Vec<&String> = bodies.iter().filter(|body| body.contains("mutation")).collect();
    let query = "mutation($id: String!) { deploymentRollback(id: $id) }";
    assert_eq!(mutations, [&format!("{{\"query\":\"{query}\",\"variables\":{{\"id\":\"{target}\"}}}}")]);
    assert_eq!(succeeded(&at_railway(SUCCESSFUL, "current", "").0), bad);
}

#[test]
fn railway_gets_no_impossible_request_and_its_errors_are_shown() {
    let [target, bad, new] = DEPLOYMENTS;
    let gone = Behaviour { can_rollback: false, ..SUCCESSFUL };
    let (output, bodies) = at_railway(gone, "", target);
    assert_refused(&output, "its image is gone. Deploy that version again");
    assert_eq!(rollback_requests(&bodies), 0);
    let (output, bodies) = at_railway(SUCCESSFUL, "", bad);
    assert_refused(
        &output,
        "Railway rejected the request: {\"data\":null,\"errors\":[{\"message\":\"Deployment not found\"}]}",
    );
    assert_eq!(rollback_requests(&bodies), 0);
    let (output, bodies) = at_railway(SUCCESSFUL, "", "1.4.2");
    assert_refused(&output, "'1.4.2' is not a deployment");
    assert_eq!(bodies.len(), 0);
    let crashes = Behaviour { statuses: &["DEPLOYING", "CRASHED"], ..SUCCESSFUL };
    assert_refused(
        &at_railway(crashes, "", target).0,
        &format!("{new}, the rollback to {target}, is CRASHED"),
    );
    let hangs = Behaviour { statuses: HANGING, ..SUCCESSFUL };
    assert_refused(&at_railway(hangs, "", target).0, "is still DEPLOYING");
}
