//! The page of a run: whichever way a deployment fails, its first line says which stage failed, why, what is live, and
//! whether the rollback worked.

use std::fmt::Write as _;
use std::process::{Command, Stdio};

use markdown::mdast::Node;
use markdown::{CompileOptions, Options, ParseOptions};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use regex_lite::Regex;
use testkit::bin;
use testkit::postgres::{self, Postgres};
use testkit::process::kill_tree;
use testkit::server::eventually;
use testkit::site::Site;

/// A way in which a deployment of version 2 ends, on a site on which version 1 is live as release r-1.
struct Case {
    name: &'static str,
    /// What makes it fail, as lines of the configuration.
    config: &'static str,
    /// The page of version 2 that fails.
    fault: &'static str,
    is_watched: bool,
    code: i32,
    /// What a reader sees in the first line; `…` stands for anything.
    first_line: &'static str,
    /// What else the page says.
    also: &'static [&'static str],
}

const CASE: Case =
    Case { name: "", config: "", fault: "", is_watched: false, code: 10, first_line: "", also: &[] };

const CASES: [Case; 11] = [
    Case {
        name: "good",
        is_watched: true,
        code: 0,
        first_line: "✅ deployed 2 in …s, kept: 0 of … requests failed",
        also: &["| api/deploy | ✅ ok |", "| api/health\\_check | ✅ ok |", "section api"],
        ..CASE
    },
    Case {
        name: "build failed",
        config: "API_BUILD='echo no space left on device >&2; exit 3'",
        code: 1,
        first_line: "❌ FAILED at build: exit code 3: no space left on device; nothing was deployed; release r-1 is live",
        also: &["The end of the output of api/build", "```text\nno space left on device\n```"],
        ..CASE
    },
    Case {
        name: "deploy failed",
        config: "API_DEPLOY+='; echo quota exceeded; exit 7'",
        first_line: "❌ FAILED at deploy: exit code 7: quota exceeded; api rolled back to 1, verified",
        also: &["```text\nquota exceeded\n```", "| api/rollback | ↩️ rolled back |"],
        ..CASE
    },
    Case {
        name: "unhealthy",
        config: "HEALTH_DEADLINE=400ms",
        fault: "health",
        first_line: "❌ FAILED at health check: api was not healthy within 400ms; the last failure: status 500, expected 2xx \
                     (bad_status); the response begins with \"{\"version\":\"2\"}\"; api rolled back to 1, verified",
        also: &["| api/health\\_check | ❌ timed out |"],
        ..CASE
    },
    Case {
        name: "migration failed",
        config: "DATABASE_MIGRATE='echo no column z >&2; exit 3'",
        code: 1,
        first_line: "❌ FAILED at migration: exit code 3: no column z; nothing was deployed; release r-1 is live",
        also: &["```text\nno column z\n```"],
        ..CASE
    },
    Case {
        name: "smoke test failed",
        config: "SMOKE_SUITE=smoke.toml",
        fault: "page",
        first_line: "❌ FAILED at smoke test: \"the page is there\": …status 500, expected 2xx…; api rolled back to 1, verified",
        also: &["| the page is there | ", "status 500, expected 2xx"],
        ..CASE
    },
    Case {
        name: "error rate",
        fault: "orders",
        is_watched: true,
        first_line: "❌ FAILED at watch: … of … requests failed (probe, … %): more than 5 %…; api rolled back to 1, verified",
        also: &["| api/health\\_check | ⚠️ ended |"],
        ..CASE
    },
    Case {
        name: "inconclusive",
        config: "WATCH=60ms WATCH_INTERVAL=20ms",
        is_watched: true,
        code: 3,
        first_line: "❔ INCONCLUSIVE: …; 2 may be live",
        ..CASE
    },
    Case {
        name: "rollback refused",
        config: "API_DEPLOY+='; exit 7' MAX_ROLLBACKS_PER_DAY=0",
        code: 11,
        first_line: "❌ FAILED at deploy: exit code 7; api NOT rolled back: … 0 are allowed…; 2 may be live",
        also: &["| api/verdict | ❌ NOT rolled back |"],
        ..CASE
    },
    Case {
        name: "rollback failed",
        config: "API_DEPLOY+='; exit 7' API_ROLLBACK='exit 4'",
        code: 12,
        first_line: "❌ FAILED at deploy: exit code 7; the rollback of api to 1 FAILED: its command ended with exit code 4. …; 2 may be live",
        also: &["DEPLOYMENT_DeploymentRollbackFailed.md"],
        ..CASE
    },
    Case {
        name: "hostile output",
        config: "API_DEPLOY+='; printf \"%s\\\\n\" \"<script>x</script> [a](http://evil.example) @all | **b**\" ::error::x \"\\`\\`\\`\"; exit 7'",
        first_line: "❌ FAILED at deploy: exit code 7: ```; api rolled back to 1, verified",
        also: &["````text\n<script>x</script> [a](http://evil.example) @all | **b**\n::error::x\n```\n````"],
        ..CASE
    },
];

