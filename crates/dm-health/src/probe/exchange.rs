//! HTTP requests and their answers.

use http_body_util::{BodyExt, Empty};
use http_expect::{MAX_BODY_BYTES, Response};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use super::failure::Failure;
use super::timeline::{Phase, Timeline};

/// A connection that speaks HTTP/1.1.
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// The connection works beside the exchange, and ends with it: a set of tasks ends its tasks when it is dropped.
    _beside: JoinSet<hyper::Result<()>>,
}

impl Connection {
    pub(super) async fn on(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| Failure::no_answer(&error))?;
        let mut beside = JoinSet::new();
        beside.spawn(connection);
        Ok(Self { sender, _beside: beside })
    }

    /// Whether it can be asked again: the last answer was read to its end, and the server keeps the connection.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends the request and reads the answer to its end, or to [`MAX_BODY_BYTES`]. The status is in `status` as soon
    /// as it is there.
    pub(super) async fn ask(
        &mut self,
        request: Request<Empty<Bytes>>,
        timeline: &mut Timeline<'_>,
        status: &mut Option<u16>,
    ) -> Result<Response, Failure> {
        let failed = |error| Failure::no_answer(&error);
        let response = self.sender.send_request(request).await.map_err(failed)?;
        let (head, mut rest) = response.into_parts();
        *status = Some(head.status.as_u16());
        timeline.enter(Phase::Transfer);
        let mut body = Vec::new();
        while body.len() <= MAX_BODY_BYTES
            && let Some(frame) = rest.frame().await
        {
            let frame = frame.map_err(failed)?;
            body.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
        }
        let truncated = body.len() > MAX_BODY_BYTES;
        body.truncate(MAX_BODY_BYTES);
        Ok(Response::new(head.status.as_u16(), head.headers, body, truncated))
    }
}
