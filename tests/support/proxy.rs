//! A proxy in front of a real server, with the faults of a network, or of a service that is overloaded. It records the
//! requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use crate::fault::{Recording, Request};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    /// The server answers it.
    Passes,
    /// The server answers it after this time.
    IsLate(Duration),
    /// The server answers it, and the answer is lost.
    LosesResponse,
    /// The server does not get it; the client gets this answer.
    IsAnswered(String),
}

/// A proxy in front of the server at `address`; `fate` decides about each request.
pub fn start(address: &str, fate: impl Fn(&Request) -> Fate + Clone + Send + 'static) -> Recording {
    let address = address.to_owned();
    Recording::answering_all(move |request| match fate(request) {
        Fate::Passes => pass(request, &address),
        Fate::IsLate(delay) => {
            // Nobody ever ticks: this only waits.
            let (_tick, ticks) = mpsc::channel::<()>();
            let _ = ticks.recv_timeout(delay);
            pass(request, &address)
        }
        Fate::LosesResponse => {
            pass(request, &address);
            String::new()
        }
        Fate::IsAnswered(answer) => answer,
    })
}

/// Passes a request on to the server at `address`; returns its response, which is text.
///
/// # Panics
/// The server does not respond.
pub fn pass(request: &Request, address: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    // The server closes the connection after its response, which is not compressed.
    let dropped = ["accept-encoding:", "connection:"];
    let kept = |line: &&str| {
        !line.is_empty() && !dropped.iter().any(|name| line.to_ascii_lowercase().starts_with(name))
    };
    let lines = request.head.lines().filter(kept).fold(String::new(), |head, line| head + line + "\r\n");
    connection.write_all(format!("{lines}Connection: close\r\n\r\n").as_bytes()).unwrap();
    connection.write_all(&request.body).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    response
}
