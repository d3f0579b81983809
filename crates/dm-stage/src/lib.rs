//! Runs a command as a stage of a deployment: times it, passes everything through, records it.
//!
//! It owns running a command as a stage ([`runner`], which `dm-migrate` also uses), retries, skipped stages, stages that
//! begin and end in different processes, and what people read of a deployment: the line and the page at its end, the
//! timeline, the history, the report. It does not own the child process itself (`child-process`) or
//! where events go (`telemetry`), and it judges nothing but the command's exit.
//!
//! ```text
//! dm-stage build -- cargo build
//! ```

mod announcement;
mod args;
mod audit;
mod deployment;
#[cfg(test)]
mod event_fixture;
mod exclusive;
mod flush;
mod follow;
mod history;
mod interrupted;
mod json;
mod page;
mod plan;
mod query;
mod report;
mod report_page;
mod retire;
pub mod runner;
mod sentence;
mod skip;
mod started_span;
mod timeline;
mod tool;
mod two_step;

use anyhow::Result;
use common::event::Detail;
use common::exit::Exit;
use notify::Notifiers;

use exclusive::Answer;
use report::Report;
use runner::StageRun;

pub use args::Args;
pub use plan::{Plan, plan};
pub use runner::{LimitArgs, OutputArgs};
pub use skip::Skipped;
pub use tool::TOOL;

/// Carries out the plan.
///
/// # Errors
/// A fault of the tool itself; faults of the command are in the exit code.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::Run { stage_run, exclusive: None, report, notifiers } => {
            run_stage(&stage_run, report.as_ref(), &notifiers)
        }
        Plan::Run { stage_run, exclusive: Some(wait), report, notifiers } => {
            match exclusive::begin(&stage_run.context, wait)? {
                Answer::Refused(exit) => Ok(exit),
                Answer::Acquired(deployment) => {
                    let exit = run_stage(&stage_run, report.as_ref(), &notifiers);
                    let end =
                        deployment.end(&stage_run.context, *exit.as_ref().unwrap_or(&Exit::WrapperFault));
                    exit.map(|_| end)
                }
            }
        }
        Plan::Skip { context, stage, skipped, output, github } => {
            Ok(skip::skip(&context, &stage, skipped, output, &github))
        }
        Plan::Start { context, stage, exclusive, notifiers } => {
            two_step::start(&context, &stage, exclusive, &notifiers)
        }
        Plan::Finish { context, stage, status, is_exclusive, report, notifiers } => {
            let exit = two_step::finish(&context, &stage, status, report.as_ref(), &notifiers);
            if stage.is_deployment() {
                exclusive::finish(&context, is_exclusive);
            }
            Ok(exit)
        }
        Plan::Flush(flush) => flush::flush(&flush),
        Plan::Retire(retire) => retire::retire(&retire),
        Plan::FlushShared(context) => flush::flush_shared(&context),
        Plan::Query(query) => query::answer(&query),
    }
}

fn run_stage(stage_run: &StageRun, report: Option<&Report>, notifiers: &Notifiers) -> Result<Exit> {
    let (exit, event) = runner::run_and_return_event(stage_run, Detail::Stage, notifiers)?;
    if let Some(report) = report {
        report.end(&stage_run.context, &event);
    }
    Ok(exit)
}
