//! Inherited state that Rust's runtime changes before `main`: it opens closed standard streams as `/dev/null`, and ignores
//! SIGPIPE. A child must get what this process inherited, so this module reads it before the runtime starts.

use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::libc;
use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::{stderr, stdin, stdout};

/// One bit for each standard stream that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);

/// Whether SIGPIPE was ignored.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

#[used]
#[expect(
    unsafe_code,
    reason = "functions in this section run before Rust's runtime; this one does not need it"
)]
// SAFETY: it allocates nothing and makes four system calls.
#[unsafe(link_section = ".init_array")]
static READ: extern "C" fn() = read;

extern "C" fn read() {
    for (number, stream) in streams() {
        if fcntl_getfd(stream) == Err(Errno::BADF) {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
    SIGPIPE_IGNORED.store(read_sigpipe_ignored(), Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "no safe interface reads an action without setting one")]
fn read_sigpipe_ignored() -> bool {
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

/// The file descriptors of the standard streams that were closed.
pub(super) fn closed_streams() -> impl Iterator<Item = RawFd> {
    let closed = CLOSED.load(Ordering::Relaxed);
    (0..3).filter(move |number| closed & (1 << number) != 0)
}

/// Whether SIGPIPE was ignored.
pub(super) fn is_sigpipe_ignored() -> bool {
    SIGPIPE_IGNORED.load(Ordering::Relaxed)
}
