//! What is done in the child between fork and exec.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{close, getpid, getppid};

/// Gives the child the signal mask `mask`, an ignored SIGPIPE where ours was `pipe_ignored`, closes the streams that
/// were `closed` to us, and, with `dies_with_us`, has the kernel send it a TERM when this process ends before it, by a
/// SIGKILL for instance. That is not passed on to what the child starts, and is lost where the child is set-user-ID:
/// see `PR_SET_PDEATHSIG(2const)`.
///
/// The kernel means the thread that starts the child, so this is for one that lives as long as the process.
#[expect(unsafe_code, reason = "there is no safe interface to what happens between fork and exec")]
pub(super) fn prepare(
    command: &mut Command,
    mask: SigSet,
    closed: Vec<RawFd>,
    pipe_ignored: bool,
    dies_with_us: bool,
) {
    let wrapper = getpid();
    // SAFETY: only sigprocmask(2), sigaction(2), close(2), prctl(2) and getppid(2) are called, and nothing is allocated. The streams
    // that are closed are nobody's here.
    unsafe {
        command.pre_exec(move || {
            mask.thread_set_mask()?;
            if pipe_ignored {
                // The library that starts the child has just made it the default.
                signal(Signal::SIGPIPE, SigHandler::SigIgn)?;
            }
            for stream in &closed {
                close(*stream)?;
            }
            if dies_with_us {
                set_pdeathsig(Signal::SIGTERM)?;
                // It may have been killed before the call above.
                if getppid() != wrapper {
                    return Err(io::Error::from(Errno::ESRCH));
                }
            }
            Ok(())
        });
    }
}
