//! Runs a suite of smoke tests against a deployment: HTTP requests and commands, in parallel.
//!
//! It owns the suite file, the tests' order, retries, captured values, the reports, and the import of reports that
//! other runners wrote. It does not wait for a service to become healthy, which `dm-health` does, and it does not decide
//! about a rollback: `dm-rollback` reads the records. `http-expect` judges HTTP responses. `dm-health` reads its file of
//! targets by [`read_tables`], so that both files have the same words.
//!
//! ```text
//! suite file ─► Suite ─► run_suite ─► Test ─► report           stdout, files, annotations
//! JUnit, TAP ─► import ────────────────┘
//!                                       └───► Verdict ─► exit code, event
//! Hurl, Postman, OpenAPI ─► import_suite ─► suite file
//! ```

mod args;
mod failure;
mod import;
mod import_suite;
#[cfg(test)]
mod mutation;
mod plan;
mod redact;
mod report;
mod report_run;
mod run;
mod suite;
mod verdict;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use common::clock::{Clock, Stopwatch, SystemClock};
use common::exit::Exit;
use common::proxy::Proxies;
use common::{output, runtime};

use plan::{Import, SuiteRun};
use report_run::report_run;
use run::{Clients, RunContext};
use suite::model::Suite;
use verdict::{RunEnd, Verdict};

pub use args::{Args, TOOL};
pub use plan::{Plan, plan};
pub use suite::{Table, TableExpectation, TableFile, TableRequest, Tables, Tls, read_tables};

/// The example of a suite that `--new` writes. `docs/smoke.md` has the rest.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Carries out the plan.
///
/// # Errors
/// The suite cannot run at all, or the example or the result of the check cannot be written.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::New(path) => write_example(path.as_deref()),
        Plan::Translate(translation) => import_suite::write_suite(translation),
        Plan::Check(suite) => print_check(&suite),
        Plan::Run(run) => run_suite(&run),
        Plan::Import(import) => report_import(&import),
    }
}

fn write_example(path: Option<&Path>) -> Result<Exit> {
    let Some(path) = path else { return print(EXAMPLE) };
    let mut file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(EXAMPLE.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Exit::Success)
}

fn print_check(suite: &Suite) -> Result<Exit> {
    let tests = suite.tests.len();
    print(&format!("{}: {tests} test{}\n", suite.name, if tests == 1 { "" } else { "s" }))
}

fn print(text: &str) -> Result<Exit> {
    output::print(text).context("cannot write to stdout")?;
    Ok(Exit::Success)
}

fn run_suite(run: &SuiteRun) -> Result<Exit> {
    let context = RunContext {
        // A command may print the secrets in its environment.
        redactor: run.suite.secrets.clone().with_environment(),
        clients: Clients::new(&run.suite, run.reuse)?,
        proxies: Proxies::from_env().map_err(anyhow::Error::msg)?,
        env: command_env(run),
    };
    let places: Vec<_> = run.suite.tests.iter().map(|test| (Arc::clone(&test.file), test.line)).collect();
    report_run(&run.output, &places, places.len(), |report| {
        let stopwatch = Stopwatch::start(&SystemClock);
        let result = runtime::block_on_concurrent(
            run.limits.jobs,
            run::run_suite(&run.suite, &run.limits, context, report),
        )?;
        let duration = Some(stopwatch.elapsed(&SystemClock));
        let (tests, end) = result?;
        Ok(Verdict { tests, end, duration, flaky_fails: run.output.flaky_fails })
    })
}

/// Reports and records the results of another runner as if the tests had run here.
fn report_import(Import { output, source, runner_exit }: &Import) -> Result<Exit> {
    let imported = import::read(source);
    let duration = imported.tests.iter().map(|test| test.duration).sum();
    let tests = import::to_records(imported.tests, SystemClock.now());
    report_run(output, &[], tests.len(), |report| {
        for test in &tests {
            report.test(test).context("cannot write to stdout")?;
        }
        let end = imported.incomplete.map_or(RunEnd::Completed, RunEnd::Error);
        let verdict = Verdict { tests, end, duration: Some(duration), flaky_fails: output.flaky_fails };
        Ok(verdict.with_runner_exit(runner_exit.unwrap_or_default()))
    })
}

/// The environment variables that every command gets.
fn command_env(run: &SuiteRun) -> Vec<(&'static str, String)> {
    let mut env = run.output.context.child_env();
    env.extend(
        run.base_url.as_ref().map(|url| ("DM_BASE_URL", url.as_str().trim_end_matches('/').to_owned())),
    );
    env
}
