//! The exporter: a process that pushes what waits in the outbox, so that no tool waits for the Pushgateway.
//!
//! After its event is in the outbox, a tool starts one, unless one runs for the state directory. It is the same program,
//! under another name and in a session of its own. It has none of the tool's descriptors, so nobody who waits for the end of
//! the tool's output waits for it. If it is killed, the outbox still has what it has not sent.
//!
//! One lock per state directory says that an exporter runs. It goes from the tool to the exporter without being free in
//! between. A tool that finds it held relies on the exporter, which therefore looks at the outbox once more after it has
//! released the lock: what was written before the lock was found held is seen.
//!
//! | module | owns |
//! | --- | --- |
//! | `job` | what the exporter has to know |
//! | `launch` | starting one, and waiting for its end |
//! | `process` | the exporter's own process |
//! | `drain` | sending all that waits |
//! | `sink` | one place to send to |
//! | `gateway` | sending to the Pushgateway |
//! | `failure` | what the next tool reports |

mod drain;
mod failure;
mod gateway;
mod job;
mod launch;
mod process;
mod sink;

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use common::cli::{self, Tool};
use common::exit::Exit;

pub(crate) use failure::Failure;
pub(crate) use job::Job;
pub(crate) use launch::launch;
pub use launch::wait_for_exporter;

/// The `main` of every tool, and of the exporter that a tool starts.
pub fn main<A: Parser, P>(tool: Tool, plan: fn(A) -> Result<P>, act: fn(P) -> Result<Exit>) -> ExitCode {
    let mut arguments = env::args_os();
    if arguments.len() == 1 && arguments.next().is_some_and(|name| name == launch::NAME) {
        process::run();
        return ExitCode::SUCCESS;
    }
    cli::main(tool, plan, act)
}
