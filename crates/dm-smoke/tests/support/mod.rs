//! A small HTTP server with scripted responses, and the tool in a clean environment.

pub(crate) mod echo;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use common::event::Event;
use common::records::{self, Record};
use telemetry::{Entry, Journal};
use tempfile::TempDir;

/// Longer than any step of a test takes. Only a failing test waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A folder with a suite and a journal in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn with_suite(suite: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        common::fs::atomic::write(&folder.path().join("smoke.toml"), suite.as_bytes()).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The tool with the suite as its argument, without the variables of the machine or a CI system.
    pub(crate) fn command(&self) -> std::process::Command {
        let mut command = self.without_suite();
        command.arg("smoke.toml");
        command
    }

    pub(crate) fn without_suite(&self) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("dm-smoke"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DM_STATE_DIR", self.path("state"))
            .env("PUSHGATEWAY_URL", "disabled")
            .env("DM_SERVICE", "shop")
            .env("DM_ENVIRONMENT", "test")
            .env("DM_DEPLOYMENT_ID", "d-42")
            .current_dir(self.folder.path());
        command
    }

    pub(crate) fn smoke(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        let mut command = self.command();
        command.args(args);
        assert_cmd::Command::from_std(command).timeout(PATIENCE).assert()
    }

    /// The one event in the journal.
    pub(crate) fn event(&self) -> Event {
        let mut entries = Journal::new(&self.path("state")).read().unwrap();
        assert_eq!(entries.len(), 1, "{entries:?}");
        match entries.remove(0) {
            Entry::Finished(event) => event,
            Entry::Started(started) => panic!("{started:?}"),
        }
    }

    /// A named pipe. Its reader sees the end of file when the last process that inherited the pipe is gone.
    pub(crate) fn lifeline(&self) -> mpsc::Receiver<&'static str> {
        let path = self.path("lifeline");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut pipe = File::open(path).unwrap();
            sender.send("started").unwrap();
            pipe.read_to_end(&mut Vec::new()).unwrap();
            sender.send("all gone").unwrap();
        });
        receiver
    }
}

/// Parses stdout as records.
pub(crate) fn records(stdout: &[u8]) -> Vec<Record> {
    String::from_utf8(stdout.to_vec()).unwrap().lines().map(|line| records::parse(line).unwrap()).collect()
}

/// The tests among the records.
pub(crate) fn tests(records: &[Record]) -> Vec<&records::Test> {
    records
        .iter()
        .filter_map(|record| match record {
            Record::Test(test) => Some(test),
            _ => None,
        })
        .collect()
}

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Responds to each request by its first line, `GET /path HTTP/1.1`. After an empty response the connection stays
    /// open and silent. After a response with `connection: keep-alive` it serves the next request.
    pub(crate) fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (log, answer, accepted) = (Arc::clone(&requests), Arc::new(answer), Arc::clone(&connections));
        thread::spawn(move || {
            for connection in listener.incoming() {
                accepted.fetch_add(1, Ordering::Relaxed);
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(connection.unwrap(), &log, &*answer));
            }
        });
        Self { url, requests, connections }
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The requests so far: everything up to the body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut connection: TcpStream, log: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> String) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let first = head.lines().next().unwrap().to_owned();
        log.lock().unwrap().push(head);
        let answer = answer(&first);
        if answer.is_empty() {
            return drop(reader.read_to_end(&mut Vec::new()));
        }
        // The client may have gone away; the test judges that.
        drop(connection.write_all(answer.as_bytes()));
        if !answer.contains("connection: keep-alive") {
            return;
        }
    }
}

/// A response with a status and a body.
pub(crate) fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
