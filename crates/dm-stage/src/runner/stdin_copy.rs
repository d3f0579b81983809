//! A bounded copy of stdin (`--stdin replay`): each attempt gets a pipe with all bytes from the beginning.

use std::fs::File;
use std::io::{self, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The largest stdin that can be replayed.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// How much is read before the command reads it, in bytes; a pipe holds as much.
const CHUNK_BYTES: usize = 64 << 10;

/// The copy. It is filled as fast as the command reads.
#[derive(Debug, Clone, Default)]
pub(super) struct StdinCopy(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The bytes from `dropped` on.
    bytes: Vec<u8>,
    /// How many bytes from the beginning are no longer in the copy.
    dropped: usize,
    /// The number of bytes that an attempt has got.
    delivered: usize,
    /// Whether stdin has ended.
    ended: bool,
    /// The number of the attempt that gets the bytes; 0 before the first.
    attempt: u32,
}

impl State {
    fn end(&self) -> usize {
        self.dropped + self.bytes.len()
    }
}

impl StdinCopy {
    /// Whether it still has all bytes.
    pub(super) fn is_complete(&self) -> bool {
        let state = self.lock();
        state.dropped == 0 && state.bytes.len() <= MAX_BYTES
    }

    /// The stdin of the next attempt.
    pub(super) fn pipe(&self) -> io::Result<File> {
        let (reader, writer) = io::pipe()?;
        let attempt = {
            let mut state = self.lock();
            state.attempt += 1;
            state.attempt
        };
        let copy = self.clone();
        if attempt == 1 {
            let stdin = io::stdin().as_fd().try_clone_to_owned()?;
            thread::Builder::new().name("stdin".to_owned()).spawn(move || copy.fill(File::from(stdin)))?;
        }
        let copy = self.clone();
        thread::Builder::new().name("replay".to_owned()).spawn(move || copy.deliver(attempt, writer))?;
        Ok(File::from(OwnedFd::from(reader)))
    }

    /// Reads stdin to its end, but not far ahead of the command.
    fn fill(&self, mut stdin: File) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            drop(self.wait_while(|state| state.end() >= state.delivered + CHUNK_BYTES));
            let read = match stdin.read(&mut chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // To the command, a stdin that cannot be read has ended.
                read => read.unwrap_or(0),
            };
            let mut state = self.lock();
            state.bytes.extend_from_slice(&chunk[..read]);
            state.ended = read == 0;
            self.0.changed.notify_all();
            if state.ended {
                return;
            }
        }
    }

    /// Writes all bytes to an attempt, until it closes its stdin or another attempt begins.
    fn deliver(&self, attempt: u32, mut pipe: PipeWriter) {
        let mut position = 0;
        loop {
            let chunk = {
                let is_idle =
                    |state: &mut State| position >= state.end() && !state.ended && state.attempt == attempt;
                let state = self.wait_while(is_idle);
                if state.attempt != attempt || position >= state.end() {
                    return;
                }
                let from = position.saturating_sub(state.dropped);
                state.bytes[from..state.bytes.len().min(from + CHUNK_BYTES)].to_vec()
            };
            if pipe.write_all(&chunk).is_err() {
                return;
            }
            position += chunk.len();
            let mut state = self.lock();
            if state.attempt == attempt {
                state.delivered = state.delivered.max(position);
                if state.bytes.len() > MAX_BYTES || state.dropped > 0 {
                    let delivered = position - state.dropped;
                    state.bytes.drain(..delivered);
                    state.dropped = position;
                }
                self.0.changed.notify_all();
            }
        }
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.0.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
