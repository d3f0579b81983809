//! A terminal: what is typed into it, and what stands on it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ctrl-C, as it is typed.
pub const CTRL_C: &str = "\x03";
/// Ctrl-Z.
pub const CTRL_Z: &str = "\x1a";

/// A program in the foreground of a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    /// The other end; only the terminal itself has it open.
    keyboard: File,
    seen: String,
}

impl Terminal {
    /// Starts the command in a new session whose terminal this is.
    pub fn start(command: &Command) -> Self {
        // Closed on exec from the start: a program of another test that had it too would hide a hang-up.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname_r(&master).unwrap();
        let screen = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(name)
            .unwrap();
        let end = || Stdio::from(screen.try_clone().unwrap());
        // setsid(1) makes the terminal the session's, which takes an ioctl between fork and exec.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args()).env_clear();
        session
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "xterm");
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        let keyboard = File::from(OwnedFd::from(master));
        set_size(&keyboard, 24, 80);
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, keyboard, seen: String::new() }
    }

    /// Types.
    pub fn type_in(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    /// Makes the window another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.keyboard, rows, columns);
    }

    /// Waits until the text stands on the terminal, after what was waited for before.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = deadline();
        while !self.seen.contains(text) {
            assert!(self.read(deadline), "no {text:?} on the terminal, but: {:?}", self.seen);
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    /// Waits for the program's end; returns all that was not waited for before, and how it ended.
    pub fn end(mut self) -> (String, ExitStatus) {
        let deadline = deadline();
        while self.read(deadline) {}
        assert!(now() < deadline, "the program does not end; on the terminal: {:?}", self.seen);
        (std::mem::take(&mut self.seen), self.child.wait().unwrap())
    }

    /// Takes the terminal away, as a lost connection does.
    pub fn hang_up(&mut self) {
        self.keyboard = File::open("/dev/null").unwrap();
    }

    /// Whether there was more to read.
    fn read(&mut self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(now()).as_millis();
        let mut ready = [PollFd::new(self.keyboard.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::try_from(wait).unwrap()).unwrap();
        if now() >= deadline {
            return false;
        }
        let mut chunk = [0_u8; 4096];
        // EIO: nobody has the terminal open any more.
        let length = self.keyboard.read(&mut chunk).unwrap_or(0);
        self.seen.push_str(&String::from_utf8_lossy(&chunk[..length]));
        length > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // For a story that failed; one that was told has ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal.as_fd(), size).unwrap();
}

fn deadline() -> Instant {
    now() + PATIENCE
}

#[expect(clippy::disallowed_methods, reason = "the clock of the machine itself is what a test waits by")]
fn now() -> Instant {
    Instant::now()
}
