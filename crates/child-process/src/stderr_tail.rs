//! Forwards a child's stderr and keeps its last lines.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How much of a line is kept, in bytes.
const MAX_LINE_BYTES: usize = 1024;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks are forwarded after the child has ended. The pipe holds one; a grandchild may write for ever.
const MAX_CHUNKS_AFTER_EXIT: usize = 16;

/// A thread that forwards a child's stderr to ours.
#[derive(Debug)]
pub(super) struct StderrTee {
    thread: JoinHandle<Tail>,
    /// Closed when the child has ended.
    child_alive: PipeWriter,
}

impl StderrTee {
    /// Starts the thread. The returned pipe becomes the stderr of the child.
    pub(super) fn start(lines: usize) -> io::Result<(Self, PipeWriter)> {
        let (from_child, stderr) = io::pipe()?;
        let (alive, child_alive) = io::pipe()?;
        let thread = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || forward(from_child, &alive, Tail::new(lines)))?;
        Ok((Self { thread, child_alive }, stderr))
    }

    /// Forwards what the child wrote before it ended, and returns the last lines. Does not wait for a grandchild that
    /// keeps the pipe open.
    pub(super) fn finish(self) -> Vec<String> {
        drop(self.child_alive);
        self.thread.join().map(Tail::into_lines).unwrap_or_default()
    }
}

fn forward(mut from_child: PipeReader, alive: &PipeReader, mut tail: Tail) -> Tail {
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    let mut remaining = MAX_CHUNKS_AFTER_EXIT;
    while remaining > 0 {
        let mut ready = [
            PollFd::new(from_child.as_fd(), PollFlags::POLLIN),
            PollFd::new(alive.as_fd(), PollFlags::POLLIN),
        ];
        if poll(&mut ready, PollTimeout::NONE).is_err() {
            // Interrupted.
            continue;
        }
        let [has_output, child_ended] = ready.map(|fd| fd.any().unwrap_or(false));
        if child_ended {
            remaining -= 1;
        }
        if !has_output {
            break;
        }
        let Ok(length @ 1..) = from_child.read(&mut chunk) else { break };
        tail.add(&chunk[..length]);
        // The reader of our stderr has gone. The child gets the same error as without us.
        if io::stderr().write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    tail
}

/// The last lines of the added text.
#[derive(Debug)]
struct Tail {
    max_lines: usize,
    lines: VecDeque<Vec<u8>>,
    /// The line that has not ended yet.
    unfinished: Vec<u8>,
}

impl Tail {
    fn new(max_lines: usize) -> Self {
        Self { max_lines, lines: VecDeque::new(), unfinished: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(),
                // A progress bar overwrites its line. Keep the final state.
                b'\r' if self.unfinished.last() == Some(&b'\r') => {}
                byte => {
                    if self.unfinished.last() == Some(&b'\r') && *byte != b'\r' {
                        self.unfinished.clear();
                    }
                    if self.unfinished.len() < MAX_LINE_BYTES {
                        self.unfinished.push(*byte);
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        self.lines.push_back(std::mem::take(&mut self.unfinished));
        if self.lines.len() > self.max_lines {
            self.lines.pop_front();
        }
    }

    fn into_lines(mut self) -> Vec<String> {
        if !self.unfinished.is_empty() {
            self.end_line();
        }
        let plain = |line: Vec<u8>| anstream::adapter::strip_str(&String::from_utf8_lossy(&line)).to_string();
        self.lines.into_iter().map(plain).map(|line| line.trim_end().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(max_lines: usize, text: &str) -> Vec<String> {
        let mut tail = Tail::new(max_lines);
        // The size of the chunks does not matter.
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
        assert_eq!(tail(9, &"x".repeat(5000)), ["x".repeat(MAX_LINE_BYTES)]);
        assert_eq!(tail(9, ""), Vec::<String>::new());
    }
}
