//! What a failed request to an object store means. The messages consist of what the server says and of no address,
//! because an address can contain a signature.

use std::error::Error as _;

use object_store::Error;
use object_store::client::HttpError;
use url::Url;

use crate::error::StoreError;

/// The longest text of a server that is shown.
const MAX_TEXT: usize = 300;

/// The codes of S3 and Google, and of Azure, for a bucket or container that does not exist.
const MISSING_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"];

/// The addresses at which a cloud's machines get their credentials.
const METADATA: [&str; 4] =
    ["169.254.169.254", "169.254.170.2", "metadata.google.internal", "metadata/identity"];

/// A configuration that the client refuses.
pub(super) fn of_setup(url: &Url, error: &Error) -> StoreError {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    StoreError::Denied(format!("{url}: {}: {}", without_quotes(&text), advice(url)))
}

/// Whether the object is not there because its bucket is not there.
pub(super) fn is_missing_bucket(error: &Error) -> bool {
    let text = error.to_string();
    MISSING_BUCKET.iter().any(|code| text.contains(code))
}

/// A request that failed.
pub(super) fn of_request(url: &Url, error: &Error) -> StoreError {
    if is_missing_bucket(error) {
        let bucket = url.host_str().unwrap_or_default();
        return StoreError::Denied(format!("{url}: {bucket} does not exist: create it, or correct the URL"));
    }
    let text = error.to_string();
    let status = status(&text);
    let denied = |reason: &str| StoreError::Denied(format!("{url}: {reason}: {}", advice(url)));
    match error {
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
            return StoreError::Conflict;
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => return denied(&answer(&text)),
        _ => {}
    }
    match status {
        Some(408 | 429 | 500..) => StoreError::Unavailable(format!("{url}: {}", answer(&text))),
        Some(_) => denied(&answer(&text)),
        None if text.contains("Received redirect") => {
            denied("the bucket is in another region or at another endpoint")
        }
        None => match transport(error) {
            Some(reason) if METADATA.iter().any(|address| text.contains(address)) => {
                denied(&format!("no credentials are set, and the cloud gives this machine none ({reason})"))
            }
            Some(reason) => StoreError::Unavailable(format!("{url}: {reason}")),
            None => denied(&without_quotes(&last(error))),
        },
    }
}

/// The status of an HTTP response, from the text of the error: its type is private.
fn status(text: &str) -> Option<u16> {
    text.split_once("status code: ")?.1.get(..3)?.parse().ok()
}

/// What the server says: the code and the message of its XML, or the status alone.
fn answer(text: &str) -> String {
    let (_, answer) = text.split_once("status code: ").unwrap_or(("", text));
    let status = answer.split(':').next().unwrap_or_default();
    let said: Vec<&str> = ["Code", "Message"].iter().filter_map(|name| element(answer, name)).collect();
    if said.is_empty() { status.to_owned() } else { format!("{status}: {}", said.join(": ")) }
}

/// The first line of an element of XML.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let line = rest.split(['<', '\n']).next()?.trim();
    let end = line.char_indices().nth(MAX_TEXT).map_or(line.len(), |(end, _)| end);
    Some(line[..end].trim_end_matches('.')).filter(|line| !line.is_empty())
}

/// Why there was no response; `None` if there was no request either.
fn transport(error: &Error) -> Option<String> {
    let mut next = error.source();
    while let Some(error) = next {
        if error.is::<HttpError>() {
            return Some(last(error));
        }
        next = error.source();
    }
    None
}

fn last(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Parsers quote what they cannot read, which may be part of a key.
fn without_quotes(text: &str) -> String {
    let parts: Vec<&str> = text.split('"').step_by(2).collect();
    parts.join("\"…\"")
}

fn advice(url: &Url) -> &'static str {
    match url.scheme() {
        "gs" => {
            "set GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached; it needs the role Storage \
             Object User on the bucket"
        }
        "az" => {
            "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or an identity with the role Storage Blob \
             Data Contributor on the container"
        }
        _ => {
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or a web identity, or run where a role is \
             attached (profiles are not read: aws configure export-credentials --format env); it needs s3:GetObject, \
             s3:PutObject and s3:ListBucket"
        }
    }
}
