//! The body of a request, as it is sent.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use common::event::Reason;
use common::fs::bounded;
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part as SentPart};
use url::form_urlencoded;

use crate::failure::Failure;
use crate::suite::model::{Body, Part, PartContent};
use crate::suite::template::{Template, Values};

/// The largest file that a test sends, or compares, in bytes.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// The body of a request. It is cheap to clone: a redirect can repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Parts of a form.
    Parts(Arc<[FilledPart]>),
}

/// A part of a form with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilledPart {
    name: String,
    content: Vec<u8>,
    file_name: Option<String>,
    media_type: Option<String>,
}

impl Payload {
    /// The body with all values inserted, and its files read.
    pub(super) fn new(body: &Body, values: &Values) -> Result<Option<Self>, Failure> {
        let bytes = match body {
            Body::None => return Ok(None),
            Body::Text(body) => body.render(values).into_bytes(),
            Body::Bytes(bytes) => bytes.clone(),
            Body::File(path) => read_file(path, MAX_FILE_BYTES)?,
            Body::Json(json) => json.render(values).to_string().into_bytes(),
            Body::Form(fields) => encode_form(fields, values).into_bytes(),
            Body::Multipart(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|part| fill(part, values)).collect();
                return parts.map(|parts| Some(Self::Parts(parts.into())));
            }
        };
        Ok(Some(Self::Bytes(bytes.into())))
    }

    /// Adds the body to a request.
    pub(super) fn add_to(&self, request: RequestBuilder) -> Result<RequestBuilder, reqwest::Error> {
        match self {
            Self::Bytes(bytes) => Ok(request.body(bytes.to_vec())),
            Self::Parts(parts) => {
                let mut form = Form::new().percent_encode_noop();
                for part in parts.iter() {
                    form = form.part(part.name.clone(), part.to_sent()?);
                }
                Ok(request.multipart(form))
            }
        }
    }
}

impl FilledPart {
    fn to_sent(&self) -> Result<SentPart, reqwest::Error> {
        let part = SentPart::bytes(self.content.clone());
        let part = match &self.file_name {
            Some(name) => part.file_name(name.clone()),
            None => part,
        };
        match &self.media_type {
            Some(media_type) => part.mime_str(media_type),
            None => Ok(part),
        }
    }
}

fn fill(part: &Part, values: &Values) -> Result<FilledPart, Failure> {
    let Part { name, content, file_name, media_type } = part;
    let (content, own_name) = match content {
        PartContent::Text(text) => (text.render(values).into_bytes(), None),
        PartContent::File(path) => {
            let own_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (read_file(path, MAX_FILE_BYTES)?, own_name)
        }
    };
    // Servers take a file without a media type for a text.
    let default_type = own_name.as_ref().map(|_| "application/octet-stream".to_owned());
    Ok(FilledPart {
        name: name.clone(),
        content,
        file_name: file_name.clone().or(own_name),
        media_type: media_type.clone().or(default_type),
    })
}

fn encode_form(fields: &[(String, Template)], values: &Values) -> String {
    let fields = fields.iter().map(|(name, value)| (name, value.render(values)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Reads a file of the suite.
///
/// # Errors
///
/// If it cannot be read, or is longer than `max` bytes. A file that is missing on this machine proves nothing about the
/// service.
pub(super) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, Failure> {
    bounded::read_regular(path, max).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => Reason::NotFound,
            _ => Reason::Other,
        };
        Failure::error(reason, format!("cannot read {}: {error}", path.display()))
    })
}
