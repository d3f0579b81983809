//! Stdin, with a limit on the wait for more of it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use common::clock::{Clock as _, SystemClock};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Stdin. It can be read again after a rollback, so it is not locked.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    deadline: Option<Instant>,
}

impl Input {
    /// Stdin without a limit.
    pub(crate) fn stdin() -> io::Result<Self> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { file, deadline: None })
    }

    /// Ends the input, as if it were closed, after this time.
    pub(crate) fn end_after(&mut self, limit: Duration) {
        self.deadline = SystemClock.instant().checked_add(limit);
    }

    /// Whether more can be read in time.
    fn is_readable(&self) -> io::Result<bool> {
        let Some(deadline) = self.deadline else { return Ok(true) };
        loop {
            let remaining = deadline.saturating_duration_since(SystemClock.instant());
            let timeout = PollTimeout::try_from(remaining).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(0) if remaining.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_readable()? {
                return Ok(0);
            }
            match self.file.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}
