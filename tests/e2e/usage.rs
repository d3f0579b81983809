//! Wrong usage of a tool is one line and its own exit code, before anything runs.

use clap::CommandFactory as _;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use testkit::bin::Machine;

/// Each tool, the exit code of its usage errors, and valid arguments.
const TOOLS: [(&str, i32, &[&str]); 5] = [
    ("dm-stage", 125, &["build", "--", "true"]),
    ("dm-health", 2, &["--url", "http://127.0.0.1:1/"]),
    ("dm-smoke", 2, &["no-such-suite.toml"]),
    ("dm-migrate", 125, &["--", "true"]),
    ("dm-rollback", 2, &["--if-error-rate", "5", "--", "true"]),
];

fn fails(tool: &str, code: i32, args: &[&str], cause: &str) {
    let machine = Machine::new();
    let one_line = predicate::function(|text: &str| text.lines().count() == 1);
    assert_cmd::Command::from_std(machine.tool(tool))
        .args(args)
        .assert()
        .code(code)
        .stdout("")
        .stderr(contains(cause).and(one_line).and(starts_with(format!("{tool}: "))));
    assert!(machine.journal().is_empty(), "{tool} {args:?} did something");
}

#[test]
fn unknown_flags_bad_urls_and_durations_without_a_unit_are_one_line() {
    for (tool, code, valid) in TOOLS {
        let with = |flags: &[&'static str]| [flags, valid].concat();
        fails(tool, code, &with(&["--no-such-flag"]), "--no-such-flag");
        // Without --require-export, a wrong setting of recording is a warning. A missing suite is the first error.
        if tool != "dm-smoke" {
            let required = |flags: &[&'static str]| with(&[&["--require-export"], flags].concat());
            fails(tool, code, &required(&["--pushgateway-url", "gateway:9091"]), "not http or https");
            fails(tool, code, &required(&["--pushgateway-url", "not a url"]), "not a URL");
            let budget = ["--pushgateway-url", "http://127.0.0.1:1", "--export-budget", "2"];
            fails(tool, code, &required(&budget), "a duration needs a unit, such as 2s");
        }
        fails(tool, code, &with(&["--service", "a\nb"]), "control character");
    }
}

#[test]
fn an_invalid_url_is_not_printed() {
    for (tool, code, valid) in TOOLS.into_iter().filter(|(tool, ..)| *tool != "dm-smoke") {
        let machine = Machine::new().with("PUSHGATEWAY_URL", "http://deployer:hunter2@a b/");
        assert_cmd::Command::from_std(machine.tool(tool))
            .args(["--require-export"])
            .args(valid)
            .assert()
            .code(code)
            .stderr(contains("hunter2").not().and(contains("PUSHGATEWAY_URL is wrong")));
    }
}

/// The flags of a tool whose value is a URL, which may hold a password, or a secret.
fn secret_flags(tool: &str) -> Vec<String> {
    let command = match tool {
        "dm-stage" => dm_stage::Args::command(),
        "dm-health" => dm_health::Args::command(),
        "dm-smoke" => dm_smoke::Args::command(),
        "dm-migrate" => dm_migrate::Args::command(),
        _ => dm_rollback::Args::command(),
    };
    let is_secret = |flag: &&clap::Arg| {
        let names = format!("{:?} {:?} {:?}", flag.get_long(), flag.get_env(), flag.get_value_names());
        let names = names.to_lowercase();
        flag.get_action().takes_values()
            && ["url", "secret", "token", "password", "header"].iter().any(|word| names.contains(word))
    };
    command.get_arguments().filter(is_secret).filter_map(|flag| flag.get_long()).map(str::to_owned).collect()
}

#[test]
fn no_value_that_may_be_a_secret_is_printed() {
    for (tool, code, valid) in TOOLS {
        let flags = secret_flags(tool);
        assert!(flags.len() > 2, "{tool} {flags:?}");
        for flag in flags {
            for value in
                ["http://u:hunter2@h:99999/", "hunter2secrettoken", "ftp://u:hunter2@h/", "hunter2\u{1}"]
            {
                // What is no fault of the value has to be one of the arguments all the same: nothing runs.
                for given in
                    [&[value, "--no-such-flag"][..], &[value, "http://u:hunter2@h/", "--no-such-flag"]]
                {
                    let machine = Machine::new();
                    let mut command = assert_cmd::Command::from_std(machine.tool(tool));
                    let run = command.arg(format!("--{flag}")).args(given).args(valid).assert().code(code);
                    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
                    assert!(!said.contains("hunter2"), "{tool} --{flag} {given:?}: {said}");
                }
            }
        }
    }
    for (tool, code, flags) in [
        ("dm-health", 2, &["--url", "hunter2secrettoken"][..]),
        ("dm-health", 2, &["--url", "http://u:hunter2@h:99999/"]),
        ("dm-rollback", 2, &["--prometheus", "hunter2secrettoken"]),
    ] {
        let machine = Machine::new();
        let run = assert_cmd::Command::from_std(machine.tool(tool)).args(flags).assert().code(code);
        run.stderr(contains("hunter2").not());
    }
}

#[test]
fn a_missing_argument_is_named() {
    fails("dm-smoke", 2, &["no-such-suite.toml"], "no-such-suite.toml");
    fails("dm-health", 2, &[], "--url");
    fails("dm-health", 2, &["--url", "localhost"], "not a URL");
    fails("dm-stage", 125, &["build", "--"], "no command given");
    fails("dm-migrate", 125, &["--"], "no migration command given");
    fails("dm-rollback", 2, &["--if-error-rate", "5"], "no rollback command given");
    fails("dm-rollback", 2, &["--", "true"], "no condition given");
    fails("dm-rollback", 2, &["--if-error-rate", "500", "--", "true"], "a percentage above 0 and below 100");
}

#[test]
fn every_tool_has_help_with_examples_and_a_version() {
    for (tool, _, _) in TOOLS {
        let machine = Machine::new();
        let run = |flag| assert_cmd::Command::from_std(machine.tool(tool)).arg(flag).assert().success();
        run("--help").stdout(contains("Examples:").and(contains("PUSHGATEWAY_URL")));
        run("-V").stdout(format!("{tool} {}\n", env!("CARGO_PKG_VERSION")));
        run("--version").stdout(format!("{tool} {}\n", common::build_info::VERSION));
    }
}
