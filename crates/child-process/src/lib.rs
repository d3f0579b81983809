//! A child process's whole life: spawn it, forward signals, keep its deadline, say how it ended and what it used.
//!
//! It owns process groups, the signals that reach this process, descendants, captured output, the tail of stderr and
//! out-of-memory kills. It behaves as `timeout(1)` and `env(1)` do: argv reaches the child untouched, without a shell;
//! stdin, stdout, stderr and the terminal are the caller's. It does not know what the child means: stages, retries and
//! records belong to the crates above.
#![warn(missing_docs)]

mod capture;
mod descendants;
mod inherited_state;
mod marker;
mod oom;
mod output_pipe;
mod pre_exec;
mod running;
mod shutdown_signals;
mod signals;
mod spec;
mod start_error;
mod workflow_commands;

pub use capture::{Captured, Output};
pub use descendants::descendants;
pub use oom::OomKills;
pub use running::{ChildExit, Running, start};
pub use shutdown_signals::ShutdownSignals;
pub use signals::Signals;
pub use spec::{Spec, StdioMode};
pub use start_error::{StartError, explain};
