//! One HTTP request and its answer.

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

use crate::expectations::Http;

use super::failure::Failure;
use super::request::Get;
use super::timeline::{Phase, Timeline};

/// So much of a body is read. A health check has no more to say, and a large download is no health check.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Sends the request and reads the answer to its end, or to [`MAX_BODY_BYTES`]. The status is in `status` as soon as
/// it is there.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    get: &Get,
    timeline: &mut Timeline<'_>,
    status: &mut Option<u16>,
) -> Result<Http, Failure> {
    let failed = |error| Failure::no_answer(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // The connection works beside the exchange, and ends with it: a set of tasks ends its tasks when it is dropped.
    let mut beside = JoinSet::new();
    beside.spawn(connection);
    let response = sender.send_request(get.request()).await.map_err(failed)?;
    let (head, mut rest) = response.into_parts();
    *status = Some(head.status.as_u16());
    timeline.enter(Phase::Transfer);
    let mut body = Vec::new();
    while body.len() < MAX_BODY_BYTES
        && let Some(frame) = rest.frame().await
    {
        let frame = frame.map_err(failed)?;
        body.extend_from_slice(frame.data_ref().map_or(&[], Bytes::as_ref));
    }
    Ok(Http { status: head.status.as_u16(), headers: head.headers, body })
}
