//! A small HTTP server with scripted replies: one per connection; the last one repeats.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// The reply to a connection.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// This status and a short body.
    Status(u16),
    /// This version, in a header and in the body.
    Version(&'static str),
    /// Status 200, for each request on the same connection.
    KeepAlive,
    /// No reply; the connection stays open.
    Hang,
    /// The head and a part of the body; the connection stays open.
    HalfABody,
    /// A body without an end.
    EndlessBody,
    /// A JSON document of this many bytes.
    Json(usize),
    /// The connection is reset.
    Reset,
    /// Something that is not HTTP.
    Garbage,
    /// This head, as it is, and then the end of the response.
    Raw(&'static str),
    /// The same, but the connection stays open.
    RawHang(&'static str),
}

pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(replies: &[Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let (replies, requests) = (replies.to_vec(), Arc::clone(&server.requests));
        thread::spawn(move || {
            // Keeps these connections open: dropping them would close them.
            let mut hanging = Vec::new();
            for (index, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let reply = replies[index.min(replies.len() - 1)];
                if matches!(reply, Reply::Reset) {
                    // Closing a connection with unread data resets it.
                    let _ = stream.peek(&mut [0]);
                    continue;
                }
                requests.lock().unwrap().push(read_head(&mut stream));
                // The client may have disconnected.
                let _ = stream.write_all(&bytes(reply));
                match reply {
                    Reply::KeepAlive => loop {
                        let head = read_head(&mut stream);
                        if head.is_empty() {
                            break;
                        }
                        requests.lock().unwrap().push(head);
                        let _ = stream.write_all(&bytes(reply));
                    },
                    Reply::Hang | Reply::HalfABody | Reply::RawHang(_) => hanging.push(stream),
                    Reply::EndlessBody => while stream.write_all(&[b'x'; 8192]).is_ok() {},
                    Reply::Status(_)
                    | Reply::Version(_)
                    | Reply::Json(_)
                    | Reply::Reset
                    | Reply::Garbage
                    | Reply::Raw(_) => {}
                }
            }
        });
        server
    }

    /// A URL that refuses connections.
    pub(crate) fn refusing() -> String {
        format!("{}/", testkit::fault::refused())
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
        // A TLS ClientHello does not end like an HTTP head.
        if head[0] == 0x16 {
            break;
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

fn bytes(reply: Reply) -> Vec<u8> {
    match reply {
        Reply::Status(status) => {
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{}", body(status).len(), body(status))
                .into_bytes()
        }
        Reply::Version(version) => {
            let body = format!("{{\"version\":\"{version}\"}}");
            let length = body.len();
            format!("HTTP/1.1 200 OK\r\nX-App-Version: {version}\r\ncontent-length: {length}\r\n\r\n{body}")
                .into_bytes()
        }
        Reply::Json(length) => {
            let padding = length - r#"{"db":"up","x":""}"#.len();
            let body = format!("{{\"db\":\"up\",\"x\":\"{}\"}}", "x".repeat(padding));
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
        }
        Reply::KeepAlive => bytes(Reply::Status(200)),
        Reply::HalfABody => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec(),
        Reply::EndlessBody => b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        Reply::Garbage => b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),
        Reply::Raw(text) | Reply::RawHang(text) => text.as_bytes().to_vec(),
        Reply::Hang | Reply::Reset => Vec::new(),
    }
}

fn body(status: u16) -> &'static str {
    if status == 204 { "" } else { "hello" }
}