/// A deployment of version 2 in a run of GitHub Actions.
fn deployment(site: &Site, config: &str) -> Command {
    let mut command = site.deploy(&["api"], "2", config);
    let variables = [
        ("CI", "true"),
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/shop"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_RUN_ID", "77"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ("GITHUB_ACTOR", "ada"),
        ("DM_DASHBOARD_URL", "https://grafana.example.com/d/dm-deployment-pipeline"),
        ("DM_RUNBOOK_URL", "https://github.com/acme/shop/blob/main/docs/runbooks"),
    ];
    command.envs(variables).env("GITHUB_STEP_SUMMARY", site.machine().folder().join("summary.md"));
    command
}

/// The text of the first paragraph, as a reader sees it.
fn first_line(page: &str) -> String {
    let Node::Root(root) = markdown::to_mdast(page, &ParseOptions::gfm()).unwrap() else { panic!("{page}") };
    root.children[0].to_string()
}

/// Whether `text` is `pattern`, in which `…` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    for part in parts.clone().take(parts.clone().count().saturating_sub(1)) {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    parts.next_back().map_or(rest.is_empty(), |last| rest.ends_with(last))
}

/// Keeps the page next to the build, as HTML, for a person to look at.
fn keep(name: &str, page: &str) {
    let compile = CompileOptions { allow_dangerous_html: true, ..CompileOptions::gfm() };
    let html = markdown::to_html_with_options(page, &Options { compile, ..Options::gfm() }).unwrap();
    let folder = bin::build().join("run-pages");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name.replace(' ', "-"));
    common::fs::atomic::write(&file.with_extension("md"), page.as_bytes()).unwrap();
    common::fs::atomic::write(&file.with_extension("html"), html.as_bytes()).unwrap();
}

/// Checks the page, and adds a row about it.
fn check(case: &Case, page: &str, rows: &mut String) {
    let Case { name, first_line: expected, also, .. } = case;
    keep(name, page);
    let first = first_line(page);
    writeln!(rows, "{name:<18} {first}").unwrap();
    assert!(is_like(&first, expected), "{name}: {first:?} is not {expected:?}\n{page}");
    let links = [
        "[run](<https://github.com/acme/shop/actions/runs/77>)",
        "[commit 0123456789ab](<https://github.com/acme/shop/commit/0123456789abcdef0123456789abcdef01234567>)",
        "[dashboard](<https://grafana.example.com/d/dm-deployment-pipeline?var-service=shop&var-environment=production&from=",
    ];
    let unlinked =
        Regex::new(r"\[([^\]]*)\]\(<[^>]*>\)").unwrap().replace_all(page, "$1").replace("&nbsp;", " ");
    assert!(links.iter().all(|link| page.contains(link)), "{name}: {page}");
    for part in *also {
        assert!(unlinked.contains(part) || page.contains(part), "{name}: no {part:?} in\n{page}");
    }
}

