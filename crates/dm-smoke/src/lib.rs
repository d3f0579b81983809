//! Runs a suite of smoke tests against what was deployed: HTTP requests and commands, in parallel.
//!
//! ```text
//! dm-smoke smoke.toml --base-url https://api --jobs 4 --format tap
//! ```
//!
//! 0: all passed; 1: at least one did not; 2: wrong usage or a bad suite, and nothing was run; 4: no tests;
//! 5: could not judge.

pub mod args;
pub mod assertion;
pub mod command_test;
pub mod document;
pub mod excerpt;
pub mod http_test;
pub mod outcome;
pub mod plan;
pub mod report;
pub mod runner;
pub mod suite;
pub mod suite_file;
pub mod verdict;

use std::io::{self, ErrorKind, Write};

use anyhow::{Context as _, Result, anyhow};
use common::cli::{Context, Tool, warn};
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::{Detail, Event, EventId, FORMAT, TestResult};
use common::exit::Exit;
use common::gateway::Scope;
use common::label::Stage;
use common::metrics::Work;
use common::record::Recorder;
use common::stream::Start;

use http_test::Clients;
use plan::{Plan, Run};
use report::Report;
use runner::Surroundings;
use suite::Suite;
use verdict::{Ended, Verdict};

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-smoke", wrapper: false };

/// Does what the plan says.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::Check(suite) => check(&suite),
        Plan::Run(run) => smoke(*run),
    }
}

fn check(suite: &Suite) -> Result<Exit> {
    let tests = suite.tests.len();
    let line = format!("{}: {tests} test{}\n", suite.name, if tests == 1 { "" } else { "s" });
    match io::stdout().write_all(line.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(Exit::Good),
    }
}

fn smoke(run: Run) -> Result<Exit> {
    let clock = SystemClock;
    let stopwatch = Stopwatch::start(&clock);
    let stage: Stage = "smoke_test".parse().map_err(|error: String| anyhow!(error))?;
    let id = EventId::random();
    let surroundings = Surroundings { clients: Clients::new(&run.suite)?, env: environment(&run) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start = start(&run.context, &id, stopwatch);
    let mut report = Report::begin(run.format, io::stdout(), start, run.suite.tests.len())
        .context("cannot write to stdout")?;
    let recorder = Recorder::begin(&run.context.sinks, scope(&run.context, &stage, stopwatch), &clock);

    let told = runtime.block_on(runner::run(&run.suite, run.jobs, surroundings, &mut report));
    // A name that is still being resolved would be waited for.
    runtime.shutdown_background();
    let mut verdict = told.unwrap_or_else(|error| broken(Vec::new(), &error));
    if let Err(error) = report.end(&verdict, clock.now()) {
        verdict = broken(verdict.tests, &anyhow!(error).context("cannot write to stdout"));
    }
    if let Ended::Broken(why) = &verdict.ended {
        warn(TOOL.name, std::slice::from_ref(why));
    }
    let event = event(run, &verdict, id, stage, stopwatch, &clock);
    warn(TOOL.name, &recorder.finish(&event, &clock));
    Ok(verdict.exit())
}

fn broken(tests: Vec<common::stream::Test>, error: &anyhow::Error) -> Verdict {
    Verdict { tests, ended: Ended::Broken(format!("{error:#}")) }
}

/// What the commands find in their environment.
fn environment(run: &Run) -> Vec<(&'static str, String)> {
    let identity = &run.context.identity;
    let mut env = vec![
        ("DM_DEPLOYMENT_ID", identity.deployment.to_string()),
        ("DM_SERVICE", identity.service.to_string()),
        ("DM_ENVIRONMENT", identity.environment.to_string()),
    ];
    env.extend(
        run.base_url.as_ref().map(|url| ("DM_BASE_URL", url.as_str().trim_end_matches('/').to_owned())),
    );
    env
}

fn start(context: &Context, id: &EventId, stopwatch: Stopwatch) -> Start {
    let identity = &context.identity;
    Start {
        tool: context.tool.to_owned(),
        run: id.as_str().to_owned(),
        service: identity.service.to_string(),
        environment: identity.environment.to_string(),
        deployment: identity.deployment.to_string(),
        ts: stopwatch.started_at,
        interval_ms: None,
    }
}

fn scope(context: &Context, stage: &Stage, stopwatch: Stopwatch) -> Scope {
    Scope {
        identity: context.identity.clone(),
        stage: stage.clone(),
        parent: context.parent.clone(),
        work: Work::Smoke,
        started_at: stopwatch.started_at,
    }
}

fn event(
    run: Run,
    verdict: &Verdict,
    id: EventId,
    stage: Stage,
    stopwatch: Stopwatch,
    clock: &dyn Clock,
) -> Event {
    let (status, error_type) = verdict.status();
    let results = TestResult::ALL.iter().map(|&result| (result, verdict.count(result))).collect();
    Event {
        v: FORMAT,
        detail: Detail::Smoke { suite: run.suite.name, results },
        id,
        ts: clock.now(),
        tool: TOOL.name.to_owned(),
        identity: run.context.identity,
        stage,
        parent: run.context.parent,
        status,
        duration_s: Some(stopwatch.elapsed(clock).as_secs_f64()),
        error_type,
    }
}
