//! The last lines of a child's stderr, kept while it passes on.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The longest line that is kept, in bytes; the rest of a longer one is not.
const LINE: usize = 1024;

/// So much is passed on at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// So many chunks are passed on after the child's end: a pipe holds one, and a grandchild may write for ever.
const CHUNKS_AFTERWARDS: usize = 16;

/// A thread that passes a child's stderr on to ours.
#[derive(Debug)]
pub(super) struct Tee {
    thread: JoinHandle<Tail>,
    /// Closed once the child has ended.
    child_lives: PipeWriter,
}

impl Tee {
    /// Starts it; what is returned beside it is for the child.
    pub(super) fn start(lines: usize) -> io::Result<(Self, PipeWriter)> {
        let (from_child, stderr) = io::pipe()?;
        let (life, child_lives) = io::pipe()?;
        let thread = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || pass_on(from_child, &life, Tail::new(lines)))?;
        Ok((Self { thread, child_lives }, stderr))
    }

    /// Passes on what the child has written until its end, and returns the last lines of it. Does not wait for a
    /// grandchild that keeps the pipe open.
    pub(super) fn finish(self) -> Vec<String> {
        drop(self.child_lives);
        self.thread.join().map(Tail::into_lines).unwrap_or_default()
    }
}

fn pass_on(mut from_child: PipeReader, life: &PipeReader, mut tail: Tail) -> Tail {
    let mut chunk = vec![0_u8; CHUNK];
    let mut left = CHUNKS_AFTERWARDS;
    while left > 0 {
        let mut ready = [
            PollFd::new(from_child.as_fd(), PollFlags::POLLIN),
            PollFd::new(life.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut ready, PollTimeout::NONE).is_err() {
            // Interrupted.
            continue;
        }
        let [has_output, child_ended] = ready.map(|fd| fd.any().unwrap_or(false));
        if child_ended {
            left -= 1;
        }
        if !has_output {
            break;
        }
        let Ok(length @ 1..) = from_child.read(&mut chunk) else { break };
        tail.add(&chunk[..length]);
        // Nobody reads our stderr: the child learns that as it would have without us.
        if io::stderr().write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    tail
}

/// The last lines of what was added.
#[derive(Debug)]
struct Tail {
    most: usize,
    lines: VecDeque<Vec<u8>>,
    /// The line that has no end yet.
    open: Vec<u8>,
}

impl Tail {
    fn new(most: usize) -> Self {
        Self { most, lines: VecDeque::new(), open: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.close(),
                // What a progress bar writes over is not what it came to.
                b'\r' if self.open.last() == Some(&b'\r') => {}
                byte => {
                    if self.open.last() == Some(&b'\r') && *byte != b'\r' {
                        self.open.clear();
                    }
                    if self.open.len() < LINE {
                        self.open.push(*byte);
                    }
                }
            }
        }
    }

    fn close(&mut self) {
        self.lines.push_back(std::mem::take(&mut self.open));
        if self.lines.len() > self.most {
            self.lines.pop_front();
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.close();
        }
        let plain = |line: Vec<u8>| anstream::adapter::strip_str(&String::from_utf8_lossy(&line)).to_string();
        self.lines.into_iter().map(plain).map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(most: usize, text: &str) -> Vec<String> {
        let mut tail = Tail::new(most);
        // However it arrives.
        for byte in text.bytes() {
            tail.add(&[byte]);
        }
        tail.into_lines()
    }

    #[test]
    fn the_last_lines_are_kept_without_colour_and_progress() {
        assert_eq!(tail(2, "a\nb\nc\n"), ["b", "c"]);
        assert_eq!(tail(2, "a\r\nb"), ["a", "b"]);
        assert_eq!(tail(2, "10%\r20%\r100%\nok"), ["100%", "ok"]);
        assert_eq!(tail(1, "\x1b[31mred\x1b[0m\n"), ["red"]);
        assert_eq!(tail(9, &"x".repeat(5000)), ["x".repeat(LINE)]);
        assert_eq!(tail(9, ""), Vec::<String>::new());
    }
}
