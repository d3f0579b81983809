//! The stdin of a command that may run again: no attempt may get the rest of what an earlier one has read.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{Whence, lseek};

use super::stdin_copy::{MAX_BYTES, StdinCopy};

/// `/dev/null`, as the device number of a `stat`.
const NULL_DEVICE: u64 = nix::sys::stat::makedev(1, 3);

/// What the command gets as its stdin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum StdinMode {
    /// The stdin of this tool
    #[default]
    Inherit,
    /// The same bytes for each attempt, up to 16 MiB
    Replay,
}

/// The stdin of all attempts.
#[derive(Debug)]
pub struct Stdin(Kind);

#[derive(Debug)]
enum Kind {
    /// Nothing can be lost: it is empty, or a terminal, where the person can answer again.
    Repeatable,
    /// A regular file that is read from this offset on.
    File(i64),
    /// A copy of what was read.
    Copied(StdinCopy),
    /// What was read is lost.
    Once,
}

/// Why another attempt would not get the same stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StdinLost {
    /// It is a pipe or a socket.
    #[error(
        "it may have read its stdin, which cannot be read again: redirect it from a file, or add --stdin replay"
    )]
    ReadOnce,
    /// The copy did not hold all of it.
    #[error("its stdin is larger than the {} MiB that --stdin replay keeps: redirect it from a file", MAX_BYTES >> 20)]
    TooLarge,
    /// The file cannot be rewound.
    #[error("its stdin cannot be rewound to where the first attempt began")]
    NotRewound,
}

impl Stdin {
    /// Looks at the stdin of this process.
    pub fn inspect(mode: StdinMode) -> Self {
        let stdin = io::stdin();
        let Ok(stat) = fstat(&stdin) else { return Self(Kind::Once) };
        let offset = lseek(&stdin, 0, Whence::SeekCur);
        Self(match (kind(&stat), offset) {
            (SFlag::S_IFREG, Ok(offset)) => Kind::File(offset),
            (SFlag::S_IFCHR, _) if stat.st_rdev == NULL_DEVICE || stdin.is_terminal() => Kind::Repeatable,
            (SFlag::S_IFIFO | SFlag::S_IFSOCK, _) if is_at_end() => Kind::Repeatable,
            _ if mode == StdinMode::Replay => Kind::Copied(StdinCopy::default()),
            _ => Kind::Once,
        })
    }

    /// Whether another attempt gets the stdin that the first one got.
    ///
    /// # Errors
    /// What was read is lost.
    pub fn check(&self) -> Result<(), StdinLost> {
        match &self.0 {
            Kind::Repeatable | Kind::File(_) => Ok(()),
            Kind::Copied(copy) if copy.is_complete() => Ok(()),
            Kind::Copied(_) => Err(StdinLost::TooLarge),
            Kind::Once => Err(StdinLost::ReadOnce),
        }
    }

    /// Prepares the stdin for another attempt.
    pub(super) fn rewind(&self) -> Result<(), StdinLost> {
        self.check()?;
        if let Kind::File(offset) = self.0 {
            lseek(io::stdin(), offset, Whence::SeekSet).map_err(|_| StdinLost::NotRewound)?;
        }
        Ok(())
    }

    /// The stdin of the next attempt; `None` if it inherits that of this process.
    pub(super) fn for_attempt(&self) -> io::Result<Option<Arc<File>>> {
        match &self.0 {
            Kind::Copied(copy) => copy.pipe().map(|pipe| Some(Arc::new(pipe))),
            _ => Ok(None),
        }
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// Whether nobody has written to this pipe, and nobody will.
fn is_at_end() -> bool {
    let stdin = io::stdin();
    let mut fd = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let events =
        poll(&mut fd, PollTimeout::ZERO).ok().and_then(|_| fd[0].revents()).unwrap_or(PollFlags::POLLIN);
    events.contains(PollFlags::POLLHUP) && !events.contains(PollFlags::POLLIN)
}