#[test]
fn the_first_line_answers_the_four_questions() {
    let mut rows = String::new();
    for case in &CASES {
        let site = Site::with_good_version();
        site.write("faults/2", case.fault);
        let watch = if case.is_watched { site.watch("api") } else { String::new() };
        let output = deployment(&site, &format!("{watch}\n{}", case.config)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(case.code), "{}: {said}", case.name);
        check(case, &site.read("summary.md"), &mut rows);
        // The annotation says the same as the first line, and nothing else of the output is a command.
        let is_annotated = said.lines().any(|line| line.starts_with("::error title=shop%3A deployment "));
        assert_eq!(is_annotated, case.code != 0, "{}: {said}", case.name);
        assert!(!said.contains("\n::error::x") || case.name == "hostile output", "{said}");
    }
    println!("{rows}");
}

#[test]
fn a_migration_that_waited_for_a_lock_names_who_held_it() {
    let (site, server) = (Site::with_good_version(), Postgres::start());
    server.sql("create table orders (id int)");
    let blocker = server.session("postgres", "report", "begin; select * from orders limit 0");
    let psql = postgres::program("psql");
    let config = format!(
        "DATABASE_MIGRATE='exec {} $DATABASE_URL -Xqv ON_ERROR_STOP=1 -c \"alter table orders add note text\"'\n\
         export DATABASE_URL='{}' DM_LOCK_TIMEOUT=1500ms DM_LOCK_RETRIES=0",
        psql.display(),
        server.url("postgres")
    );
    let output = deployment(&site, &config).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    blocker.end();
    let case = Case {
        name: "migration blocked",
        first_line: "❌ FAILED at migration: the migration gave up after waiting …s for a lock: blocked by pid …, user postgres, \
                     app \"report\", idle in transaction for …; nothing was deployed; release r-1 is live",
        also: &["app \"report\", idle in transaction", "DEPLOYMENT_DatabaseMigrationSlow.md"],
        ..CASE
    };
    let mut rows = String::new();
    check(&case, &site.read("summary.md"), &mut rows);
    println!("{rows}");
}

/// A deployment whose deploy command never ends, once it runs.
fn deploying(site: &Site) -> std::process::Child {
    let mut command = deployment(site, "API_DEPLOY='mkfifo never; read -r line < never'");
    let runner = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The command may begin before it is on record.
    eventually("the deploy command on record", || {
        let timeline = site.machine().tool("dm-stage").arg("--timeline").output().unwrap();
        let timeline = String::from_utf8_lossy(&timeline.stdout).into_owned();
        let is_running = |line: &str| line.contains("api/deploy ") && line.contains("running");
        if timeline.lines().any(is_running) { Ok(()) } else { Err(timeline) }
    });
    runner
}

#[test]
fn a_run_that_is_stopped_says_what_may_be_live() {
    let mut rows = String::new();
    let site = Site::with_good_version();
    let mut cancelled = deploying(&site);
    signal::kill(Pid::from_raw(cancelled.id().cast_signed()), Signal::SIGTERM).unwrap();
    cancelled.wait().unwrap();
    let case = Case { name: "cancelled", first_line: "🚫 CANCELLED during deploy; 2 may be live", ..CASE };
    check(&case, &site.read("summary.md"), &mut rows);

    let site = Site::with_good_version();
    let mut killed = deploying(&site);
    kill_tree(killed.id().cast_signed());
    killed.wait().unwrap();
    assert_eq!(site.read("summary.md"), "", "nobody is left to write it");
    // What a later step of the job writes, as in deploy-full-stack.yml.
    let mut tool = site.machine().tool("dm-stage");
    tool.env("DM_DASHBOARD_URL", "https://grafana.example.com/d/dm-deployment-pipeline");
    let page = tool.args(["--timeline", "77-1", "--format", "markdown"]).output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    let case = Case {
        name: "killed",
        first_line: "💥 INTERRUPTED during deploy: its processes were killed; 2 may be live",
        also: &["| api/deploy | "],
        ..CASE
    };
    check(&case, &page, &mut rows);
    println!("{rows}");
}
