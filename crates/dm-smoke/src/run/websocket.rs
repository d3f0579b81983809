//! WebSocket (RFC 6455), over a connection that an HTTP request has opened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use http_expect::{MAX_MESSAGE_BYTES, Message};
use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message as Frame};

use super::stream::{StreamError, Watch};

/// Adds the headers that ask for a WebSocket. Returns the answer that proves that the server speaks it.
pub(super) fn ask(headers: &mut HeaderMap) -> HeaderValue {
    let mut random = [0; 16];
    // It is no secret: it only shows that the answer belongs to this request.
    let _ = getrandom::fill(&mut random);
    let key = STANDARD.encode(random);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    let accept = derive_accept_key(key.as_bytes());
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    headers.insert(SEC_WEBSOCKET_KEY, value(&key));
    value(&accept)
}

/// Sends the messages, and then reads until all expected ones have come, or until the server ends the conversation.
pub(super) async fn talk(
    response: reqwest::Response,
    accept: &HeaderValue,
    send: Vec<String>,
    watch: &mut Watch<'_>,
) -> Result<(), StreamError> {
    if response.headers().get(SEC_WEBSOCKET_ACCEPT) != Some(accept) {
        let why = "the server does not speak WebSocket: its header sec-websocket-accept does not belong to the request";
        return Err(StreamError::Protocol(why.to_owned()));
    }
    let connection = response.upgrade().await.map_err(StreamError::Transport)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let mut socket = WebSocketStream::from_raw_socket(connection, Role::Client, Some(config)).await;
    for text in send {
        socket.send(Frame::text(text)).await.map_err(|error| failed(&error))?;
    }
    while !watch.is_done()
        && let Some(frame) = socket.next().await
    {
        match frame {
            Ok(Frame::Text(text)) => watch.add(Message { event: None, data: text.as_bytes().to_vec() }),
            Ok(Frame::Binary(bytes)) => watch.add(Message { event: None, data: bytes.to_vec() }),
            // The library answers pings and closing.
            Ok(_) | Err(Error::ConnectionClosed) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    // The server may have gone; the messages have come.
    let _ = socket.close(None).await;
    Ok(())
}

fn failed(error: &Error) -> StreamError {
    StreamError::Protocol(format!("WebSocket: {error}"))
}
