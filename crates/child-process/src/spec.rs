//! What to run, and how.

use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

/// A command to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments; not empty.
    pub argv: Vec<OsString>,
    /// Variables for the child, in addition to the environment of this process.
    pub env: Vec<(&'static str, String)>,
    /// Variables of this process that the child does not inherit, unless [`Spec::env`] sets them.
    pub removed_env: Vec<OsString>,
    /// What the child gets as stdin and stdout.
    pub streams: StdioMode,
    /// The child's stdin, instead of that of [`Spec::streams`]. A pipe ends for its writer only if the caller drops this copy
    /// after the start.
    pub stdin: Option<Arc<File>>,
    /// How many of the last lines of stderr to keep. With 0 the child inherits stderr; otherwise its stderr is a pipe whose
    /// content is forwarded. With [`StdioMode::Kept`], how many of the last lines of stdout and stderr.
    pub stderr_tail: usize,
    /// The time limit. When it expires, the child and everything it started get [`Spec::stop_signal`], and KILL after
    /// [`Spec::kill_after`].
    pub timeout: Option<Duration>,
    /// The signal at the time limit.
    pub stop_signal: Signal,
    /// The time between that signal and KILL.
    pub kill_after: Duration,
    /// Whether the child may continue if this process is killed. If not, the child then gets TERM.
    pub may_outlive: bool,
    /// Whether a signal that ends a process by default is kept from the child when this process receives it: the child runs to its end or its time
    /// limit. A shielded child has its own process group even on a terminal, where Ctrl-C would reach it otherwise.
    pub is_shielded: bool,
}

/// What the child gets as stdin and stdout. Stderr goes to the stderr of this process, unless it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdioMode {
    /// The child inherits them, and cannot detect that it is wrapped.
    Inherited,
    /// Stdout and stderr are one pipe, and only their last lines are kept: nothing is shown meanwhile. Stdin is inherited
    /// unless it is a terminal: nobody would see what is asked there.
    Kept,
    /// Stdin is empty, and stdout goes to stderr: for a tool that writes a format of its own to stdout.
    Detached,
}
