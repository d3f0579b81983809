//! The signals that a wrapper receives: those that it forwards, and SIGCHLD.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::flag;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use common::clock::Clock;

/// The forwarded signals. SIGTSTP is also forwarded, but received in another way: see [`SignalMask`].
const FORWARDED: [i32; 8] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT];

/// The other signals that end a process by default, and that come from outside.
const IGNORED_IF_SHIELDED: [i32; 12] = [
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGPIPE,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// The forwarded signals that ask for termination.
const TERMINATION: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// A received signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReceivedSignal {
    /// The signal.
    pub signal: Signal,
    /// Whether the kernel sent it, as it does for keys typed at a terminal. The whole foreground group has then received
    /// it.
    pub from_terminal: bool,
}

impl ReceivedSignal {
    /// Whether the signal ends a process that does not handle it.
    pub(super) fn ends_a_process(self) -> bool {
        self.is_termination() || matches!(self.signal, Signal::SIGUSR1 | Signal::SIGUSR2)
    }

    /// Whether the signal asks for termination.
    pub(super) fn is_termination(self) -> bool {
        TERMINATION.contains(&self.signal)
    }
}

/// Receives the signals to this process from [`Signals::watch`] on. None is lost, and none except SIGSTOP and SIGKILL
/// has its default effect.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
}

impl Signals {
    /// Starts receiving. Call this before the child starts, so that no signal in between is lost.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn watch() -> io::Result<Self> {
        // A signal that this process inherited as ignored, as under nohup, gets no handler: the child inherits that.
        let handled = FORWARDED.into_iter().filter(|signal| !is_ignored(*signal));
        let (read, write) = UnixStream::pair()?;
        let delivery =
            SignalDelivery::with_pipe(read, write, WithOrigin::default(), handled.chain([SIGCHLD]))?;
        // A record that exceeds the limit of a file's size is a failed write, and not the end of this process. The child
        // gets the default action again, because a handler does not outlive exec.
        if !is_ignored(libc::SIGXFSZ) {
            flag::register(libc::SIGXFSZ, Arc::default())?;
        }
        Ok(Self { delivery })
    }

    /// Keeps also those signals from ending this process that it does not forward: all except SIGKILL, and those of faults
    /// in the program itself. They have no effect until it ends.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn shield() -> io::Result<()> {
        let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
        for signal in IGNORED_IF_SHIELDED.into_iter().chain(real_time).filter(|signal| !is_ignored(*signal)) {
            flag::register(signal, Arc::default())?;
        }
        Ok(())
    }

    /// Waits for the time `pause`. Returns early with the signal if one asks for termination.
    pub fn pause(&mut self, pause: Duration, clock: &dyn Clock) -> Option<Signal> {
        let until = clock.instant() + pause;
        while clock.instant() < until {
            if let Some(received) =
                self.next(None, Some(until), clock).into_iter().find(|it| it.is_termination())
            {
                return Some(received.signal);
            }
        }
        None
    }

    /// Waits for signals until `deadline`, and returns them. SIGCHLD ends the wait but is not returned.
    pub(super) fn next(
        &mut self,
        mask: Option<&SignalMask>,
        deadline: Option<Instant>,
        clock: &dyn Clock,
    ) -> Vec<ReceivedSignal> {
        let wait = deadline.map(|deadline| deadline.saturating_duration_since(clock.instant()));
        self.wait_for_wakeup(mask, wait);
        let pending = self.delivery.pending().filter(|origin| origin.signal != SIGCHLD);
        let mut received: Vec<ReceivedSignal> = pending
            .filter_map(|origin| {
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                Some(ReceivedSignal { signal: Signal::try_from(origin.signal).ok()?, from_terminal })
            })
            .collect();
        received.extend(mask.and_then(SignalMask::read_suspension));
        received
    }

    fn wait_for_wakeup(&mut self, mask: Option<&SignalMask>, wait: Option<Duration>) {
        // Rounded up: waking before the deadline would mean waking twice.
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        });
        let pipe = self.delivery.get_read_mut();
        let mut watched = vec![PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        let suspension = mask.and_then(|mask| mask.suspension.as_ref());
        watched.extend(suspension.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        // An interruption is also a reason to check for signals.
        let _ = poll(&mut watched, timeout);
        let mut bytes = [0_u8; 64];
        if pipe.set_nonblocking(true).is_ok() {
            let _ = pipe.read(&mut bytes);
        }
    }
}

/// The signal mask while a child runs.
///
/// SIGTSTP, which Ctrl-Z sends at a terminal, is blocked and read from a descriptor. A handler would replace its default
/// action, which is how a shell notices that a job was suspended. SIGCHLD is unblocked, in case the caller left it
/// blocked.
///
/// A child would inherit the mask, so it must be given [`SignalMask::before`]. Dropping this value restores that mask.
#[derive(Debug)]
pub(super) struct SignalMask {
    /// The previous mask.
    pub before: SigSet,
    /// `None` if SIGTSTP was already ignored or blocked; the child inherits that.
    suspension: Option<SignalFd>,
}

impl SignalMask {
    /// Sets the mask. From here on, SIGTSTP has no default effect.
    pub(super) fn set() -> io::Result<Self> {
        let before = SigSet::thread_get_mask()?;
        set_of(Signal::SIGCHLD).thread_unblock()?;
        let mut mask = Self { before, suspension: None };
        if !is_ignored(Signal::SIGTSTP as i32) && !before.contains(Signal::SIGTSTP) {
            let suspend = set_of(Signal::SIGTSTP);
            mask.suspension =
                Some(SignalFd::with_flags(&suspend, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?);
            suspend.thread_block()?;
        }
        Ok(mask)
    }

    /// Stops this process with the default effect of SIGTSTP. Returns when the process is continued.
    pub(super) fn suspend(&self) {
        if self.suspension.is_some() {
            let suspend = set_of(Signal::SIGTSTP);
            // The signal is pending while blocked, and takes effect when it is unblocked.
            let _ = raise(Signal::SIGTSTP);
            let _ = suspend.thread_unblock();
            let _ = suspend.thread_block();
        }
    }

    fn read_suspension(&self) -> Option<ReceivedSignal> {
        let info = self.suspension.as_ref()?.read_signal().ok()??;
        // 0x80 is SI_KERNEL of asm-generic/siginfo.h.
        Some(ReceivedSignal { signal: Signal::SIGTSTP, from_terminal: info.ssi_code == 0x80 })
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

fn set_of(signal: Signal) -> SigSet {
    SigSet::from_iter([signal])
}

/// Whether this process inherited the signal as ignored; false if that is unknown. Read once, because this program never
/// ignores a signal itself.
pub(crate) fn is_ignored(signal: i32) -> bool {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    let ignored = IGNORED.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    });
    ignored & (1 << (signal - 1)) != 0
}
