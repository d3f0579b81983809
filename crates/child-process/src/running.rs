//! A running child: started, waited for, terminated.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::clock::{Clock, Stopwatch};
use common::env;
use common::event::ChildUse;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, getpid, getsid};

use crate::descendants::{self, POLL_INTERVAL, descendants};
use crate::output_pipe::{OutputPipe, Shown};
use crate::signals::{ReceivedSignal, SignalMask, Signals};
use crate::spec::{Spec, StdioMode};
use crate::start_error::{StartError, explain};
use crate::{inherited_state, pre_exec};

/// How often [`Running::wait`] kills what is left after a time limit: a process may start another in between.
const MAX_KILL_ROUNDS: u32 = 100;

/// A running child.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: Option<OutputPipe>,
    own_group: bool,
    is_shielded: bool,
    mask: SignalMask,
    deadline: Option<Instant>,
    stop_signal: Signal,
    kill_after: Duration,
    stopwatch: Stopwatch,
    /// The time for which this process was suspended.
    suspended: Duration,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct ChildExit {
    /// The exit status.
    pub status: ExitStatus,
    /// Elapsed time by the monotonic clock, without the time for which it was suspended together with this process.
    pub duration: Duration,
    /// Whether the time limit expired.
    pub timed_out: bool,
    /// The last signal that asked this process, and with it a child that is not shielded, to terminate.
    pub terminated_by: Option<Signal>,
    /// Exit code or signal, and resource usage.
    pub used: ChildUse,
}

