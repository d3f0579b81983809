//! A value of a response, on its way through filters.

use std::borrow::Cow;

use serde_json::Value;

/// A value of a response.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// Bytes in no encoding in particular.
    Bytes(Vec<u8>),
    /// A JSON value. A text is a JSON string.
    Json(Value),
}

impl Datum {
    /// One value as it is, or a list of several; `None` if there is none.
    pub(crate) fn collect(mut values: Vec<Self>) -> Option<Self> {
        match values.len() {
            0 => None,
            1 => values.pop(),
            _ => Some(Self::Json(values.into_iter().map(Self::into_json).collect())),
        }
    }

    /// The text; a number or a boolean as JSON writes it.
    ///
    /// # Errors
    /// It is something that is not a text.
    pub(crate) fn text(&self) -> Result<Cow<'_, str>, String> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| "the bytes are not UTF-8".to_owned()),
            Self::Json(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Self::Json(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Cow::Owned(value.to_string())),
            Self::Json(Value::Null) => Err("null is not a text".to_owned()),
            Self::Json(Value::Array(_)) => Err("a list is not a text".to_owned()),
            Self::Json(Value::Object(_)) => Err("an object is not a text".to_owned()),
        }
    }

    /// The bytes; those of a text in UTF-8.
    ///
    /// # Errors
    /// It is something that is not a text.
    pub(crate) fn bytes(&self) -> Result<Cow<'_, [u8]>, String> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Json(_) => self.text().map(|text| match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }),
        }
    }

    /// What templates insert and conditions look at: a text as it is, anything else as JSON.
    pub fn into_text(self) -> String {
        match self {
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Self::Json(Value::String(text)) => text,
            Self::Json(value) => value.to_string(),
        }
    }

    /// A JSON value; bytes as a text.
    pub(crate) fn into_json(self) -> Value {
        match self {
            Self::Json(value) => value,
            bytes @ Self::Bytes(_) => Value::String(bytes.into_text()),
        }
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::Json(text.into())
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::Json(text.into())
    }
}
