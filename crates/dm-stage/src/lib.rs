//! Runs a command as a stage of a deployment: times it, passes everything through, records it.
//!
//! It owns running a command as a stage ([`runner`], which `dm-migrate` also uses), retries, skipped stages, stages that
//! begin and end in different processes, and the timeline. It does not own the child process itself (`child-process`) or
//! where events go (`telemetry`), and it judges nothing but the command's exit.
//!
//! ```text
//! dm-stage build -- cargo build
//! ```

mod announcement;
mod args;
#[cfg(test)]
mod event_fixture;
mod exclusive;
mod flush;
mod interrupted;
mod plan;
pub mod runner;
mod sentence;
mod skip;
mod summary_line;
mod timeline;
mod two_step;

use anyhow::Result;
use common::event::Detail;
use common::exit::Exit;
use notify::Notifiers;

use exclusive::Answer;
use runner::StageRun;

pub use args::{Args, TOOL};
pub use plan::{Plan, plan};
pub use runner::{LimitArgs, OutputArgs};
pub use skip::Skipped;

/// Carries out the plan.
///
/// # Errors
/// A fault of the tool itself; faults of the command are in the exit code.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::Run(stage_run, None, notifiers) => run_stage(&stage_run, &notifiers),
        Plan::Run(stage_run, Some(wait), notifiers) => match exclusive::begin(&stage_run.context, wait)? {
            Answer::Refused(exit) => Ok(exit),
            Answer::Acquired(deployment) => {
                let exit = run_stage(&stage_run, &notifiers);
                let end = deployment.end(&stage_run.context, *exit.as_ref().unwrap_or(&Exit::WrapperFault));
                exit.map(|_| end)
            }
        },
        Plan::Skip { context, stage, skipped, output, github } => {
            Ok(skip::skip(&context, &stage, skipped, output, &github))
        }
        Plan::Start { context, stage, exclusive, notifiers } => {
            two_step::start(&context, &stage, exclusive, &notifiers)
        }
        Plan::Finish { context, stage, status, is_exclusive, notifiers } => {
            let exit = two_step::finish(&context, &stage, status, &notifiers);
            if stage.is_deployment() {
                exclusive::finish(&context, is_exclusive);
            }
            Ok(exit)
        }
        Plan::Flush(flush) => flush::flush(&flush),
        Plan::FlushShared(context) => flush::flush_shared(&context),
        Plan::Timeline { source, deployment } => timeline::print(&source, deployment.as_ref()),
    }
}

fn run_stage(stage_run: &StageRun, notifiers: &Notifiers) -> Result<Exit> {
    let (exit, event) = runner::run_and_return_event(stage_run, Detail::Stage, notifiers)?;
    if stage_run.summary_line {
        summary_line::print(&stage_run.context, &event);
    }
    Ok(exit)
}
