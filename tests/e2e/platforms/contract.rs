//! What every script of `scripts/rollback` has to do.

use std::path::Path;
use std::process::Output;

use super::{Fake, Platform, Stage};

/// All checks of the contract.
pub(super) fn check(platform: &Platform) {
    shows_what_is_live(platform);
    restores_and_then_finds_nothing_to_do(platform);
    is_not_misled_by_a_newer_release(platform);
    says_when_it_failed(platform);
    refuses_what_is_no_release(platform);
    refuses_misspelt_settings(platform);
    misses_programs(platform);
}

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The exit code is 1 or 2, and the last line on stderr is of the script.
fn assert_refused(platform: &Platform, output: &Output, code: i32, what: &str) {
    let (actual, stdout, stderr) = text(output);
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        actual == Some(code) && last.starts_with(&format!("{}.sh: ", platform.script)) && last.len() > 25,
        "{} {what}: {actual:?}\n{stdout}\n{stderr}",
        platform.script
    );
}

fn assert_current(platform: &Platform, scenario: &str, expected: Option<&str>) {
    let stage = Stage::new(platform, scenario);
    let output = stage.run(platform, &["current"]);
    match expected {
        Some(release) => assert_eq!(
            text(&output),
            (Some(0), format!("{release}\n"), String::new()),
            "{} {scenario}",
            platform.script
        ),
        None => assert_refused(platform, &output, 1, scenario),
    }
    assert_eq!(stage.changes(platform), Vec::<String>::new());
}

/// One line with the live release; never one that failed, is not ready yet, or cannot be known.
fn shows_what_is_live(platform: &Platform) {
    assert_current(platform, "good", Some(platform.bad));
    assert_current(platform, "live", Some(platform.target));
    assert_current(platform, "failed", platform.after_failure);
    assert_current(platform, "denied", None);
    let stage = Stage::new(platform, "pending");
    let (code, stdout, stderr) = text(&stage.run(platform, &["current"]));
    // The release before may be live still, but never the one that is not ready.
    assert!(
        code == Some(1) && stdout.is_empty() || stdout.trim() == platform.target,
        "{}: {stdout}{stderr}",
        platform.script
    );
}

fn restores_and_then_finds_nothing_to_do(platform: &Platform) {
    let stage = Stage::new(platform, "good");
    let (code, stdout, stderr) = text(&stage.run(platform, &[]));
    assert_eq!(code, Some(0), "{}: {stdout}\n{stderr}", platform.script);
    assert!(stdout.contains(platform.target) && stdout.contains("is live"), "{stdout}");
    let changes = stage.changes(platform);
    assert!(
        changes.len() == platform.changes.len()
            && changes.iter().zip(platform.changes).all(|(call, change)| call.starts_with(change)),
        "{}: {changes:?}",
        platform.script
    );
    let (_, now, _) = text(&stage.run(platform, &["current"]));
    assert_eq!(now.trim(), platform.restored, "{}", platform.script);

    let stage = Stage::new(platform, "live");
    let (code, stdout, stderr) = text(&stage.run(platform, &[]));
    assert_eq!(code, Some(0), "{}: {stderr}", platform.script);
    assert!(stdout.contains("is already live"), "{stdout}");
    assert_eq!(stage.changes(platform), Vec::<String>::new());
    assert_no_secrets(platform, stage.folder());
}

/// A release that failed or is not ready yet may have replaced a part of the good one, or may do so yet.
fn is_not_misled_by_a_newer_release(platform: &Platform) {
    for scenario in ["failed", "pending"] {
        let stage = Stage::new(platform, scenario);
        let (code, stdout, stderr) = text(&stage.run(platform, &[]));
        assert_eq!(code, Some(0), "{} {scenario}: {stdout}\n{stderr}", platform.script);
        let acted = !stage.changes(platform).is_empty();
        let has_to = scenario == "pending" || !platform.failures_stay_out;
        assert_eq!(acted, has_to, "{} {scenario}: {stdout}", platform.script);
    }
}

fn says_when_it_failed(platform: &Platform) {
    let limit = format!("{}_TIMEOUT", platform.prefix);
    for scenario in ["denied", "gone", "breaks", "wrong", "stuck", "phase"] {
        let stage = Stage::new(platform, scenario);
        if scenario == "phase" && !platform.knows_a_failed_rollback() {
            continue;
        }
        let seconds = if matches!(scenario, "wrong" | "stuck") { "2" } else { "60" };
        let output = stage.run_with(platform, &[], &[(&limit, seconds)]);
        assert_refused(platform, &output, 1, scenario);
        if matches!(scenario, "denied" | "gone") {
            assert!(!stage.world.has_rolled(), "{} {scenario}", platform.script);
        }
        assert_no_secrets(platform, stage.folder());
    }
    // A platform that does not answer.
    let stage = Stage::new(platform, "hangs");
    let mut changed = vec![(limit.as_str(), "1")];
    let hanging = testkit::fault::hanging();
    if let Fake::Api(_, address) = platform.fake {
        changed.push((address, &hanging));
    }
    for arguments in [[].as_slice(), &["current"]] {
        assert_refused(platform, &stage.run_with(platform, arguments, &changed), 1, "hangs");
    }
}

