//! Messages of a stream, such as server-sent events, and what is expected of one.

use serde_json::Value;

use crate::body::TextExpectation;
use crate::json::JsonExpectation;

/// The most bytes of a message.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The name of a server-sent event; `None` if it has none.
    pub event: Option<String>,
    /// The content.
    pub data: Vec<u8>,
}

/// What is expected of one message of a stream; all of it has to be met. Others may come before it.
#[derive(Debug, Clone, Default)]
pub struct MessageExpectation {
    /// The name of the event.
    pub event: Option<String>,
    /// Its text.
    pub text: TextExpectation,
    /// Its JSON.
    pub json: Vec<JsonExpectation>,
}

impl MessageExpectation {
    /// Whether a message is the expected one.
    pub fn is_met(&self, message: &Message) -> bool {
        let Self { event, text, json } = self;
        let is_event = event.is_none() || *event == message.event;
        let has_json = || {
            let document: Result<Value, _> = serde_json::from_slice(&message.data);
            document.is_ok_and(|document| json.iter().all(|expected| expected.check(&document).is_ok()))
        };
        is_event && text.unmet(&message.data).next().is_none() && (json.is_empty() || has_json())
    }
}

/// Reads server-sent events (HTML Living Standard, section 9.2) from parts of a stream.
#[derive(Debug, Default)]
pub struct EventReader {
    line: Vec<u8>,
    event: Message,
    has_data: bool,
    after_cr: bool,
    is_started: bool,
}

/// An event is longer than [`MAX_MESSAGE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl EventReader {
    /// Adds a part of the stream; returns the events that end in it.
    pub fn add(&mut self, part: &[u8]) -> Result<Vec<Message>, TooLong> {
        let mut events = Vec::new();
        for &byte in part {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() + self.event.data.len() >= MAX_MESSAGE_BYTES => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Message> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.is_started, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // An event without data is none.
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"event" => self.event.event = Some(String::from_utf8_lossy(value).into_owned()),
            // A comment, an id, a time to reconnect, or something to ignore.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    use crate::body::TextCondition;

    fn events(stream: &str) -> Vec<(Option<String>, String)> {
        let events = EventReader::default().add(stream.as_bytes()).unwrap();
        events.into_iter().map(|event| (event.event, String::from_utf8(event.data).unwrap())).collect()
    }

    #[test]
    fn events_are_read_as_browsers_do() {
        let stream = "\u{feff}: hi\n\ndata: a\ndata:b\n\nevent: x\r\ndata\r\n\r\nevent: none\n\nid: 1\rdata: {\r\rdata: cut";
        let some = |event: Option<&str>, data: &str| (event.map(str::to_owned), data.to_owned());
        assert_eq!(events(stream), [some(None, "a\nb"), some(Some("x"), ""), some(None, "{")]);
        let mut reader = EventReader::default();
        assert_eq!(reader.add(&vec![b'x'; MAX_MESSAGE_BYTES + 1]), Err(TooLong));
    }

    #[test]
    fn a_message_meets_all_of_an_expectation_or_not() {
        let message = |event: Option<&str>, data: &str| Message {
            event: event.map(str::to_owned),
            data: data.as_bytes().to_vec(),
        };
        let expected = MessageExpectation {
            event: Some("price".to_owned()),
            text: TextExpectation(vec![TextCondition::Contains("scone".to_owned())]),
            json: vec!["$.price > 1".parse().unwrap()],
        };
        assert!(expected.is_met(&message(Some("price"), r#"{"price":2,"item":"scone"}"#)));
        assert!(!expected.is_met(&message(None, r#"{"price":2,"item":"scone"}"#)));
        assert!(!expected.is_met(&message(Some("price"), r#"{"price":1,"item":"scone"}"#)));
        assert!(!expected.is_met(&message(Some("price"), "scone")));
        assert!(MessageExpectation::default().is_met(&message(None, "")));
    }

    proptest! {
        #[test]
        fn the_parts_of_a_stream_do_not_matter(stream in "(data|event|:|\n|\r|x| ){0,40}", cut in 0_usize..80) {
            let whole = EventReader::default().add(stream.as_bytes()).unwrap();
            let (one, other) = stream.as_bytes().split_at(cut.min(stream.len()));
            let mut reader = EventReader::default();
            let parts = [reader.add(one).unwrap(), reader.add(other).unwrap()].concat();
            prop_assert_eq!(whole, parts);
        }
    }
}
