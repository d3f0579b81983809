//! What this process was given and Rust's runtime changes before `main`: a standard stream that is closed becomes
//! `/dev/null`, and SIGPIPE ignored. What a child gets is what we got: so this looks before the runtime does.

use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::libc;
use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::{stderr, stdin, stdout};

/// A bit for each of the three streams that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Whether SIGPIPE was ignored.
static PIPE_IGNORED: AtomicBool = AtomicBool::new(false);

#[used]
#[expect(
    unsafe_code,
    reason = "the functions in this section run before Rust's runtime; this one needs nothing of it"
)]
// SAFETY: it allocates nothing and makes four system calls.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for (number, stream) in streams() {
        if fcntl_getfd(stream) == Err(Errno::BADF) {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
    PIPE_IGNORED.store(is_pipe_ignored(), Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "there is no safe interface that asks for an action without setting one")]
fn is_pipe_ignored() -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: without a new action sigaction(2) only writes the old one, for which there is room; zeros are valid for it.
    let action = unsafe {
        libc::sigaction(libc::SIGPIPE, ptr::null(), action.as_mut_ptr());
        action.assume_init()
    };
    action.sa_sigaction == libc::SIG_IGN
}

fn streams() -> [(RawFd, BorrowedFd<'static>); 3] {
    [(0, stdin()), (1, stdout()), (2, stderr())]
}

/// The standard streams that were closed.
pub(super) fn closed() -> impl Iterator<Item = RawFd> {
    let closed = CLOSED.load(Ordering::Relaxed);
    (0..3).filter(move |number| closed & (1 << number) != 0)
}

/// Whether SIGPIPE was ignored.
pub(super) fn pipe_ignored() -> bool {
    PIPE_IGNORED.load(Ordering::Relaxed)
}
