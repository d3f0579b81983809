//! Prepares the child between fork and exec.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{close, getpid, getppid, setsid};

/// Gives the child the signal mask `mask`, ignores SIGPIPE if `sigpipe_ignored`, and closes the streams in `closed`. With
/// `dies_with_us`, the kernel sends TERM to the child if this process ends first, for example by SIGKILL. Descendants of
/// the child do not inherit that, and a set-user-ID child loses it: see `PR_SET_PDEATHSIG(2const)`.
///
/// The kernel watches the thread that starts the child, so that thread must live as long as the process.
#[expect(unsafe_code, reason = "no safe interface runs code between fork and exec")]
pub(super) fn prepare(
    command: &mut Command,
    mask: SigSet,
    closed: Vec<RawFd>,
    sigpipe_ignored: bool,
    dies_with_us: bool,
) {
    let wrapper = getpid();
    // SAFETY: only sigprocmask(2), sigaction(2), close(2), prctl(2) and getppid(2) are called, and nothing is allocated. Nothing
    // here uses the streams that are closed.
    unsafe {
        command.pre_exec(move || {
            mask.thread_set_mask()?;
            if sigpipe_ignored {
                // The standard library has just reset it to the default.
                signal(Signal::SIGPIPE, SigHandler::SigIgn)?;
            }
            for stream in &closed {
                close(*stream)?;
            }
            if dies_with_us {
                set_pdeathsig(Signal::SIGTERM)?;
                // This process may have been killed before the call above.
                if getppid() != wrapper {
                    return Err(io::Error::from(Errno::ESRCH));
                }
            }
            Ok(())
        });
    }
}

/// Lets the child begin a session, which has no terminal; it then leads a process group of its own.
#[expect(unsafe_code, reason = "no safe interface runs code between fork and exec")]
pub(super) fn begin_session(command: &mut Command) {
    // SAFETY: only setsid(2) is called, and nothing is allocated.
    unsafe {
        command.pre_exec(|| setsid().map(drop).map_err(io::Error::from));
    }
}
