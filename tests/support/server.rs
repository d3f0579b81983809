//! A server process of our own: private, on a port that the kernel chose, stopped by the id of the process started.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// Long, for a slow machine: it is only waited out by what is broken.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens, as `127.0.0.1:port`.
    pub address: String,
}

impl Server {
    /// Starts `command` and waits for the line, on stdout or stderr, in which `address` finds where it listens.
    pub fn start(mut command: Command, address: fn(&str) -> Option<String>) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {program} ({error}): ./scripts/test.sh installs it")
            });
        let (lines, found) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), lines.clone());
        read_lines(child.stderr.take().unwrap(), lines);
        let mut log = String::new();
        let address = loop {
            match found.recv_timeout(PATIENCE) {
                Ok(line) => {
                    if let Some(address) = address(&line) {
                        break address;
                    }
                    log.push_str(&line);
                    log.push('\n');
                }
                Err(error) => panic!("{program} does not say where it listens ({error}):\n{log}"),
            }
        };
        Self { child, address }
    }

    /// Asks it to end, and waits until it has.
    pub fn end_by(mut self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(id, signal);
        let _ = self.child.wait();
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test's server has nothing to save.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads on for as long as the server lives: a full pipe would stop it.
fn read_lines(stream: impl Read + Send + 'static, lines: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}

/// Asks again and again until the answer is there; fails with what was last seen when patience ends.
///
/// Each round is one real request, so this does not spin.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let (tick, ticks) = mpsc::channel::<()>();
    let rounds = PATIENCE.as_millis() / 50;
    let mut last = String::new();
    for _ in 0..rounds {
        match ask() {
            Ok(answer) => return answer,
            Err(why) => last = why,
        }
        let _ = ticks.recv_timeout(Duration::from_millis(50));
    }
    drop(tick);
    panic!("{what}: not within {PATIENCE:?}; last seen: {last}");
}
