//! Which of the standard streams were closed when this process began.
//!
//! Rust's runtime opens `/dev/null` in their place, before `main`. What a child gets is what we got: so this looks
//! before the runtime does.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::{Errno, fcntl_getfd};
use rustix::stdio::{stderr, stdin, stdout};

/// A bit for each of the three.
static CLOSED: AtomicU8 = AtomicU8::new(0);

#[used]
#[expect(
    unsafe_code,
    reason = "the functions in this section run before Rust's runtime; this one needs nothing of it"
)]
// SAFETY: it allocates nothing and makes three system calls.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for (number, stream) in streams() {
        if fcntl_getfd(stream) == Err(Errno::BADF) {
            CLOSED.fetch_or(1 << number, Ordering::Relaxed);
        }
    }
}

fn streams() -> [(RawFd, BorrowedFd<'static>); 3] {
    [(0, stdin()), (1, stdout()), (2, stderr())]
}

/// Those that were closed.
pub(super) fn closed() -> impl Iterator<Item = RawFd> {
    let closed = CLOSED.load(Ordering::Relaxed);
    (0..3).filter(move |number| closed & (1 << number) != 0)
}
