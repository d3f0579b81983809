//! Runs a suite of smoke tests against what was deployed: HTTP requests and commands, in parallel.
//!
//! ```text
//! dm-smoke smoke.toml --base-url https://api --jobs 4 --format tap
//! ```
//!
//! 0: all passed; 1: at least one did not; 2: wrong usage or a bad suite, and nothing was run; 4: no tests;
//! 5: could not judge.

pub mod args;
pub mod attempts;
pub mod command_test;
pub mod excerpt;
pub mod http_test;
pub mod import;
#[cfg(test)]
mod mutation;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod runner;
pub mod schedule;
pub mod secret;
pub mod suite;
pub mod verdict;

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use common::cli::warn;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::{Completion, Detail, EventId, TestResult};
use common::exit::Exit;
use common::label::Stage;
use telemetry::recorder::Recorder;
use telemetry::work::WorkKind;

use args::ReportFile;
pub use args::TOOL;
use http_test::Clients;
use import::ReportSource;
use plan::{Output, Plan, Run};
use report::{Head, Report};
use runner::Surroundings;
use suite::model::Suite;
use verdict::{Ended, Verdict};

/// Does what the plan says.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::New(path) => write_example(path.as_deref()),
        Plan::Check(suite) => check(&suite),
        Plan::Run(run) => smoke(&run),
        Plan::Import(output, source) => import(&output, &source),
    }
}

fn check(suite: &Suite) -> Result<Exit> {
    let tests = suite.tests.len();
    print(&format!("{}: {tests} test{}\n", suite.name, if tests == 1 { "" } else { "s" }))
}

/// An example of a suite, in which every key is used.
pub const EXAMPLE: &str = include_str!("example.toml");

fn write_example(path: Option<&Path>) -> Result<Exit> {
    let Some(path) = path else { return print(EXAMPLE) };
    let mut file = File::create_new(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(EXAMPLE.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Exit::Success)
}

fn print(text: &str) -> Result<Exit> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(Exit::Success),
    }
}

fn smoke(run: &Run) -> Result<Exit> {
    let surroundings = Surroundings {
        // A command may show what it finds in its environment.
        secrets: run.suite.secrets.clone().with_environment(),
        clients: Clients::new(&run.suite, run.reuse)?,
        env: environment(run),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lines: Vec<usize> = run.suite.tests.iter().map(|test| test.line).collect();
    told(&run.output, &lines, lines.len(), |report| {
        let stopwatch = Stopwatch::start(&SystemClock);
        let told = runtime.block_on(runner::run(&run.suite, &run.limits, surroundings, report));
        let took = Some(stopwatch.elapsed(&SystemClock));
        // A name that is still being resolved would be waited for.
        runtime.shutdown_background();
        let (tests, ended) = told?;
        Ok(Verdict { tests, ended, took, flaky_fails: run.output.flaky_fails })
    })
}

/// What another runner found, as if it had been found here.
fn import(output: &Output, source: &ReportSource) -> Result<Exit> {
    let imported = import::read(source);
    let tests = import::to_records(imported.tests, SystemClock.now());
    told(output, &[], tests.len(), |report| {
        for test in &tests {
            report.test(test).context("cannot write to stdout")?;
        }
        let ended = imported.incomplete.map_or(Ended::Whole, Ended::Broken);
        Ok(Verdict { tests, ended, took: None, flaky_fails: output.flaky_fails })
    })
}

/// Tells and records what comes of so many tests, which stand in these lines of their file.
fn told(
    output: &Output,
    lines: &[usize],
    tests: usize,
    act: impl FnOnce(&mut Report<io::Stdout>) -> Result<Verdict>,
) -> Result<Exit> {
    let clock = SystemClock;
    let stopwatch = Stopwatch::start(&clock);
    let stage: Stage = "smoke_test".parse().map_err(|error: String| anyhow!(error))?;
    let id = EventId::random();
    let start = output.context.stream_start(&id, stopwatch.started_at, None);
    let head = Head { start, suite: output.suite.to_string(), tests };
    let mut report = Report::begin(output.format, io::stdout(), &head)
        .context("cannot write to stdout")?
        .for_people(tests);
    let scope = output.context.work_item(&stage, WorkKind::Smoke, stopwatch.started_at);
    let recorder = Recorder::begin(&output.context.sinks, scope, &clock);

    let mut verdict = act(&mut report).unwrap_or_else(|error| Verdict {
        tests: Vec::new(),
        ended: broken(&error),
        took: None,
        flaky_fails: output.flaky_fails,
    });
    for ReportFile { format, path } in &output.reports {
        if let Err(error) = report::write_file(path, *format, &head, &verdict, clock.now()) {
            let error = anyhow!(error).context(format!("cannot write the report {}", path.display()));
            verdict.ended = broken(&error);
        }
    }
    if let Err(error) = report.end(&verdict, clock.now()) {
        verdict.ended = broken(&anyhow!(error).context("cannot write to stdout"));
    }
    if output.annotate {
        annotate(output.file.as_deref(), lines, &verdict.tests);
    }
    if let Ended::Broken(why) = &verdict.ended {
        warn(TOOL.name, std::slice::from_ref(why));
    }
    let (status, reason) = verdict.status();
    let results = TestResult::ALL.iter().map(|&result| (result, verdict.count(result))).collect();
    let ended = Completion { id, ts: clock.now(), duration: Some(stopwatch.elapsed(&clock)), status, reason };
    let event = output.context.event(&stage, ended, Detail::Smoke { suite: output.suite.clone(), results });
    Ok(output.context.conclude(verdict.exit(), &recorder.finish(&event, &clock)))
}

fn annotate(file: Option<&Path>, lines: &[usize], tests: &[common::records::Test]) {
    let annotations = tests.iter().filter_map(|test| {
        let line = usize::try_from(test.seq).ok().and_then(|seq| lines.get(seq.checked_sub(1)?)).copied();
        report::annotation::of(test, file.zip(line))
    });
    // Without a stderr there is nobody to tell.
    let _ = io::stderr().write_all(annotations.collect::<String>().as_bytes());
}

fn broken(error: &anyhow::Error) -> Ended {
    Ended::Broken(format!("{error:#}"))
}

/// What the commands find in their environment.
fn environment(run: &Run) -> Vec<(&'static str, String)> {
    let mut env = run.output.context.child_env();
    env.extend(
        run.base_url.as_ref().map(|url| ("DM_BASE_URL", url.as_str().trim_end_matches('/').to_owned())),
    );
    env
}