/// Texts that a shell, a terminal or a command line could take for something else than a name.
const HOSTILE: &[&str] = &[
    "--help",
    "-x",
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb",
    "a;touch pwned",
    "a&b",
    "a\"b",
    "a'b",
    "a$IFS",
    "\u{1b}[31mred",
    "a|b",
    "a,b;",
    "{}",
];

/// Nothing is called with a wrong release, and a version name is never taken for the number of a release.
fn refuses_what_is_no_release(platform: &Platform) {
    let stage = Stage::new(platform, "good");
    for release in HOSTILE.iter().chain(&["../x", "1.0 --force", "a b", "*"]) {
        assert_untouched(platform, &stage, &[], &[("DM_ROLLBACK_RELEASE", release)]);
    }
    for version in ["", "2", "12", "v2", "1.4.1"] {
        if !platform.takes_versions || version.is_empty() {
            let changed = [("DM_ROLLBACK_RELEASE", ""), ("DM_ROLLBACK_TARGET", version)];
            assert_untouched(platform, &stage, &[], &changed);
        }
    }
    for arguments in [["--current"].as_slice(), &["rollback"], &["current", "x"], &["$(touch pwned)"]] {
        assert_untouched(platform, &stage, arguments, &[]);
    }
}

fn refuses_misspelt_settings(platform: &Platform) {
    let stage = Stage::new(platform, "good");
    let limits = [format!("{}_TIMEOUT", platform.prefix), format!("{}_INTERVAL", platform.prefix)];
    let names = platform.settings.iter().map(|(name, _)| *name).chain(limits.iter().map(String::as_str));
    for name in names {
        for (index, value) in HOSTILE.iter().enumerate() {
            let arguments = if index % 2 == 0 { [].as_slice() } else { &["current"] };
            let stderr = assert_untouched(platform, &stage, arguments, &[(name, value)]);
            let is_shown = value.len() > 5 && stderr.contains(value);
            assert!(!platform.secrets.contains(&name) || !is_shown, "{name} is shown: {stderr}");
        }
    }
}

/// The exit code is 2, and nothing was called. Returns stderr.
fn assert_untouched(
    platform: &Platform,
    stage: &Stage,
    arguments: &[&str],
    changed: &[(&str, &str)],
) -> String {
    let output = stage.run_with(platform, arguments, changed);
    let what = format!("{arguments:?} {changed:?}");
    assert_refused(platform, &output, 2, &what);
    assert_eq!(stage.world.calls(), Vec::<String>::new(), "{} {what}", platform.script);
    assert!(!stage.folder().join("pwned").exists(), "{} {what}", platform.script);
    let (_, _, stderr) = text(&output);
    assert!(!stderr.trim_end_matches('\n').contains(char::is_control), "{stderr:?}");
    assert_no_secrets(platform, stage.folder());
    stderr
}

/// A missing program is a fault of the setup, and is named.
fn misses_programs(platform: &Platform) {
    let program = match platform.fake {
        Fake::Program(name) => name,
        Fake::Api(..) => "curl",
    };
    for arguments in [[].as_slice(), &["current"]] {
        let stage = Stage::new(platform, "good");
        for place in ["bin", "tools"] {
            let _ = std::fs::remove_file(stage.folder().join(place).join(program));
        }
        let output = stage.run(platform, arguments);
        assert_refused(platform, &output, 2, "without its program");
        assert!(text(&output).2.contains(program), "{output:?}");
    }
}

/// Every user of a machine can see the arguments of its processes.
fn assert_no_secrets(platform: &Platform, folder: &Path) {
    let arguments = std::fs::read_to_string(folder.join("arguments")).unwrap_or_default();
    for name in platform.secrets {
        let (_, secret) = platform.settings.iter().find(|(known, _)| known == name).unwrap();
        assert!(!arguments.contains(secret), "{}: {arguments}", platform.script);
    }
}

impl Platform {
    /// Whether the platform has a status for a rollback that failed, so that there is no need to wait.
    fn knows_a_failed_rollback(&self) -> bool {
        matches!(self.script, "ecs" | "heroku" | "railway" | "render" | "vercel")
    }
}
