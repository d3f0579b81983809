//! A child: spawn, pass signals on, keep a time limit, say how it ended and what it used.
//!
//! The behaviour is that of `timeout(1)` and `env(1)`: argv reaches the child untouched, no shell; its streams and
//! its terminal are the caller's.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

use crate::clock::{Clock, Stopwatch};
use crate::event::{ChildUse, Reason};
use crate::exit::Exit;

/// The signals that are passed on.
const FORWARDED: [i32; 7] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH];

/// Those of them by which somebody asks for the end.
const STOPPING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// Between two looks at a group that is told to end: nothing reports the end of a grandchild.
const GROUP_POLL: Duration = Duration::from_millis(10);

/// What to run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program and its arguments; not empty.
    pub argv: Vec<OsString>,
    /// Variables that the child gets beside ours.
    pub env: Vec<(&'static str, String)>,
    /// Who the child's stdin and stdout belong to.
    pub streams: Streams,
    /// The time limit: TERM to the child's whole group, after [`Spec::kill_after`] KILL.
    pub timeout: Option<Duration>,
    /// The time between TERM and KILL.
    pub kill_after: Duration,
}

/// Who the child's streams belong to; stderr is always ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// All three are ours: the child cannot tell that it is wrapped.
    Inherited,
    /// No stdin, and stdout goes to our stderr: for a tool that speaks a format of its own on stdout.
    Aside,
}

/// Why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// 126 or 127, as a shell would say.
    pub exit: Exit,
    /// The class.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// A child that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    signals: SignalDelivery<UnixStream, WithOrigin>,
    own_group: bool,
    timeout: Option<Duration>,
    kill_after: Duration,
    stopwatch: Stopwatch,
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its own status.
    pub status: ExitStatus,
    /// Wall time by the monotonic clock.
    pub duration: Duration,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// The signal that asked us, and so the child, to stop.
    pub asked_to_stop: Option<i32>,
    /// Exit code or signal, and what was used.
    pub used: ChildUse,
}

/// Starts the child.
pub fn start(spec: &Spec, clock: &dyn Clock) -> Result<Running, StartError> {
    let [program, args @ ..] = spec.argv.as_slice() else {
        return Err(StartError {
            exit: Exit::WrapperFault,
            reason: Reason::Other,
            message: "no command to run".to_owned(),
        });
    };
    // Before the child: a signal in between must not be lost.
    let signals = watch_signals().map_err(|error| StartError {
        exit: Exit::WrapperFault,
        reason: Reason::Other,
        message: format!("cannot watch for signals: {error}"),
    })?;
    // On a terminal the child stays in our group, which is the terminal's: it can be typed at, and Ctrl-C reaches
    // it. A time limit has to reach grandchildren, so it needs a group.
    let own_group = spec.timeout.is_some() || !has_terminal();
    let mut command = Command::new(program);
    command.args(args).envs(spec.env.iter().map(|(name, value)| (name, value)));
    if own_group {
        command.process_group(0);
    }
    if spec.streams == Streams::Aside {
        command.stdin(Stdio::null()).stdout(io::stderr());
    }
    let stopwatch = Stopwatch::start(clock);
    let child = command.spawn().map_err(|error| explain(program, &error))?;
    Ok(Running { child, signals, own_group, timeout: spec.timeout, kill_after: spec.kill_after, stopwatch })
}

impl Running {
    /// When it was started.
    pub fn started(&self) -> &Stopwatch {
        &self.stopwatch
    }

    /// Waits for the child itself, not for pipes that a background grandchild may keep open.
    pub fn wait(mut self, clock: &dyn Clock) -> io::Result<Finished> {
        self.wait_and(clock, &mut || {})
    }

