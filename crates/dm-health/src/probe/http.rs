//! Sends HTTP requests and reads the responses.

use http_body_util::{BodyExt, Empty};
use http_expect::{MAX_BODY_BYTES, Response};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::phase_timer::{Phase, PhaseTimer};
use crate::failure::Failure;

/// The most headers of a response.
const MAX_HEADERS: usize = 1000;

/// Takes headers that the standard no longer allows, because some servers send them and other clients take them.
fn tolerant() -> Builder {
    let mut builder = Builder::new();
    builder
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .max_headers(MAX_HEADERS);
    builder
}

/// An HTTP/1.1 connection.
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Drives the connection. Dropping the set aborts the task.
    _driver: JoinSet<hyper::Result<()>>,
}

impl Connection {
    pub(super) async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, connection) =
            tolerant().handshake(TokioIo::new(stream)).await.map_err(|error| Failure::no_response(&error))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, _driver: driver })
    }

    /// Whether another request can be sent: the last response was read completely, and the server keeps the connection open.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends the request and reads the response to its end, or to [`MAX_BODY_BYTES`]. Until the response is complete, its
    /// status and headers are in `head`.
    pub(super) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
        timer: &mut PhaseTimer<'_>,
        head: &mut Option<Response>,
    ) -> Result<Response, Failure> {
        let failed = |error| Failure::no_response(&error);
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let (parts, mut rest) = response.into_parts();
        *head = Some(Response::new(parts.status.as_u16(), parts.headers, Vec::new(), true));
        timer.enter(Phase::Transfer);
        let mut body = Vec::new();
        while body.len() <= MAX_BODY_BYTES
            && let Some(frame) = rest.frame().await
        {
            let frame = frame.map_err(failed)?;
            body.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
        }
        let truncated = body.len() > MAX_BODY_BYTES;
        body.truncate(MAX_BODY_BYTES);
        let (status, headers) = head.take().map(|head| (head.status, head.headers)).unwrap_or_default();
        Ok(Response::new(status, headers, body, truncated))
    }
}
