//! A private server process, on a port that the kernel chose, stopped by the id of the process that was started.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// The limit of every wait, long enough for a machine that is busy: only a failing test reaches it.
pub const TIMEOUT: Duration = Duration::from_mins(2);

/// Between two attempts of [`eventually`].
const INTERVAL: Duration = Duration::from_millis(50);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The address that it listens on, as `127.0.0.1:port`.
    pub address: String,
}

impl Server {
    /// Starts `command`, and waits for the line on stdout or stderr in which `parse_address` finds its address.
    pub fn start(mut command: Command, parse_address: fn(&str) -> Option<String>) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {program} ({error}): ./scripts/test.sh installs it")
            });
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), sender.clone());
        read_lines(child.stderr.take().unwrap(), sender);
        let mut log = String::new();
        let address = loop {
            match lines.recv_timeout(TIMEOUT) {
                Ok(line) => {
                    if let Some(address) = parse_address(&line) {
                        break address;
                    }
                    log.push_str(&line);
                    log.push('\n');
                }
                Err(error) => panic!("{program} does not print its address ({error}):\n{log}"),
            }
        };
        Self { child, address }
    }

    /// Sends the server a signal, and waits until it has ended.
    pub fn stop(mut self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed());
        let _ = nix::sys::signal::kill(id, signal);
        let _ = self.child.wait();
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The data of a test's server is not needed any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads as long as the server runs: it would block on a full pipe.
fn read_lines(stream: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
}

/// A client for servers of the tests: the machine's proxy is not for them.
pub fn client() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().no_proxy().timeout(TIMEOUT).build().unwrap()
}

/// Calls `attempt` until it succeeds; panics with its last error after [`TIMEOUT`].
pub fn eventually<T>(expectation: &str, attempt: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(TIMEOUT, expectation, attempt)
}

/// The same with another limit, for what takes minutes by design.
pub fn eventually_within<T>(
    limit: Duration,
    expectation: &str,
    mut attempt: impl FnMut() -> Result<T, String>,
) -> T {
    let (_tick, ticks) = mpsc::channel::<()>();
    let mut last = String::new();
    for _ in 0..limit.as_millis() / INTERVAL.as_millis() {
        match attempt() {
            Ok(value) => return value,
            Err(error) => last = error,
        }
        // Nobody ever ticks: this only waits.
        let _ = ticks.recv_timeout(INTERVAL);
    }
    panic!("{expectation}: not within {limit:?}; last result: {last}");
}
