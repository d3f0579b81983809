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
mod oom;
mod pre_exec;
mod shutdown_signals;
mod signals;
mod start_error;
mod stderr_tail;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpid, getsid};

use common::clock::{Clock, Stopwatch};
use common::event::ChildUse;
use signals::{Mask, ReceivedSignal};
use stderr_tail::Tee;

pub use capture::{Captured, Output};
pub use descendants::descendants;
pub use oom::OomKills;
pub use shutdown_signals::ShutdownSignals;
pub use signals::Signals;
pub use start_error::{StartError, explain};

/// Between two looks at processes that are told to end: nothing reports the end of a grandchild.
const DESCENDANT_POLL: Duration = Duration::from_millis(10);

/// So often those that are killed are looked for again: one may have started another in between.
const KILL_ROUNDS: u32 = 100;

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments; not empty.
    pub argv: Vec<OsString>,
    /// Variables that the child gets beside ours.
    pub env: Vec<(&'static str, String)>,
    /// Who the child's stdin and stdout belong to.
    pub streams: StdioMode,
    /// So many of the last lines of its stderr are kept: for 0, it is ours; else it is a pipe that we pass on.
    pub stderr_tail: usize,
    /// The time limit: TERM to the child and all that it started, after [`Spec::kill_after`] KILL.
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub kill_after: Duration,
    /// Whether the child may outlive us where we are killed; else it gets a TERM.
    pub may_outlive: bool,
}

/// Who the child's streams belong to; stderr is always ours, if by way of a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StdioMode {
    /// All three are ours: the child cannot tell that it is wrapped.
    Inherited,
    /// No stdin, and stdout goes to our stderr: for a tool that speaks a format of its own on stdout.
    Detached,
}

/// A child that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    tee: Option<Tee>,
    own_group: bool,
    mask: Mask,
    deadline: Option<Instant>,
    kill_after: Duration,
    stopwatch: Stopwatch,
    /// For how long we were suspended.
    paused: Duration,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its own status.
    pub status: ExitStatus,
    /// Wall time by the monotonic clock, without the time for which it was suspended together with us.
    pub duration: Duration,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// The signal that asked us, and so the child, to stop.
    pub terminated_by: Option<Signal>,
    /// Exit code or signal, and what was used.
    pub used: ChildUse,
}

/// Starts the child. [`Signals::watch`] comes before: a signal in between must not be lost.
pub fn start(spec: &Spec, clock: &dyn Clock) -> Result<Running, StartError> {
    let [program, args @ ..] = spec.argv.as_slice() else {
        return Err(StartError::of_wrapper("no command to run".to_owned()));
    };
    // On a terminal the child stays in our group, which is the terminal's: it can be typed at, and Ctrl-C and Ctrl-Z
    // reach it. Elsewhere it has a group of its own, so that a signal to us reaches all of it.
    let own_group = !has_terminal();
    let mut command = Command::new(program);
    command.args(args).envs(spec.env.iter().map(|(name, value)| (name, value)));
    if own_group {
        command.process_group(0);
    }
    if spec.streams == StdioMode::Detached {
        command.stdin(Stdio::null()).stdout(io::stderr());
    }
    let mask = Mask::set().map_err(|error| {
        StartError::of_wrapper(format!(
            "cannot run {}: cannot set the signal mask: {error}",
            program.display()
        ))
    })?;
    // What the child gets in place of ours is not closed.
    let closed = match spec.streams {
        StdioMode::Inherited => {
            inherited_state::closed().filter(|stream| *stream != 2 || spec.stderr_tail == 0).collect()
        }
        StdioMode::Detached => Vec::new(),
    };
    pre_exec::prepare(&mut command, mask.before, closed, inherited_state::pipe_ignored(), !spec.may_outlive);
    if spec.timeout.is_some() {
        descendants::adopt_orphans();
    }
    let tee = match spec.stderr_tail {
        0 => None,
        lines => Some(pass_stderr_on(&mut command, lines).map_err(|error| {
            StartError::of_wrapper(format!("cannot run {}: cannot make a pipe: {error}", program.display()))
        })?),
    };
    let stopwatch = Stopwatch::start(clock);
    let child = command.spawn().map_err(|error| explain(program, &error))?;
    // With it goes our end of the pipe: it is to end when the child's does.
    drop(command);
    Ok(Running {
        child,
        tee,
        own_group,
        mask,
        deadline: spec.timeout.map(|limit| clock.instant() + limit),
        kill_after: spec.kill_after,
        stopwatch,
        paused: Duration::ZERO,
    })
}

impl Running {
    /// When it was started.
    pub fn started(&self) -> &Stopwatch {
        &self.stopwatch
    }

