//! A terminal: what is typed, and what is displayed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::server::TIMEOUT;

/// Ctrl-C, as the terminal sends it.
pub const CTRL_C: &str = "\x03";
/// Ctrl-Z.
pub const CTRL_Z: &str = "\x1a";

/// A program in the foreground of a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    /// The master end, which only the test has open.
    master: File,
    /// Output that no call of `wait_for` has consumed yet.
    output: String,
}

impl Terminal {
    /// Starts the command in a new session with this terminal.
    pub fn start(command: &Command) -> Self {
        // Close-on-exec from the start: if a program of another test inherited it, there would be no hang-up.
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
        // setsid(1) makes it the controlling terminal, which needs an ioctl between fork and exec.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]);
        // A terminal's session ignores no signals. nohup(1) or a shell's `&` may have made this test ignore some.
        session
            .args(["env", "--default-signal"])
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        session
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("TERM", "xterm");
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        let master = File::from(OwnedFd::from(master));
        set_size(&master, 24, 80);
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, master, output: String::new() }
    }

    /// The id of the program.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Types this text.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
    }

    /// Waits until the terminal shows the text, after everything that was awaited before.
    pub fn wait_for(&mut self, text: &str) {
        let deadline = deadline();
        while !self.output.contains(text) {
            assert!(self.read(deadline), "no {text:?} on the terminal, but: {:?}", self.output);
        }
        let end = self.output.find(text).unwrap() + text.len();
        self.output.drain(..end);
    }

    /// Waits until the program ends; returns the output that was not awaited before, and the exit status.
    pub fn end(mut self) -> (String, ExitStatus) {
        let deadline = deadline();
        while self.read(deadline) {}
        assert!(now() < deadline, "the program does not end; on the terminal: {:?}", self.output);
        (std::mem::take(&mut self.output), self.child.wait().unwrap())
    }

    /// Closes the terminal, as a lost connection does.
    pub fn hang_up(&mut self) {
        self.master = File::open("/dev/null").unwrap();
    }

    /// Reads more output; false at its end, or at the deadline.
    fn read(&mut self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(now()).as_millis();
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut ready, PollTimeout::try_from(wait).unwrap()).unwrap();
        if now() >= deadline {
            return false;
        }
        let mut chunk = [0_u8; 4096];
        // EIO: no process has the terminal open any more.
        let length = self.master.read(&mut chunk).unwrap_or(0);
        self.output.push_str(&String::from_utf8_lossy(&chunk[..length]));
        length > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // For a test that failed: otherwise it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(terminal: &File, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal.as_fd(), size).unwrap();
}

fn deadline() -> Instant {
    now() + TIMEOUT
}

#[expect(clippy::disallowed_methods, reason = "the test waits in real time")]
fn now() -> Instant {
    Instant::now()
}
