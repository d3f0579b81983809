//! The signals that a wrapper hears: those that it passes on, and what its child's state tells it.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use common::clock::Clock;

/// The signals that are passed on. SIGTSTP is one too, and heard in another way: see [`Mask`].
const FORWARDED: [i32; 8] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT];

/// Those of them by which somebody asks for the end.
const STOPPING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// A signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReceivedSignal {
    /// Which.
    pub signal: Signal,
    /// Whether the kernel sent it, as a terminal does for what is typed: then everybody in the group has got it.
    pub from_terminal: bool,
}

impl ReceivedSignal {
    /// Whether somebody asks for the end by it.
    pub(super) fn is_termination(self) -> bool {
        STOPPING.contains(&self.signal)
    }
}

/// The signals to this process, from [`Signals::watch`] on: none is lost, and none but SIGSTOP and SIGKILL acts.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
}

impl Signals {
    /// Starts watching. Before the child starts: a signal in between must not be lost.
    pub fn watch() -> io::Result<Self> {
        // A signal that was ignored before us, as under nohup, stays ignored in the child: no handler.
        let wanted = FORWARDED.into_iter().filter(|signal| !is_ignored(*signal));
        let (read, write) = UnixStream::pair()?;
        let delivery =
            SignalDelivery::with_pipe(read, write, WithOrigin::default(), wanted.chain([SIGCHLD]))?;
        Ok(Self { delivery })
    }

    /// Waits for `pause`, or until somebody asks for the end: then returns the signal.
    pub fn pause(&mut self, pause: Duration, clock: &dyn Clock) -> Option<Signal> {
        let until = clock.instant() + pause;
        while clock.instant() < until {
            if let Some(heard) =
                self.next(None, Some(until), clock).into_iter().find(|it| it.is_termination())
            {
                return Some(heard.signal);
            }
        }
        None
    }

    /// Waits for a signal, or for `deadline`; returns what came, without SIGCHLD, which is only a reason to look.
    pub(super) fn next(
        &mut self,
        mask: Option<&Mask>,
        deadline: Option<Instant>,
        clock: &dyn Clock,
    ) -> Vec<ReceivedSignal> {
        let wait = deadline.map(|deadline| deadline.saturating_duration_since(clock.instant()));
        self.wait_for_a_byte(mask, wait);
        let pending = self.delivery.pending().filter(|origin| origin.signal != SIGCHLD);
        let mut heard: Vec<ReceivedSignal> = pending
            .filter_map(|origin| {
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                Some(ReceivedSignal { signal: Signal::try_from(origin.signal).ok()?, from_terminal })
            })
            .collect();
        heard.extend(mask.and_then(Mask::heard));
        heard
    }

    fn wait_for_a_byte(&mut self, mask: Option<&Mask>, wait: Option<Duration>) {
        // Rounded up: to wake before the deadline would be to wake twice.
        let timeout = wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(PollTimeout::MAX)
        });
        let pipe = self.delivery.get_read_mut();
        let mut watched = vec![PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        let suspension = mask.and_then(|mask| mask.suspension.as_ref());
        watched.extend(suspension.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        // An interruption is as good as a byte: a reason to look.
        let _ = poll(&mut watched, timeout);
        let mut wakes = [0_u8; 64];
        if pipe.set_nonblocking(true).is_ok() {
            let _ = pipe.read(&mut wakes);
        }
    }
}

/// The signal mask while a child runs.
///
/// SIGTSTP, as Ctrl-Z at a terminal sends it, is blocked and read from a descriptor rather than handled, because its
/// own action, by which a shell sees that a job was suspended, is to be had only without a handler. SIGCHLD is let
/// in, which a caller may have left blocked.
///
/// A child would inherit it: it has to be given [`Mask::before`]. Dropped, the mask restores that.
#[derive(Debug)]
pub(super) struct Mask {
    /// The mask as it was.
    pub before: SigSet,
    /// `None` where SIGTSTP is ignored or blocked already, as it is for the child.
    suspension: Option<SignalFd>,
}

impl Mask {
    /// Sets the mask; from here on no SIGTSTP acts by itself.
    pub(super) fn set() -> io::Result<Self> {
        let before = SigSet::thread_get_mask()?;
        from(Signal::SIGCHLD).thread_unblock()?;
        let mut mask = Self { before, suspension: None };
        if !is_ignored(Signal::SIGTSTP as i32) && !before.contains(Signal::SIGTSTP) {
            let suspend = from(Signal::SIGTSTP);
            mask.suspension =
                Some(SignalFd::with_flags(&suspend, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?);
            suspend.thread_block()?;
        }
        Ok(mask)
    }

    /// Stops this process as SIGTSTP does, and returns once it goes on.
    pub(super) fn suspend(&self) {
        if self.suspension.is_some() {
            let suspend = from(Signal::SIGTSTP);
            // Raised while it is blocked, it acts within the unblocking.
            let _ = raise(Signal::SIGTSTP);
            let _ = suspend.thread_unblock();
            let _ = suspend.thread_block();
        }
    }

    fn heard(&self) -> Option<ReceivedSignal> {
        let info = self.suspension.as_ref()?.read_signal().ok()??;
        // SI_KERNEL of asm-generic/siginfo.h.
        Some(ReceivedSignal { signal: Signal::SIGTSTP, from_terminal: info.ssi_code == 0x80 })
    }
}

impl Drop for Mask {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

fn from(signal: Signal) -> SigSet {
    SigSet::from_iter([signal])
}

/// Whether this process inherited the signal as ignored; false where the kernel does not tell. Looked at once: nothing
/// in here ignores one.
pub(crate) fn is_ignored(signal: i32) -> bool {
    static IGNORED: OnceLock<u64> = OnceLock::new();
    let ignored = IGNORED.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    });
    ignored & (1 << (signal - 1)) != 0
}