    /// Waits for the child itself, not for pipes that a background grandchild may keep open. `before_stop` is called
    /// once, before the child is first told to end.
    pub fn wait(
        mut self,
        signals: &mut Signals,
        clock: &dyn Clock,
        before_stop: &mut dyn FnMut(),
    ) -> io::Result<Finished> {
        let mut terminated_by = None;
        let mut timed_out = false;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            descendants::reap_orphans(pid_of(&self.child));
            if !self.own_group && self.child_is_suspended() {
                self.suspend_too(clock);
            }
            if self.deadline.is_some_and(|deadline| clock.instant() >= deadline) {
                if !timed_out && terminated_by.is_none() {
                    before_stop();
                }
                self.signal_all(if timed_out { Signal::SIGKILL } else { Signal::SIGTERM });
                self.deadline = (!timed_out).then(|| clock.instant() + self.kill_after);
                timed_out = true;
            }
            for heard in signals.next(Some(&self.mask), self.deadline, clock) {
                if heard.is_termination() {
                    if !timed_out && terminated_by.is_none() {
                        before_stop();
                    }
                    terminated_by = Some(heard.signal);
                }
                self.forward(heard);
                if heard.signal == Signal::SIGTSTP {
                    self.suspend_too(clock);
                }
            }
        };
        let duration = self.stopwatch.elapsed(clock).saturating_sub(self.paused);
        if timed_out {
            self.terminate_descendants(signals, clock);
        }
        let mut used = usage(status);
        used.stderr_tail = self.tee.map(Tee::finish).unwrap_or_default();
        Ok(Finished { status, duration, timed_out, terminated_by, used })
    }

    fn forward(&self, heard: ReceivedSignal) {
        // What the terminal sends, it sends to the child as well, as long as the child is in our group. But of a
        // hang-up it tells the session's leader only.
        let for_us_alone = heard.signal == Signal::SIGHUP && getsid(None) == Ok(getpid());
        if self.own_group || !heard.from_terminal || for_us_alone {
            self.send(heard.signal);
        }
    }

    /// Sends to the child's group, or to the child where it has none. It is not reaped yet, so the number is its own.
    fn send(&self, signal: Signal) {
        let pid = pid_of(&self.child);
        // The child may have ended just now: then there is nobody to tell.
        let _ = if self.own_group { killpg(pid, signal) } else { kill(pid, signal) };
    }

    /// Whether the child suspended itself, as programs do that read Ctrl-Z themselves.
    fn child_is_suspended(&self) -> bool {
        let look = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        matches!(waitid(Id::Pid(pid_of(&self.child)), look), Ok(WaitStatus::Stopped(..)))
    }

    /// Is suspended as the child is, so that whoever waits for us sees it; then goes on with it. No clock of ours
    /// runs meanwhile.
    fn suspend_too(&mut self, clock: &dyn Clock) {
        let since = clock.instant();
        self.mask.suspend();
        let pause = clock.instant().saturating_duration_since(since);
        self.paused += pause;
        self.deadline = self.deadline.map(|deadline| deadline + pause);
        self.send(Signal::SIGCONT);
    }

    /// Sends to the child and all that it started, wherever it has gone.
    fn signal_all(&self, signal: Signal) {
        let descendants = descendants();
        if descendants.is_empty() {
            self.send(signal);
            self.send(Signal::SIGCONT);
        }
        for pid in descendants {
            let _ = kill(pid, signal);
            // A stopped process handles TERM only once it goes on.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    /// After a time limit nothing that the child started is left: what does not end by the deadline is killed.
    fn terminate_descendants(&self, signals: &mut Signals, clock: &dyn Clock) {
        let mut rounds = 0;
        while rounds < KILL_ROUNDS && !descendants().is_empty() {
            if self.deadline.is_none_or(|deadline| clock.instant() >= deadline) {
                self.signal_all(Signal::SIGKILL);
                rounds += 1;
            }
            signals.next(None, Some(clock.instant() + DESCENDANT_POLL), clock);
            descendants::reap_orphans(getpid());
        }
    }
}

fn pass_stderr_on(command: &mut Command, lines: usize) -> io::Result<Tee> {
    let (tee, stderr) = Tee::start(lines)?;
    command.stderr(stderr);
    Ok(tee)
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn usage(status: ExitStatus) -> ChildUse {
    use std::os::unix::process::ExitStatusExt;
    // The child is the only one that was waited for, so "all children" is it and what it waited for.
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
    #[expect(clippy::cast_precision_loss, reason = "microseconds of CPU time fit 53 bits for 285 years")]
    let cpu_s =
        usage.as_ref().map(|usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6);
    // Linux counts in KiB.
    let max_rss_bytes =
        usage.and_then(|usage| u64::try_from(usage.max_rss()).ok()).map(|kib| kib.saturating_mul(1024));
    ChildUse {
        exit_code: status.code(),
        signal: status.signal(),
        cpu_s,
        max_rss_bytes,
        ..ChildUse::default()
    }
}
