//! Servers that a real gateway would not be: they refuse, hang, answer nonsense, or never end. And one that records
//! what it is asked, for what no real gateway tells.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// A URL at which nobody listens: the port was free a moment ago.
pub fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
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

/// A server that resets every connection in the middle of the first request.
pub fn resetting() -> String {
    serve(|stream| {
        // A close with something left unread is a reset.
        let _ = stream.peek(&mut [0]);
    })
}

/// A server that answers every request with `start`, and then for ever with one byte a second.
pub fn dripping(start: &str) -> String {
    going_on(start, |stream| {
        // Nobody ever ticks: it is only waited for.
        let (_tick, ticks) = mpsc::channel::<()>();
        while stream.write_all(b"a").is_ok() {
            let _ = ticks.recv_timeout(Duration::from_secs(1));
        }
    })
}

/// A server that answers every request with `start`, and then with as much more as the client takes.
pub fn pouring(start: &str) -> String {
    going_on(start, |stream| {
        let chunk = vec![b'a'; 64 * 1024];
        while stream.write_all(&chunk).is_ok() {}
    })
}

/// A server that answers the first request of a connection with `start`, keeps the connection, and says no more.
pub fn silent_after(start: &str) -> String {
    going_on(start, |stream| {
        // Until the client gives up.
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// 64 KiB of zeros: `head -c 65536 /dev/zero | gzip -9n`.
const ZEROS: &[u8] = include_bytes!("zeros.gz");

/// A server that answers every request with a small file that has no end once it is unpacked.
pub fn bombing() -> String {
    going_on("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", |stream| {
        // One after the other, they are one file.
        while stream.write_all(ZEROS).is_ok() {}
    })
}

/// A server without an address of IPv4 that answers every request with these bytes; nothing on a machine without IPv6.
pub fn only_on_ipv6(bytes: &str) -> Option<String> {
    let bytes = bytes.to_owned();
    let listener = TcpListener::bind("[::1]:0").ok()?;
    Some(serve_on(listener, move |stream| {
        if let Some((_, mut stream)) = request(stream) {
            let _ = stream.write_all(bytes.as_bytes());
        }
    }))
}

/// A server that answers every request with these bytes.
pub fn answering(bytes: &str) -> String {
    let bytes = bytes.to_owned();
    Recording::answering(move |_| bytes.clone()).url
}

/// An answer with this status and this body.
pub fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request's line and headers, as they were sent.
    pub head: String,
    /// What came with it.
    pub body: Vec<u8>,
}

/// A server that records what it is asked.
#[derive(Debug)]
pub struct Recording {
    /// Where it is.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Recording {
    /// A Pushgateway as far as any client sees: it holds nothing, and takes everything.
    pub fn empty_gateway() -> Self {
        Self::answering(|_| {
            answer("200 OK", "# TYPE pushgateway_build_info gauge\npushgateway_build_info{version=\"1\"} 1\n")
        })
    }

    /// A server that answers each request, of which it is given the head, with these bytes.
    pub fn answering(answer: impl Fn(&str) -> String + Clone + Send + 'static) -> Self {
        Self::answering_all(move |request| answer(&request.head))
    }

    /// A server that answers each request with these bytes.
    pub fn answering_all(answer: impl Fn(&Request) -> String + Clone + Send + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&requests);
        let url = serve(move |stream| {
            if let Some((request, mut stream)) = request(stream) {
                let bytes = answer(&request);
                // Before the answer: who has that finds the request recorded.
                recorded.lock().unwrap().push(request);
                let _ = stream.write_all(bytes.as_bytes());
            }
        });
        Self { url, requests }
    }

    /// The head of each request until now, as it was sent.
    pub fn heads(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.head).collect()
    }

    /// Each request until now.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// A server that begins an answer and leaves the rest to `go_on`.
fn going_on(start: &str, go_on: fn(&mut TcpStream)) -> String {
    let start = start.to_owned();
    serve(move |stream| {
        if let Some((_, mut stream)) = request(stream)
            && stream.write_all(start.as_bytes()).is_ok()
        {
            go_on(&mut stream);
        }
    })
}

/// The request, which is read whole: what is left unread at the close would reset the connection, and the
/// answer with it. Nothing where no request came.
fn request(stream: TcpStream) -> Option<(Request, TcpStream)> {
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

/// Calls `answer` with each connection, on a thread of its own, and gives the URL.
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
