//! Runs a command as a stage of a deployment: times it, passes everything through, records it.
//!
//! ```text
//! dm-stage build -- cargo build
//! ```
//!
//! Ends with the command's own exit code, or dies by the signal that killed it. 124: its time limit; 125: a fault of
//! its own; 126 and 127: the command cannot be executed, or is not there.

pub mod args;

pub mod flush;
pub mod plan;
pub mod runner;
pub mod skip;
pub mod timeline;
pub mod two_step;

pub use runner::LimitArgs;

use anyhow::Result;
use common::cli::Tool;
use common::event::Detail;
use common::exit::Exit;

use plan::Plan;

/// What `main` has to know of this tool.
pub const TOOL: Tool = Tool { name: "dm-stage", wrapper: true };

/// Does what the plan says.
pub fn run(plan: Plan) -> Result<Exit> {
    match plan {
        Plan::Run(wrap) => runner::run(&wrap, Detail::Stage),
        Plan::Skip { context, stage, reason, github } => skip::skip(&context, &stage, &reason, &github),
        Plan::Start { context, stage } => two_step::start(&context, &stage),
        Plan::Finish { context, stage, status } => two_step::finish(&context, &stage, status),
        Plan::Flush(flush) => flush::flush(&flush),
        Plan::Timeline { state_dir, deployment } => timeline::show(&state_dir, deployment.as_ref()),
    }
}
