//! Messages that a service pushes: the expected ones have to come in their order, and others may come in between.

use http_expect::{EventReader, Message, MessageExpectation};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::suite::assertion::Stream;

/// The media type of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";

/// The messages so far, compared with the expected ones.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    expected: &'a [MessageExpectation],
    stream: &'a mut Stream,
    /// The content of the last expected message.
    matched: Vec<u8>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(expected: &'a [MessageExpectation], stream: &'a mut Stream) -> Self {
        Self { expected, stream, matched: Vec::new() }
    }

    /// Takes a message.
    pub(super) fn add(&mut self, message: Message) {
        self.stream.seen += 1;
        if self.expected.get(self.stream.met).is_some_and(|expected| expected.is_met(&message)) {
            self.stream.met += 1;
            self.matched.clone_from(&message.data);
        }
        self.stream.last = message.data;
    }

    /// Whether all expected messages have come.
    pub(super) fn is_done(&self) -> bool {
        self.stream.met >= self.expected.len()
    }

    /// The content of the last expected message.
    pub(super) fn into_matched(self) -> Vec<u8> {
        self.matched
    }
}

/// Whether a response is a stream of events that can be read.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(EVENT_STREAM) && !headers.contains_key(CONTENT_ENCODING)
}

/// Reads server-sent events until all expected ones have come, or until the stream ends.
pub(super) async fn read_events(
    response: &mut reqwest::Response,
    watch: &mut Watch<'_>,
) -> Result<(), StreamError> {
    let mut reader = EventReader::default();
    while !watch.is_done()
        && let Some(chunk) = response.chunk().await.map_err(StreamError::Transport)?
    {
        let events = reader
            .add(&chunk)
            .map_err(|_| StreamError::Protocol("an event is longer than a MiB".to_owned()))?;
        for event in events {
            if !watch.is_done() {
                watch.add(event);
            }
        }
    }
    Ok(())
}

/// Why a stream cannot be read.
#[derive(Debug)]
pub(super) enum StreamError {
    /// The connection failed.
    Transport(reqwest::Error),
    /// The service breaks the rules.
    Protocol(String),
}
