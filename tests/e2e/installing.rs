//! scripts/install.sh: installs the tools for a user.

use std::path::Path;
use std::process::{Command, Output};

use testkit::bin::{self, Machine};

fn install(prefix: &Path, from: &Path, args: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/install.sh");
    let mut command = Command::new(script);
    command.arg("--prefix").arg(prefix).arg("--from").arg(from).args(args);
    command.env("PATH", "/usr/bin:/bin").output().unwrap()
}

#[test]
fn the_tools_are_installed_with_their_manuals_and_completions() {
    let prefix = tempfile::tempdir().unwrap();
    let built = bin::path("dm-stage").parent().unwrap().to_owned();
    let output = install(prefix.path(), &built, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(stderr.contains("bin is not on PATH"), "{stderr}");
    for tool in ["dm-stage", "dm-health", "dm-smoke", "dm-migrate", "dm-rollback"] {
        let program = prefix.path().join("bin").join(tool);
        let version = Command::new(program).arg("--version").output().unwrap();
        assert!(String::from_utf8_lossy(&version.stdout).starts_with(tool), "{version:?}");
        for file in [
            format!("man/man1/{tool}.1"),
            format!("bash-completion/completions/{tool}"),
            format!("zsh/site-functions/_{tool}"),
            format!("fish/vendor_completions.d/{tool}.fish"),
        ] {
            let text = std::fs::read_to_string(prefix.path().join("share").join(&file)).unwrap();
            assert!(text.contains(tool), "{file}");
        }
    }
}

#[test]
fn nothing_is_installed_if_a_tool_is_missing_or_unknown() {
    let (prefix, empty) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (args, cause) in [
        (&["dm-stage"][..], "there is no program dm-stage in"),
        (&["dm-stagee"], "unknown argument 'dm-stagee': the tools are dm-stage"),
        (&["--prefix"], "--prefix needs a folder"),
    ] {
        let output = install(prefix.path(), empty.path(), args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(cause), "{args:?}: {stderr}");
    }
    assert_eq!(prefix.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_script_with_the_helpers_runs_with_and_without_the_tools() {
    let helpers = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/metrics_utils.sh");
    let script = format!(
        ". '{}'\nset -eu\ndm_stage deployment --start > /dev/null\ndm_stage build --timeout 1m -- echo 'a  b' c\n\
         dm_migrate -- sh -c 'exit 7' || echo $?\ndm_stage docs --skip same -- echo never\n\
         dm_stage test --skip '' -- echo tested\ndm_stage lint ./lint.sh 2> /dev/null || echo $?\n\
         dm_stage deploy -- false\necho never",
        helpers.display()
    );
    let machine = Machine::new();
    for installed in [true, false] {
        let mut command = machine.shell(&script);
        if !installed {
            command.env("PATH", "/usr/bin:/bin");
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a  b c\n7\ntested\n125\n");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let missing = "dm-stage is not on PATH: commands run without it\n";
        assert_eq!(stderr, if installed { "" } else { missing });
    }
    let journal = machine.journal();
    let stages: Vec<&str> = journal.iter().filter_map(|event| event["stage"].as_str()).collect();
    assert_eq!(stages, ["deployment", "build", "migration", "docs", "test", "deploy"]);
}
