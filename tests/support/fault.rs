//! Fake servers with faults that a real server cannot produce: they refuse, hang, answer nonsense, or never end. And one
//! that records its requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::gate::Gate;
use crate::port::ReservedPort;

/// A URL that refuses connections, for as long as the test process runs.
pub fn refused() -> String {
    let port = ReservedPort::new();
    let url = format!("http://{}", port.address());
    port.keep();
    url
}

/// A server that accepts, reads, and never answers.
pub fn hanging() -> String {
    serve(|mut stream| {
        let mut sink = Vec::new();
        // Until the client gives up.
        let _ = stream.read_to_end(&mut sink);
    })
}

/// A server that answers every request with 500 and an explanation.
pub fn internal_error() -> String {
    answering(&answer("500 Internal Server Error", "the disk is full\n"))
}

/// A server that resets every connection during the first request.
pub fn resetting() -> String {
    serve(|stream| {
        // Closing a connection with unread data resets it.
        let _ = stream.peek(&mut [0]);
    })
}

/// A server that answers every request with `start`, followed by one byte per second, without end.
pub fn dripping(start: &str) -> String {
    continuing(start, |stream| {
        // Nobody ever ticks: this only waits.
        let (_tick, ticks) = mpsc::channel::<()>();
        while stream.write_all(b"a").is_ok() {
            let _ = ticks.recv_timeout(Duration::from_secs(1));
        }
    })
}

/// A server that answers every request with `start`, followed by as much data as the client reads.
pub fn pouring(start: &str) -> String {
    continuing(start, |stream| {
        let chunk = vec![b'a'; 64 * 1024];
        while stream.write_all(&chunk).is_ok() {}
    })
}

/// A server that answers the first request of a connection with `start`, keeps the connection open, and sends no more.
pub fn silent_after(start: &str) -> String {
    continuing(start, |stream| {
        // Until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// 64 KiB of zeros: `head -c 65536 /dev/zero | gzip -9n`.
const ZEROS: &[u8] = include_bytes!("zeros.gz");

/// A server that answers every request with a gzip bomb: little data that has no end once it is unpacked.
pub fn bombing() -> String {
    continuing("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", |stream| {
        // Several gzip files in a row are one file.
        while stream.write_all(ZEROS).is_ok() {}
    })
}

/// A server that answers every request with these bytes, and refuses connections to the same port over IPv4; `None` on a
/// machine without IPv6.
pub fn only_on_ipv6(bytes: &str) -> Option<String> {
    let bytes = bytes.to_owned();
    let listener = loop {
        let listener = TcpListener::bind("[::1]:0").ok()?;
        // Another process may have the same port of IPv4 already, and no other may take it later.
        if let Some(port) = ReservedPort::with_number(listener.local_addr().unwrap().port()) {
            port.keep();
            break listener;
        }
    };
    Some(serve_on(listener, move |stream| {
        if let Some((_, mut stream)) = read_request(stream) {
            let _ = stream.write_all(bytes.as_bytes());
        }
    }))
}

/// A server that answers every request with these bytes.
pub fn answering(bytes: &str) -> String {
    let bytes = bytes.to_owned();
    Recording::answering(move |_| bytes.clone()).url
}

/// A response with this status and this body.
pub fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A request that a server received.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request line and the headers, as they were sent.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A server that records its requests.
#[derive(Debug)]
pub struct Recording {
    /// Its URL.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Recording {
    /// To a client, an empty Pushgateway that accepts every push.
    pub fn empty_gateway() -> Self {
        Self::answering(|_| {
            answer("200 OK", "# TYPE pushgateway_build_info gauge\npushgateway_build_info{version=\"1\"} 1\n")
        })
    }

    /// A server that answers each request with the bytes that `answer` returns for its head.
    pub fn answering(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        Self::answering_all(move |request| answer(&request.head))
    }

    /// A server that answers each request with the bytes that `answer` returns for it.
    pub fn answering_all(answer: impl Fn(&Request) -> String + Clone + Send + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        let url = serve(move |stream| {
            if let Some((request, mut stream)) = read_request(stream) {
                let bytes = answer(&request);
                // Before the answer, so that a client that has its answer finds the request recorded.
                recorded.lock().unwrap().push(request);
                let _ = stream.write_all(bytes.as_bytes());
            }
        });
        Self { url, requests }
    }

    /// A server that accepts everything, as soon as the gate is open.
    pub fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::answering(move |_| {
            gate.pass();
            answer("200 OK", "")
        })
    }

    /// The head of each request so far, as it was sent.
    pub fn heads(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.head).collect()
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A server that sends `start`, and leaves the rest to `proceed`.
fn continuing(start: &str, proceed: fn(&mut TcpStream)) -> String {
    let start = start.to_owned();
    serve(move |stream| {
        if let Some((_, mut stream)) = read_request(stream)
            && stream.write_all(start.as_bytes()).is_ok()
        {
            proceed(&mut stream);
        }
    })
}

/// Reads a whole request: unread data would reset the connection when it is closed, and the answer would be lost. `None`
/// if no request came.
pub(crate) fn read_request(stream: TcpStream) -> Option<(Request, TcpStream)> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let mut length = 0;
    for line in head.to_ascii_lowercase().lines() {
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    let _ = reader.by_ref().take(length).read_to_end(&mut body);
    (!head.is_empty()).then(|| (Request { head, body }, reader.into_inner()))
}

/// Calls `answer` with each connection, on a thread of its own, and returns the URL.
pub(crate) fn serve(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    serve_on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
}

fn serve_on(listener: TcpListener, answer: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || answer(stream));
        }
    });
    url
}
