//! Reads a child's stderr, or all its output: forwards it or not, and keeps the last lines.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::workflow_commands::WorkflowCommands;

/// How much of a line is kept, in bytes.
const MAX_LINE_BYTES: usize = 1024;

/// How much is read at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// How many chunks are read after the child has ended. The pipe holds one; a grandchild may write for ever.
const MAX_CHUNKS_AFTER_EXIT: usize = 16;

/// What of the output goes to our stderr at once.
#[derive(Debug)]
pub(super) enum Shown {
    Everything,
    /// Only the commands that a runner of GitHub Actions must not miss.
    WorkflowCommands(WorkflowCommands),
    Nothing,
}

/// A thread that reads a child's output.
#[derive(Debug)]
pub(super) struct OutputPipe {
    thread: JoinHandle<Tail>,
    /// Closed when the child has ended.
    child_alive: PipeWriter,
}

impl Shown {
    pub(super) fn workflow_commands() -> Self {
        Self::WorkflowCommands(WorkflowCommands::default())
    }

    fn show(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Everything => io::stderr().write_all(chunk),
            Self::WorkflowCommands(commands) => io::stderr().write_all(&commands.of(chunk)),
            Self::Nothing => Ok(()),
        }
    }
}

impl OutputPipe {
    /// Starts the thread. The returned end of the pipe is for the child.
    pub(super) fn start(lines: usize, shown: Shown) -> io::Result<(Self, PipeWriter)> {
        let (from_child, to_us) = io::pipe()?;
        let (alive, child_alive) = io::pipe()?;
        let thread = thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || read(from_child, &alive, shown, Tail::new(lines)))?;
        Ok((Self { thread, child_alive }, to_us))
    }

    /// Reads what the child wrote before it ended, and returns the last lines. Does not wait for a grandchild that
    /// keeps the pipe open.
    pub(super) fn finish(self) -> Vec<String> {
        drop(self.child_alive);
        self.thread.join().map(Tail::into_lines).unwrap_or_default()
    }
}

fn read(mut from_child: PipeReader, alive: &PipeReader, mut shown: Shown, mut tail: Tail) -> Tail {
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
        if shown.show(&chunk[..length]).is_err() {
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
