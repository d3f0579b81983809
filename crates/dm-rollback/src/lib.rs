//! Decides, from evidence, whether to roll back; does it, and verifies it.
//!
//! ```text
//! dm-health --url https://api/health --watch 5m | dm-rollback --if-error-rate 5 -- ./rollback.sh
//! ```
//!
//! | exit | meaning |
//! | --- | --- |
//! | 0 | keep: good, and proven |
//! | 3 | inconclusive: no data, too little, or the producer died |
//! | 10 | rolled back, and seen to work again |
//! | 11 | a rollback is wanted and was not done: `--dry-run`, or a safeguard |
//! | 12 | a rollback was tried, and failed or was not verified |
//! | 75 | a rollback is wanted, and another runs or was a moment ago |

pub mod act;
pub mod alertmanager;
pub mod args;
pub mod decision;
pub mod evidence;
pub mod facts;
pub mod guard;
pub mod history;
pub mod ledger;
pub mod order;
pub mod plan;
pub mod report;
pub mod safeguard_args;
pub mod safeguards;
pub mod source;
pub mod tell;
pub mod way_back;
pub mod webhook;

use anyhow::{Context as _, Result};
use common::cli::Tool;
use common::clock::{Clock, Stopwatch, SystemClock};
use common::event::Completion;
use common::event::{Detail, Event, EventId, Reason, RollbackResult, Status};
use common::exit::Exit;
use common::records::{Decision, Verdict};
use telemetry::journal::Journal;
use telemetry::recorder::Recorder;
use telemetry::work::WorkKind;

use plan::Plan;
use report::Report;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-rollback", wrapper: false };

/// Reads the evidence, decides, acts, and says what came of it.
pub fn run(plan: Plan) -> Result<Exit> {
    let clock = SystemClock;
    let began = clock.now();
    let (verdict, plan) = judge(plan, &clock)?;

    // The clock of the rollback itself: what was watched before belongs to the stage that watched.
    let stopwatch = Stopwatch::start(&clock);
    let scope = plan.context.work_item(&plan.stage, WorkKind::Rollback, stopwatch.started_at);
    let recorder = Recorder::begin(&plan.context.sinks, scope, &clock);
    let mut report = Report::begin(plan.format, &plan.context, &clock);
    report.verdict(&verdict);
    let acted = guard::act_on(&verdict, &plan, began, &mut report, &clock);
    tell::tell(&plan, &verdict, &acted, stopwatch.elapsed(&clock), clock.now());
    let event = event(&plan, &verdict, acted.result, &stopwatch, &clock);
    let exit = plan.context.conclude(acted.exit, &recorder.finish(&event, &clock));
    match report.end(exit, &clock) {
        Err(error) if exit == Exit::Success => Err(error).context("cannot write to stdout"),
        Err(error) => {
            // What was done is done, and its code says so.
            report::note(&format!("cannot write to stdout: {error}"));
            Ok(exit)
        }
        Ok(()) => Ok(exit),
    }
}

/// The verdict, and the plan with what the evidence tells beside it. An alert on stdin is judged first; where it is a
/// reason to roll back, the sources that were named have to agree.
fn judge(mut plan: Plan, clock: &dyn Clock) -> Result<(Verdict, Plan)> {
    if let Some(hook) = &plan.hook {
        let journal = plan.context.sinks.state_dir.as_deref().map(Journal::new);
        let verdict =
            hook.judge(std::io::stdin().lock(), &mut plan.context.identity, journal.as_ref(), clock.now());
        if verdict.verdict != Decision::Rollback || plan.policy.is_empty() {
            return Ok((verdict, plan));
        }
    }
    let evidence = plan.sources.gather(clock)?;
    Ok((decision::decide(&plan.policy, &evidence, clock.now()), plan.of_stream(&evidence)))
}

fn event(
    plan: &Plan,
    verdict: &Verdict,
    result: Option<RollbackResult>,
    stopwatch: &Stopwatch,
    clock: &dyn Clock,
) -> Event {
    let (status, reason) = match result {
        Some(RollbackResult::Verified) => (Status::Success, None),
        Some(RollbackResult::Unverified | RollbackResult::Failed) => {
            (Status::Failure, Some(Reason::RollbackFailed))
        }
        None if verdict.verdict == Decision::Keep => (Status::Success, None),
        None => (Status::Skipped, None),
    };
    let ended = Completion {
        id: EventId::random(),
        ts: clock.now(),
        duration: Some(stopwatch.elapsed(clock)),
        status,
        reason,
    };
    let detail = Detail::Rollback {
        verdict: verdict.verdict.as_str().to_owned(),
        condition: verdict.condition,
        // The probes of a check that waits for a service to come up are no requests after a deployment.
        evidence: if plan.policy.error_rate.is_some() { verdict.sources.clone() } else { Vec::new() },
        result,
    };
    plan.context.event(&plan.stage, ended, detail)
}
