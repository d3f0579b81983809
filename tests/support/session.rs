//! A client of a database server, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A client. Dropping it ends its session, and the server rolls back what it has not committed.
#[derive(Debug)]
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Session {
    /// Runs `statements`, of which the last prints `ready`, and keeps the session open.
    pub(crate) fn open(mut client: Command, statements: &str) -> Self {
        let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{statements}").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"), "{statements}");
        Self { child, stdin: Some(stdin) }
    }

    /// Starts a client that runs the statement of its command line, and does not wait for it.
    pub(crate) fn in_background(mut client: Command) -> Self {
        let client = client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: client.spawn().unwrap(), stdin: None }
    }

    /// Ends the session.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        match self.stdin.take() {
            Some(stdin) => drop(stdin),
            None => drop(self.child.kill()),
        }
        let _ = self.child.wait();
    }
}