    /// The same; `before_stop` is called once, before the child is first told to end.
    pub fn wait_and(&mut self, clock: &dyn Clock, before_stop: &mut dyn FnMut()) -> io::Result<Finished> {
        let mut asked_to_stop = None;
        let mut timed_out = false;
        let mut deadline = self.timeout.map(|limit| clock.instant() + limit);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if deadline.is_some_and(|deadline| clock.instant() >= deadline) {
                if !timed_out && asked_to_stop.is_none() {
                    before_stop();
                }
                self.send(if timed_out { Signal::SIGKILL } else { Signal::SIGTERM });
                // A stopped process handles TERM only once it goes on.
                self.send(Signal::SIGCONT);
                deadline = (!timed_out).then(|| clock.instant() + self.kill_after);
                timed_out = true;
            }
            for origin in self.next_signals(deadline, clock) {
                if STOPPING.contains(&origin.signal) {
                    if !timed_out && asked_to_stop.is_none() {
                        before_stop();
                    }
                    asked_to_stop = Some(origin.signal);
                }
                self.forward(&origin);
            }
        };
        let duration = self.stopwatch.elapsed(clock);
        if timed_out {
            self.end_group(deadline, clock);
        }
        let used = usage(status);
        Ok(Finished { status, duration, timed_out, asked_to_stop, used })
    }

    /// Waits for a signal, SIGCHLD among them, or for the deadline.
    fn next_signals(&mut self, deadline: Option<Instant>, clock: &dyn Clock) -> Vec<Origin> {
        let wait = deadline.map(|deadline| {
            // Zero would mean "for ever".
            deadline.saturating_duration_since(clock.instant()).max(Duration::from_millis(1))
        });
        let mut wakes = [0_u8; 64];
        let mut pipe = self.signals.get_read();
        if pipe.set_read_timeout(wait).is_ok() {
            // A byte is no more than a reason to look; a time-out or an interruption is one too.
            let _ = pipe.read(&mut wakes);
        }
        self.signals.pending().filter(|origin| origin.signal != SIGCHLD).collect()
    }

    /// After the child's end: waits before another is started, until the time is over or somebody asks for the end, by
    /// the signal that is returned. None is lost, if this is kept until the other one runs.
    pub fn pause(&mut self, length: Duration, clock: &dyn Clock) -> Option<i32> {
        let end = clock.instant() + length;
        while clock.instant() < end {
            let come = self.next_signals(Some(end), clock);
            if let Some(origin) = come.iter().find(|origin| STOPPING.contains(&origin.signal)) {
                return Some(origin.signal);
            }
        }
        None
    }

    fn forward(&self, origin: &Origin) {
        // What the terminal sends, it sends to the child as well, as long as the child is in our group.
        let already_there = !self.own_group && matches!(origin.cause, Cause::Kernel);
        if !already_there && let Ok(signal) = Signal::try_from(origin.signal) {
            self.send(signal);
        }
    }

    /// Sends to the child's group, or to the child where it has none. It is not reaped yet, so the number is its own.
    fn send(&self, signal: Signal) {
        let pid = pid_of(&self.child);
        // The child may have ended just now: then there is nobody to tell.
        let _ = if self.own_group { killpg(pid, signal) } else { kill(pid, signal) };
    }

    /// After a time limit no grandchild is left: those that do not end by `deadline` are killed.
    fn end_group(&mut self, deadline: Option<Instant>, clock: &dyn Clock) {
        let group = pid_of(&self.child);
        let alive = || killpg(group, None).is_ok();
        while alive() && deadline.is_some_and(|deadline| clock.instant() < deadline) {
            let soon = clock.instant() + GROUP_POLL;
            self.next_signals(Some(soon), clock);
        }
        if alive() {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

fn watch_signals() -> io::Result<SignalDelivery<UnixStream, WithOrigin>> {
    let ignored = ignored_signals();
    // A signal that was ignored before us, as under nohup, stays ignored in the child: no handler.
    let wanted = FORWARDED.into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let (read, write) = UnixStream::pair()?;
    SignalDelivery::with_pipe(read, write, WithOrigin::default(), wanted.chain([SIGCHLD]))
}

/// The set of signals that this process inherited as ignored, as a bit mask; empty where the kernel does not tell.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
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
    ChildUse { exit_code: status.code(), signal: status.signal(), cpu_s, max_rss_bytes }
}

/// Why `program` could not be started. Names the true cause: the kernel says "no such file" of a missing
/// interpreter and a missing directory too.
pub fn explain(program: &OsString, error: &io::Error) -> StartError {
    let path = Path::new(program);
    let name = path.display();
    let has_folder = path.components().count() > 1;
    let no_format = error.raw_os_error() == Some(nix::errno::Errno::ENOEXEC as i32);
    let (exit, reason, message) = match error.kind() {
        ErrorKind::NotFound if has_folder && path.exists() => {
            let interpreter = interpreter(path).map_or_else(String::new, |line| format!(" {line}"));
            (Exit::NotFound, Reason::NotFound, format!("{name}: its interpreter{interpreter} is missing"))
        }
        ErrorKind::NotFound if has_folder => {
            (Exit::NotFound, Reason::NotFound, format!("{name}: no such file"))
        }
        ErrorKind::NotFound => (Exit::NotFound, Reason::NotFound, format!("{name}: not found in PATH")),
        _ if no_format => (
            Exit::NotExecutable,
            Reason::NotExecutable,
            format!("{name}: neither a program nor a script with a #! line"),
        ),
        ErrorKind::PermissionDenied if path.is_dir() => {
            (Exit::NotExecutable, Reason::NotExecutable, format!("{name}: is a directory"))
        }
        _ => (Exit::NotExecutable, Reason::NotExecutable, format!("{name}: {error}")),
    };
    StartError { exit, reason, message: format!("cannot run {message}") }
}

fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim().to_owned())
}
