//! Servers that a real gateway would not be: they refuse, hang, or answer 500.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

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
    serve(|stream| {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let mut length = 0;
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        // What is left unread at the close would reset the connection, and the answer with it.
        let _ = std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink());
        let body = "the disk is full\n";
        let answer = format!(
            "HTTP/1.1 500 Internal Server Error\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let _ = reader.get_mut().write_all(answer.as_bytes());
    })
}

fn serve(answer: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
    url
}