/// Starts the child. Call [`Signals::watch`] first, so that no signal in between is lost.
///
/// # Errors
/// The command does not exist or cannot be executed, or the system lacks resources.
pub fn start(spec: &Spec, clock: &dyn Clock) -> Result<Running, StartError> {
    let [program, args @ ..] = spec.argv.as_slice() else {
        return Err(StartError::wrapper_fault("no command to run".to_owned()));
    };
    // On a terminal the child stays in our process group, which is in the foreground: it can read input, and Ctrl-C and
    // Ctrl-Z reach it. Elsewhere it gets its own group, so that a forwarded signal reaches all of its processes.
    let own_group = spec.is_shielded || !has_terminal();
    let mut command = Command::new(program);
    command.args(args);
    for name in &spec.removed_env {
        command.env_remove(name);
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    if own_group {
        command.process_group(0);
    }
    match spec.streams {
        StdioMode::Detached => drop(command.stdin(Stdio::null()).stdout(io::stderr())),
        StdioMode::Kept if io::stdin().is_terminal() => drop(command.stdin(Stdio::null())),
        StdioMode::Kept | StdioMode::Inherited => {}
    }
    if let Some(stdin) = &spec.stdin {
        command.stdin(stdin.try_clone().map_err(|error| {
            StartError::wrapper_fault(format!(
                "cannot run {}: cannot pass its stdin: {error}",
                program.display()
            ))
        })?);
    }
    let mask = SignalMask::set().map_err(|error| {
        StartError::wrapper_fault(format!(
            "cannot run {}: cannot set the signal mask: {error}",
            program.display()
        ))
    })?;
    // Streams that the child does not inherit are open.
    let closed = match spec.streams {
        StdioMode::Inherited => {
            inherited_state::closed_streams().filter(|stream| *stream != 2 || spec.stderr_tail == 0).collect()
        }
        StdioMode::Kept => inherited_state::closed_streams().filter(|stream| *stream == 0).collect(),
        StdioMode::Detached => Vec::new(),
    };
    pre_exec::prepare(
        &mut command,
        mask.before,
        closed,
        inherited_state::is_sigpipe_ignored(),
        !spec.may_outlive,
    );
    if spec.timeout.is_some() {
        descendants::adopt_orphans();
    }
    let output = match (spec.streams, spec.stderr_tail) {
        (StdioMode::Inherited | StdioMode::Detached, 0) => None,
        (streams, lines) => Some(read_output(&mut command, streams, lines).map_err(|error| {
            StartError::wrapper_fault(format!(
                "cannot run {}: cannot make a pipe: {error}",
                program.display()
            ))
        })?),
    };
    let stopwatch = Stopwatch::start(clock);
    let child = command.spawn().map_err(|error| explain(program, &error))?;
    // This closes our copy of the write end, so that the pipe ends with the child.
    drop(command);
    Ok(Running {
        child,
        output,
        own_group,
        is_shielded: spec.is_shielded,
        mask,
        deadline: spec.timeout.map(|limit| clock.instant() + limit),
        stop_signal: spec.stop_signal,
        kill_after: spec.kill_after,
        stopwatch,
        suspended: Duration::ZERO,
    })
}

impl Running {
    /// The start of the child.
    pub fn started(&self) -> &Stopwatch {
        &self.stopwatch
    }

    /// Waits for the child itself, not for pipes that a background grandchild may keep open. Calls `before_stop` once,
    /// before it first asks the child to terminate. A signal to this process does not end a shielded child.
    ///
    /// # Errors
    /// The kernel cannot wait for the child.
    pub fn wait(
        mut self,
        signals: &mut Signals,
        clock: &dyn Clock,
        before_stop: &mut dyn FnMut(),
    ) -> io::Result<ChildExit> {
        let mut terminated_by = None;
        let mut timed_out = false;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            descendants::reap_orphans(pid_of(&self.child));
            if !self.own_group && self.child_is_suspended() {
                self.suspend_with_child(clock);
            }
            if self.deadline.is_some_and(|deadline| clock.instant() >= deadline) {
                if !timed_out && terminated_by.is_none() {
                    before_stop();
                }
                self.signal_all(if timed_out { Signal::SIGKILL } else { self.stop_signal });
                self.deadline = (!timed_out).then(|| clock.instant() + self.kill_after);
                timed_out = true;
            }
            for received in signals.next(Some(&self.mask), self.deadline, clock) {
                if received.ends_a_process() && self.is_shielded {
                    terminated_by = Some(received.signal);
                    continue;
                }
                if received.is_termination() {
                    if !timed_out && terminated_by.is_none() {
                        before_stop();
                    }
                    terminated_by = Some(received.signal);
                }
                self.forward(received);
                if received.signal == Signal::SIGTSTP {
                    self.suspend_with_child(clock);
                }
            }
        };
        let duration = self.stopwatch.elapsed(clock).saturating_sub(self.suspended);
        if timed_out {
            self.terminate_descendants(signals, clock);
        }
        let mut used = resource_usage(status);
        used.stderr_tail = self.output.map(OutputPipe::finish).unwrap_or_default();
        Ok(ChildExit { status, duration, timed_out, terminated_by, used })
    }

    fn forward(&self, received: ReceivedSignal) {
        // The terminal signals the whole foreground group, so a child in our group has received the signal already. The
        // exception is a hang-up, which goes to the session leader alone.
        let is_for_leader_only = received.signal == Signal::SIGHUP && getsid(None) == Ok(getpid());
        if self.own_group || !received.from_terminal || is_for_leader_only {
            self.send(received.signal);
        }
    }

    /// Sends a signal to the child's group, or to the child if it has no group. The child is not reaped yet, so the pid
    /// cannot belong to another process.
    fn send(&self, signal: Signal) {
        let pid = pid_of(&self.child);
        // The child may have just ended, which is fine.
        let _ = if self.own_group { killpg(pid, signal) } else { kill(pid, signal) };
    }

    /// Whether the child suspended itself, as programs do that handle Ctrl-Z themselves.
    fn child_is_suspended(&self) -> bool {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        matches!(waitid(Id::Pid(pid_of(&self.child)), flags), Ok(WaitStatus::Stopped(..)))
    }

    /// Suspends this process like the child, so that the calling shell notices, and continues with the child. Deadline
    /// and duration do not advance meanwhile.
    fn suspend_with_child(&mut self, clock: &dyn Clock) {
        let since = clock.instant();
        self.mask.suspend();
        let pause = clock.instant().saturating_duration_since(since);
        self.suspended += pause;
        self.deadline = self.deadline.map(|deadline| deadline + pause);
        self.send(Signal::SIGCONT);
    }

    /// Sends a signal to the child and everything it started, in whatever group or session.
    fn signal_all(&self, signal: Signal) {
        let processes = descendants();
        if processes.is_empty() {
            self.send(signal);
            self.send(Signal::SIGCONT);
        }
        for pid in processes {
            let _ = kill(pid, signal);
            // A stopped process handles TERM only after it continues.
            let _ = kill(pid, Signal::SIGCONT);
        }
    }

    /// After a time limit, waits until everything that the child started has ended; kills what is left at the deadline.
    fn terminate_descendants(&self, signals: &mut Signals, clock: &dyn Clock) {
        let mut rounds = 0;
        while rounds < MAX_KILL_ROUNDS && !descendants().is_empty() {
            if self.deadline.is_none_or(|deadline| clock.instant() >= deadline) {
                self.signal_all(Signal::SIGKILL);
                rounds += 1;
            }
            signals.next(None, Some(clock.instant() + POLL_INTERVAL), clock);
            descendants::reap_orphans(getpid());
        }
    }
}

/// Makes a pipe for stderr, and for stdout if it is kept: in one pipe their lines stay in order.
fn read_output(command: &mut Command, streams: StdioMode, lines: usize) -> io::Result<OutputPipe> {
    let is_kept = streams == StdioMode::Kept;
    let shown = if !is_kept {
        Shown::Everything
    } else if env::system("GITHUB_ACTIONS").is_some() {
        Shown::workflow_commands()
    } else {
        Shown::Nothing
    };
    let (reader, pipe) = OutputPipe::start(lines, shown)?;
    if is_kept {
        command.stdout(pipe.try_clone()?);
    }
    command.stderr(pipe);
    Ok(reader)
}

fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn resource_usage(status: ExitStatus) -> ChildUse {
    use std::os::unix::process::ExitStatusExt;
    // This process waited for the child alone, so RUSAGE_CHILDREN covers the child and what the child waited for.
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
